import type { Operation } from './arguments.js';

/** What the server says about one field of a request. */
export interface FieldError {
  /** Where, for example `body.name` or `query.limit`. */
  location: string;
  /** What is wrong with it. */
  message: string;
}

/** What is known about an error beside its message. */
export interface ErrorDetails {
  statusCode?: number | undefined;
  responseBody?: string | undefined;
  code?: string | undefined;
  method?: string | undefined;
  path?: string | undefined;
  attempts?: number | undefined;
  retryAfter?: number | undefined;
  requiredScope?: string | undefined;
  errors?: FieldError[] | undefined;
  maybeExecuted?: boolean | undefined;
  param?: string | undefined;
  reason?: string | undefined;
  cause?: unknown;
}

/** What everything that a call can fail with is derived from, but for a `TypeError` and the reason of an abort. */
export class AutonomiError extends Error {
  /** The status of the server's answer, if there was one. */
  declare readonly statusCode: number | undefined;
  /** The body of the server's answer, at most its first 64 KiB. */
  declare readonly responseBody: string | undefined;
  /** The server's own code for the error, if it has one. */
  declare readonly code: string | undefined;
  /** The HTTP method of the request. */
  declare readonly method: string | undefined;
  /** The path of the request, without its query. */
  declare readonly path: string | undefined;
  /** How many requests were sent. */
  readonly attempts: number;
  /** How long the server wants to be left alone, in seconds. */
  declare readonly retryAfter: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.attempts = details.attempts ?? 0;
    set(this, { ...details, attempts: undefined, cause: undefined });
  }

  static {
    define(AutonomiError, 'AutonomiError');
  }
}

/** 401: there is no token, or it is not valid (any more). */
export class AuthenticationError extends AutonomiError {
  static {
    define(AuthenticationError, 'AuthenticationError');
  }
}

/** 403: the token does not allow this. Also called `ForbiddenError`. */
export class PermissionDeniedError extends AutonomiError {
  /** The scope that the token lacks, if the server says so. */
  declare readonly requiredScope: string | undefined;

  static {
    define(PermissionDeniedError, 'PermissionDeniedError');
  }
}

/** 404: the server does not know it; the message says so if it is the route that the server lacks. */
export class NotFoundError extends AutonomiError {
  static {
    define(NotFoundError, 'NotFoundError');
  }
}

/** 409: in conflict with what is there. */
export class ConflictError extends AutonomiError {
  static {
    define(ConflictError, 'ConflictError');
  }
}

/** 400 or 422: the server refuses the arguments. */
export class ValidationError extends AutonomiError {
  /** What the server says about single fields; never the values that were sent. */
  readonly errors: readonly FieldError[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { ...details, errors: undefined });
    this.errors = details.errors ?? [];
  }

  static {
    define(ValidationError, 'ValidationError');
  }
}

/** 429: too many requests; `retryAfter` says how long to wait, if the server does. */
export class RateLimitError extends AutonomiError {
  static {
    define(RateLimitError, 'RateLimitError');
  }
}

/** This server does not offer it: 410, 501, an unknown route, or a web page where JSON was due. */
export class NotAvailableError extends AutonomiError {
  static {
    define(NotAvailableError, 'NotAvailableError');
  }
}

/** Any other 5xx. */
export class ServerError extends AutonomiError {
  static {
    define(ServerError, 'ServerError');
  }
}

/** The server could not be reached, or the connection was lost. */
export class APIConnectionError extends AutonomiError {
  /** Whether the server may have executed the request all the same. */
  declare readonly maybeExecuted: boolean | undefined;

  static {
    define(APIConnectionError, 'APIConnectionError');
  }
}

/** The `timeout` of the call passed. */
export class APITimeoutError extends APIConnectionError {
  static {
    define(APITimeoutError, 'APITimeoutError');
  }
}

/**
 * A successful answer that is not what the method returns; the message names the place in the JSON. Also the body of a
 * webhook that is no JSON object.
 */
export class DecodeError extends AutonomiError {
  static {
    define(DecodeError, 'DecodeError');
  }
}

/** A bad option, id or argument value, noticed before anything was sent. */
export class ConfigError extends AutonomiError {
  /** The option or parameter at fault. */
  declare readonly param: string | undefined;

  static {
    define(ConfigError, 'ConfigError');
  }
}

/** A webhook that is not to be trusted; the message says what to check. */
export class WebhookVerificationError extends AutonomiError {
  /**
   * Why, for programs: `no_secret`, `missing_signature`, `malformed_signature`, `malformed_headers`, `bad_signature`,
   * `too_old` or `too_new`.
   */
  declare readonly reason: string | undefined;

