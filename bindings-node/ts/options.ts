import { ConfigError } from './errors.js';
import { type HeaderList, headerPairs } from './headers.js';
import { isTorn, kindOf, whyNoName, whyNoOptions } from './kinds.js';
import type { Logger } from './logger.js';
import { type TokenProvider, tokenSource } from './tokens.js';

/** How a client is set up. */
export interface ClientOptions {
  /** Where the control plane is: `http` or `https`, a host, optionally a port and a path prefix. */
  baseUrl: string;
  /**
   * Bearer token, sent to the origin of `baseUrl` and nowhere else, or a function that is asked for it before each
   * attempt, and once more after a 401. Default: none.
   */
  token?: string | TokenProvider | null | undefined;
  /** The longest that a call may take, retries, waits and body included, in milliseconds. Default: 30000. */
  timeout?: number | undefined;
  /**
   * The longest that opening a connection may take, within `timeout`, in milliseconds: looking up the name, connecting, a
   * tunnel through a proxy and TLS together. Default: 5000.
   */
  connectTimeout?: number | undefined;
  /** How often a failed attempt is repeated where repeating is safe: 0 or more. Default: 2. */
  maxRetries?: number | undefined;
  /**
   * Which paths are used where the guide and deployed servers differ: `guide` (`/api/runs`), `v2` (`/api/v2/runs`),
   * or `auto`, which learns it from the server's answers. Default: `auto`.
   */
  pathStyle?: 'auto' | 'guide' | 'v2' | undefined;
  /**
   * How many connections may be in use at once: 1 or more. Further calls wait for one, in the order in which they
   * began, within their `timeout`. All clients of a thread of JavaScript together have 1024 calls under way at the
   * most, and 256 where calls run on threads (outside Linux, in Bun and in Deno); others wait in the same way.
   * Default: 256.
   */
  maxConnections?: number | undefined;
  /** Headers that are sent with each request, beside those of the client, which they cannot replace. Default: none. */
  headers?: HeaderList | undefined;
  /**
   * The largest answer that is read, in bytes after decompression: 1 or more. A larger one is a `DecodeError`.
   * Default: 67108864 (64 MiB).
   */
  maxBodyBytes?: number | undefined;
  /** What is added to the `User-Agent` to name the application, for example `deploy-bot/2.1`. Default: nothing. */
  appInfo?: string | undefined;
  /**
   * URL of the proxy to use, for example `http://user:secret@proxy:3128`; an empty string means none. Loopback
   * addresses never go through a proxy. Default: what `HTTPS_PROXY` or `HTTP_PROXY`, by the scheme of `baseUrl`, or
   * `ALL_PROXY` says, unless `NO_PROXY` names the host.
   */
  proxy?: string | undefined;
  /** Path of a PEM file with certificates that are trusted beside the default ones. Default: none. */
  caFile?: string | undefined;
  /** Whether what the operating system trusts is trusted instead of Mozilla's roots. Default: false. */
  systemRoots?: boolean | undefined;
  /** Path of a PEM file with a client certificate and its chain; needs `clientKeyFile`. Default: none. */
  clientCertFile?: string | undefined;
  /** Path of a PEM file with the private key of the client certificate. Default: none. */
  clientKeyFile?: string | undefined;
  /**
   * Gets a line for each attempt, for example `console`; never a token, a query or a body. Default: none, or the
   * standard error if the environment variable `LOKI_LOG` is `debug`.
   */
  logger?: Logger | undefined;
}

/** What a derived client does differently; what is not given stays. */
export interface ClientChanges {
  /** See {@link ClientOptions.token}; null calls without one. If it is given, the clients no longer share a token. */
  token?: string | TokenProvider | null | undefined;
  /** See {@link ClientOptions.timeout}. */
  timeout?: number | undefined;
  /** See {@link ClientOptions.maxRetries}. */
  maxRetries?: number | undefined;
  /** See {@link ClientOptions.headers}; replaces all of them. */
  headers?: HeaderList | undefined;
}

/** What can be said about a single call. */
export interface CallOptions {
  /** Ends the call when it is aborted; the call is then rejected with the signal's reason. */
  signal?: AbortSignal | null | undefined;
  /** The longest that this call may take, in milliseconds, instead of the client's `timeout`. */
  timeout?: number | undefined;
  /** How often this call is repeated at the most, instead of the client's `maxRetries`. */
  maxRetries?: number | undefined;
  /** Headers that are sent with the requests of this call; one of the client's of the same name is left out. */
  headers?: HeaderList | undefined;
}

