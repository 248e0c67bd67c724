/** What a client tells about itself: one line for each attempt, for those who ask for it, and warnings. */

import { emitWarning } from 'node:process';
import { saidBy } from './kinds.js';

/** Takes the lines of a client, for example `console`, or a logger of pino or winston. */
export interface Logger {
  /** Takes one line for each attempt: method, path, status or problem, duration, number of the attempt. */
  debug(message: string): void;
  /** Takes what should be known about the set-up. Without it, it is a warning of the process. */
  warn?(message: string): void;
}

/** One attempt of a call, as the native side reports it. */
export interface Attempt {
  number: number;
  method: string;
  path: string;
  status: number | null;
  kind: string | null;
  problem: string | null;
  milliseconds: number;
  reusedConnection: boolean;
}

const toStandardError: Logger = {
  debug: (message) => {
    process.stderr.write(`${message}\n`);
  },
};

/** The logger that `LOKI_LOG=debug` asks for; other levels have no lines. */
export function loggerOfEnvironment(): Logger | undefined {
  return process.env.LOKI_LOG?.toLowerCase() === 'debug' ? toStandardError : undefined;
}

/** Writes a line for each attempt. A logger that fails does not take the result from the caller. */
export function logAttempts(logger: Logger, attempts: readonly Attempt[]): void {
  try {
    for (const attempt of attempts) logger.debug(line(attempt));
  } catch (error) {
    warnOnce(undefined, `the logger failed: ${saidBy(error)}`);
  }
}

function line({
  number,
  method,
  path,
  status,
  kind,
  problem,
  milliseconds,
  reusedConnection,
}: Attempt): string {
  const outcome = status ?? `${kind}: ${problem}`;
  const connection = reusedConnection ? '' : ', new connection';
  return `loki-mode-sdk: ${method} ${path} -> ${outcome} in ${milliseconds.toFixed(1)} ms (attempt ${number}${connection})`;
}

const warned = new Set<string>();

/** Warns, of the same thing only once in the life of the process. */
export function warnOnce(logger: Logger | undefined, message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  warn(logger, message);
}

/** Warns. What a logger does not take is a warning of the process. */
export function warn(logger: Logger | undefined, message: string): void {
  try {
    if (logger?.warn) {
      logger.warn(`loki-mode-sdk: ${message}`);
      return;
    }
  } catch (error) {
    emitWarning(`the logger failed: ${saidBy(error)}`, { type: 'LokiModeSdkWarning' });
  }
  emitWarning(message, { type: 'LokiModeSdkWarning' });
}
