import { ConfigError } from './errors.js';

/** How a client is set up. */
export interface ClientOptions {
  /** Where the control plane is: `http` or `https`, a host, optionally a port and a path prefix. */
  baseUrl: string;
  /** Bearer token, sent to the origin of `baseUrl` and nowhere else. Default: none. */
  token?: string | undefined;
  /** The longest that a call may take, retries, waits and body included, in milliseconds. Default: 30000. */
  timeout?: number | undefined;
  /** How often a failed attempt is repeated where repeating is safe: 0 or more. Default: 2. */
  maxRetries?: number | undefined;
  /**
   * Which paths are used where the guide and deployed servers differ: `guide` (`/api/runs`), `v2` (`/api/v2/runs`),
   * or `auto`, which learns it from the server's answers. Default: `auto`.
   */
  pathStyle?: 'auto' | 'guide' | 'v2' | undefined;
}

/** What can be said about a single call. */
export interface CallOptions {
  /** Ends the call when it is aborted; the call is then rejected with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The longest that this call may take, in milliseconds, instead of the client's `timeout`. */
  timeout?: number | undefined;
  /** How often this call is repeated at the most, instead of the client's `maxRetries`. */
  maxRetries?: number | undefined;
}

/** The names of {@link CallOptions}, which every method takes. */
export const CALL_OPTIONS: ReadonlySet<string> = new Set(['signal', 'timeout', 'maxRetries']);

const CLIENT_OPTIONS: ReadonlySet<string> = new Set([
  'baseUrl',
  'token',
  'timeout',
  'maxRetries',
  'pathStyle',
]);

/** The largest count that the engine takes. */
const MAX_COUNT = 2 ** 32 - 1;

/** Whether it is a map or a set: `JSON.stringify` would write it as an object without anything in it. */
export function isCollection(value: object): boolean {
  return value instanceof Map || value instanceof Set;
}

/** What a value is, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : `the number ${value}`;
  if (typeof value === 'undefined') return 'undefined';
  if (typeof value === 'object') {
    return value instanceof Date || isCollection(value) ? `a ${value.constructor.name}` : 'an object';
  }
  return `a ${typeof value}`;
}

/**
 * The options as the native client takes them.
 *
 * @throws {@link ConfigError} naming the option that is missing, unknown or of the wrong type. Whether its value is
 *   any good is checked by the engine.
 */
export function nativeOptions(options: ClientOptions): string {
  if (typeof options !== 'object' || options === null) {
    throw new ConfigError(`AutonomiClient needs an object of options with baseUrl, not ${kindOf(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!CLIENT_OPTIONS.has(name)) {
      throw new ConfigError(
        `AutonomiClient has no option ${name}; it has ${[...CLIENT_OPTIONS].join(', ')}`,
        { param: name },
      );
    }
  }
  const { baseUrl, token, timeout, maxRetries, pathStyle } = options;
  checkString('baseUrl', baseUrl);
  if (token != null) checkString('token', token);
  if (pathStyle != null) checkString('pathStyle', pathStyle);
  checkTimeout(timeout);
  checkRetries(maxRetries);
  return JSON.stringify({
    baseUrl,
    token: token ?? undefined,
    timeout: timeout ?? undefined,
    maxRetries: maxRetries ?? undefined,
    pathStyle: pathStyle ?? undefined,
    language: `Node.js/${process.versions.node}`,
  });
}

function checkString(name: string, value: unknown): void {
  if (typeof value !== 'string') {
    throw new ConfigError(`${name} must be a string, not ${kindOf(value)}`, { param: name });
  }
}

/** @throws {@link ConfigError} unless it is a finite number of milliseconds above zero, or not given. */
export function checkTimeout(timeout: unknown): void {
  if (timeout == null) return;
  if (typeof timeout !== 'number' || !Number.isFinite(timeout) || timeout <= 0) {
    const got = typeof timeout === 'number' ? timeout : kindOf(timeout);
    throw new ConfigError(`timeout must be a number of milliseconds above zero, not ${got}`, {
      param: 'timeout',
    });
  }
}

/** @throws {@link ConfigError} unless it is a count, or not given. */
export function checkRetries(maxRetries: unknown): void {
  if (maxRetries == null) return;
  if (!Number.isInteger(maxRetries) || (maxRetries as number) < 0 || (maxRetries as number) > MAX_COUNT) {
    const got = typeof maxRetries === 'number' ? maxRetries : kindOf(maxRetries);
    throw new ConfigError(`maxRetries must be an integer of 0 or more, not ${got}`, { param: 'maxRetries' });
  }
}