/** The names of {@link CallOptions}, which every method takes. */
export const CALL_OPTIONS: ReadonlySet<string> = new Set(['signal', 'timeout', 'maxRetries', 'headers']);

/** The largest count that the engine takes. */
const MAX_COUNT = 2 ** 32 - 1;

/** Gives an option as the native side takes it, or throws a {@link ConfigError} that names it. */
type Read = (name: string, value: unknown) => unknown;

/** The options that a derived client can change. */
const CHANGES: Readonly<Record<keyof ClientChanges, Read>> = {
  token: (_, value) => tokenSource(value),
  timeout: checkTimeout,
  maxRetries: (_, value) => checkRetries(value),
  headers: (_, value) => headerPairs(value),
};

const OPTIONS: Readonly<Record<keyof ClientOptions, Read>> = {
  baseUrl: checkString,
  ...CHANGES,
  connectTimeout: checkTimeout,
  pathStyle: checkString,
  maxConnections: (name, value) => checkCount(name, value, 1, MAX_COUNT),
  maxBodyBytes: (name, value) => checkCount(name, value, 1, Number.MAX_SAFE_INTEGER),
  appInfo: checkString,
  proxy: checkString,
  caFile: checkString,
  systemRoots: checkBoolean,
  clientCertFile: checkString,
  clientKeyFile: checkString,
  logger: checkLogger,
};

/**
 * The options as the native client takes them.
 *
 * @throws {@link ConfigError} naming the option that is missing, unknown or of the wrong type. Whether its value is
 *   any good is checked by the engine.
 */
export function nativeOptions(owner: string, options: ClientOptions): string {
  const whyNot = whyNoOptions(options, Object.keys(OPTIONS));
  if (whyNot) throw new ConfigError(`${owner} needs an object of options with baseUrl, not ${whyNot}`);
  const read = readAll(owner, OPTIONS, options);
  const baseUrl = checkString('baseUrl', options.baseUrl);
  return JSON.stringify({ ...read, baseUrl, language: `Node.js/${process.versions.node}` });
}

/**
 * The changes as the native client takes them.
 *
 * @throws {@link ConfigError} naming the one that is unknown or of the wrong type.
 */
export function nativeChanges(changes: ClientChanges): string {
  const whyNot = whyNoOptions(changes);
  if (whyNot) throw new ConfigError(`withOptions needs an object of options, not ${whyNot}`);
  const read = readAll('withOptions', CHANGES, changes);
  return JSON.stringify(changes.token === null ? { ...read, token: 'none' } : read);
}

function readAll(
  owner: string,
  table: Readonly<Record<string, Read>>,
  options: object,
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const reader = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!reader) {
      throw new ConfigError(whyNoName(owner, 'option', name, Object.keys(table)), { param: name });
    }
    if (value != null) read[name] = reader(name, value);
  }
  return read;
}

function refusal(name: string, expected: string, value: unknown): ConfigError {
  const got = typeof value === 'number' ? value : kindOf(value);
  return new ConfigError(`${name} must be ${expected}, not ${got}`, { param: name });
}

function checkString(name: string, value: unknown): string {
  if (typeof value !== 'string' || isTorn(value)) throw refusal(name, 'a string', value);
  return value;
}

function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw refusal(name, 'a boolean', value);
  return value;
}

/** A logger stays on this side. */
function checkLogger(name: string, value: unknown): undefined {
  const { debug, warn } = value as Partial<Logger>;
  if (typeof debug !== 'function' || (warn != null && typeof warn !== 'function')) {
    throw refusal(name, 'an object with the function debug and, if it likes, warn', value);
  }
}

/** @throws {@link ConfigError} unless it is a count within these bounds. */
export function checkCount(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw refusal(name, `an integer of ${least} or more`, value);
  }
  return value as number;
}

/** @throws {@link ConfigError} unless it is a finite number of milliseconds above zero, or not given. */
export function checkTimeout(name: string, timeout: unknown): unknown {
  if (timeout == null) return timeout;
  if (typeof timeout !== 'number' || !Number.isFinite(timeout) || timeout <= 0) {
    const finite = timeout === Number.POSITIVE_INFINITY ? 'a finite number' : 'a number';
    throw refusal(name, `${finite} of milliseconds above zero`, timeout);
  }
  return timeout;
}

/** @throws {@link ConfigError} unless it is a count, or not given. */
export function checkRetries(maxRetries: unknown): unknown {
  return maxRetries == null ? maxRetries : checkCount('maxRetries', maxRetries, 0, MAX_COUNT);
}