  static {
    define(WebhookVerificationError, 'WebhookVerificationError');
  }
}

/** What is known about a rotation that did not go to its end. */
export interface KeyRotationDetails {
  token: string;
  newKeyId: string | undefined;
  oldKeyId: string | undefined;
  oldKeyExpiresAt: string | undefined;
  stored: boolean;
  cause: unknown;
}

/**
 * A key was rotated, but its new token could not be stored, or the old key could not be deleted afterwards; the message
 * says which key still works. `cause` is what went wrong.
 */
export class KeyRotationError extends AutonomiError {
  /** The new token, so that it is not lost. Does not show when the error is printed. */
  declare readonly token: string;
  /** Identifier of the new key. */
  declare readonly newKeyId: string | undefined;
  /** Identifier of the old key, which still works. */
  declare readonly oldKeyId: string | undefined;
  /** Until when the old key works, as the server says it. */
  declare readonly oldKeyExpiresAt: string | undefined;
  /** Whether the new token was stored. */
  declare readonly stored: boolean;

  constructor(message: string, { token, cause, ...details }: KeyRotationDetails) {
    super(message, { cause });
    set(this, details);
    Object.defineProperty(this, 'token', { value: token, configurable: true, writable: true });
  }

  static {
    define(KeyRotationError, 'KeyRotationError');
  }
}

export { NotAvailableError as NotAvailableOnControlPlaneError, PermissionDeniedError as ForbiddenError };

/**
 * Puts the name of a class where `Error` has it: on the prototype, so that it survives minifiers. And marks it, so that
 * `instanceof` also knows the errors of another copy of the package in this process: where it is installed twice, or a
 * test runner has loaded it again.
 */
function define(type: { readonly prototype: Error }, name: string): void {
  const mark = Symbol.for(`loki-mode-sdk.${name}`);
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true });
  Object.defineProperty(type.prototype, mark, { value: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A class that is derived from it inherits this, but not what it is true of.
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this as () => void, value);
      return typeof value === 'object' && value !== null && mark in value;
    },
  });
}

/** Sets what is known, so that a printed error does not list what is not. */
function set(error: AutonomiError, details: object): void {
  for (const [name, value] of Object.entries(details)) {
    if (value !== undefined) {
      Object.defineProperty(error, name, { value, enumerable: true, configurable: true, writable: true });
    }
  }
}

const CLASSES: Readonly<Record<string, new (message: string, details: ErrorDetails) => AutonomiError>> = {
  AutonomiError,
  AuthenticationError,
  PermissionDeniedError,
  NotFoundError,
  ConflictError,
  ValidationError,
  RateLimitError,
  NotAvailableError,
  ServerError,
  APIConnectionError,
  APITimeoutError,
  DecodeError,
  ConfigError,
  WebhookVerificationError,
};

/** Whether the call failed because the caller's own function gave no token. */
export function isProviderFailure(text: string): boolean {
  return (JSON.parse(text) as { providerFailed?: boolean }).providerFailed === true;
}

/**
 * The error that the engine describes in this JSON text, as an instance of its class.
 *
 * @param operation - The operation that it is about, by the names that callers know it and its parameters by.
 */
export function errorFromNative(text: string, operation?: Operation): Error {
  const {
    class: name,
    message,
    ...details
  } = JSON.parse(text) as ErrorDetails & {
    class: string;
    message: string;
  };
  const said = worded(message, operation, details.responseBody);
  if (name === 'TypeError') return new TypeError(said);
  if (details.param !== undefined) details.param = nameFor(camel(details.param), operation);
  return new (CLASSES[name] ?? AutonomiError)(said, details);
}

/**
 * A message of the engine, which puts names of options, parameters and operations in backquotes, with ours.
 *
 * @param body - What the server sent: the message may quote it, and what the server has in backquotes are not our names.
 */
export function worded(message: string, operation?: Operation, body = ''): string {
  return message.replace(/`([a-z]+(?:_[a-z]+)+)`/g, (quoted, name: string) =>
    body.includes(quoted) ? quoted : `\`${nameFor(camel(name), operation)}\``,
  );
}

/** What callers know the operation or its parameter by. */
function nameFor(name: string, operation: Operation | undefined): string {
  if (operation && name === camel(operation.name)) return operation.method;
  return operation?.params.find((param) => camel(param.name) === name)?.name ?? name;
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
