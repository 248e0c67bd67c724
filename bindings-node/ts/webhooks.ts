/**
 * Webhooks that come in: whether they are from who they seem to be from, and what they say.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto';
import { isAnyArrayBuffer, isDate, isSharedArrayBuffer } from 'node:util/types';
import { ConfigError, errorFromNative } from './errors.js';
import { hasFields, isTorn, kindOf, whyNoName, whyNoOptions } from './kinds.js';
import { loadNative } from './native.js';

export { WebhookVerificationError } from './errors.js';

/** The raw body of a request: bytes, for example a `Buffer`, or the text that they are the UTF-8 of. */
export type WebhookBody = string | Uint8Array | ArrayBuffer;

/** The headers of a request: those of Node.js, of `fetch`, an object, or whatever lists pairs. */
export type WebhookHeaders =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string]>;

/** A secret: text, or the bytes of the key. One that is empty or not there is left out: a setting that is missing. */
export type WebhookSecret = string | Uint8Array | ArrayBuffer | null | undefined;

/** How a webhook is checked. */
export interface VerifyOptions {
  /**
   * How far the time of a Standard Webhook may be from now, before or after, in milliseconds; `Infinity` allows any.
   * Default: 300000 (5 minutes).
   */
  tolerance?: number | undefined;
  /** The time, as a date or in milliseconds since 1970. Default: the clock's. */
  now?: Date | number | undefined;
}

/** How a webhook is signed. */
export interface SignOptions {
  /**
   * `loki` for `X-Loki-Signature`, `standard` for Standard Webhooks, `github` for `X-Hub-Signature-256`. Default:
   * `loki`.
   */
  scheme?: 'loki' | 'standard' | 'github' | undefined;
  /** For `standard`: identifies the webhook; visible ASCII characters. Default: a new one. */
  id?: string | undefined;
  /** For `standard`: when it is sent, as a date or in milliseconds since 1970. Default: now. */
  timestamp?: Date | number | undefined;
}

/** What a webhook says. A field that was not sent, or is of another type, is not there. */
export interface WebhookEvent {
  /**
   * What happened: `type` or `event` of the body, in the words of the guide, so that `task_complete`, as servers say,
   * is `task_completed`, too. Known: `session_start`, `session_end`, `task_completed`, `milestone`, `error`,
   * `warning`, `approval_request`; any other word is kept as it came.
   */
  readonly type?: string;
  /** The body, as it came. */
  readonly payload: Record<string, unknown>;
  /** Name of the project. */
  readonly project?: string;
  /** What happened, in a line. */
  readonly title?: string;
  /** What happened, at length. */
  readonly message?: string;
  /** When it happened, as it came. */
  readonly timestamp?: string;
  /** Whatever belongs to this kind of event. */
  readonly metadata?: Record<string, unknown>;
  /**
   * The task that it is about: `task_id` of the body or of its metadata. An integer that a number does not hold exactly
   * is given as text.
   */
  readonly task_id?: number | string;
}

/** A gate of a run wants to be approved. */
export interface ApprovalRequest extends WebhookEvent {
  readonly type: 'approval_request';
  /** Identifier of the request. */
  readonly id?: number | string;
  /** Phase of the run. */
  readonly phase?: string;
  /** Name of the gate. */
  readonly gate?: string;
  /** What is to be approved of. */
  readonly context?: unknown;
  /** When it was asked, as it came. */
  readonly createdAt?: string;
}

const native = loadNative();

/**
 * Checks that a webhook was signed by somebody who knows one of the secrets.
 *
 * The first of these headers that has something in it decides: `webhook-signature` (Standard Webhooks, with `webhook-id` and
 * `webhook-timestamp`), `X-Loki-Signature` (HMAC-SHA256 of the body in hexadecimal, perhaps after `sha256=`),
 * `X-Hub-Signature-256` (the same, as GitHub sends it).
 *
 * @param body - The raw body: `req.body` after `express.raw({type: '*\/*'})`, `await request.arrayBuffer()` of a
 *   `Request`.
 * @param headers - Those of the request, their names in any case.
 * @param secrets - The secret, or several, of which any will do, while they are exchanged. Text that begins with
 *   `whsec_` is base64 for Standard Webhooks.
 * @param options - `tolerance` and `now`.
 * @throws {@link WebhookVerificationError} if it is not to be trusted; its `reason` says why. Also if there is no
 *   secret at all.
 * @throws {@link ConfigError} if a secret has white space around it or is no base64 after `whsec_`, or an option is no
 *   good.
 * @throws TypeError if the body is not raw, or another argument is of the wrong type.
 */
export function verify(
  body: WebhookBody,
  headers: WebhookHeaders,
  secrets: WebhookSecret | readonly WebhookSecret[],
  options: VerifyOptions = {},
): void {
  const { tolerance = 300_000, now = Date.now() } = checkOptions('verify', options, ['tolerance', 'now']);
  const bytes = rawBody(body);
  const pairs = JSON.stringify(headerPairs(headers));
  const several = Array.isArray(secrets) ? secrets : [secrets];
  const texts = `[${several.filter((secret) => secret != null).map((secret) => secretText('secrets', secret))}]`;
  const seconds = milliseconds('tolerance', tolerance) / 1e3;
  const clock = time('now', now);
  translated(() => native.verifyWebhook(bytes, pairs, texts, seconds, clock));
}

/**
 * Reads the body of a webhook, without a look at who sent it.
 *
 * Loki Mode itself does not sign what it sends to `LOKI_WEBHOOK_URL`: where that arrives, the way has to be protected
 * otherwise.
 *
 * @param body - The raw body.
 * @returns The event; {@link isApprovalRequest} tells whether it is an {@link ApprovalRequest}.
 * @throws {@link DecodeError} if the body is no JSON object.
 * @throws TypeError if the body is not raw.
 */
export function parse(body: WebhookBody): WebhookEvent {
  const bytes = rawBody(body);
  const [fields, payload] = JSON.parse(translated(() => native.parseWebhook(bytes)));
  const { approval, ...event } = fields;
  return { ...event, ...approval, payload };
}

/**
 * Checks a webhook and reads it: {@link verify}, then {@link parse}, with the arguments of the two.
 *
 * @returns The event; {@link isApprovalRequest} tells whether it is an {@link ApprovalRequest}.
 * @throws {@link WebhookVerificationError} if it is not to be trusted; its `reason` says why.
 * @throws {@link DecodeError} if the body is no JSON object.
 * @throws {@link ConfigError} if a secret or an option is no good.
 * @throws TypeError if the body is not raw, or another argument is of the wrong type.
 */
export function unwrap(
  body: WebhookBody,
  headers: WebhookHeaders,
  secrets: WebhookSecret | readonly WebhookSecret[],
  options: VerifyOptions = {},
): WebhookEvent {
  verify(body, headers, secrets, options);
  return parse(body);
}

/** Whether the event asks for an approval. */
export function isApprovalRequest(event: WebhookEvent): event is ApprovalRequest {
  return event.type === 'approval_request';
}

/**
 * Gives the headers that a sender adds to a webhook: for tests, or to send some.
 *
 * @param body - The raw body.
 * @param secret - What both sides know.
 * @param options - `scheme`, `id` and `timestamp`.
 * @throws {@link ConfigError} if the secret is empty or malformed, there is no such scheme, or `id` or `timestamp`
 *   cannot be sent.
 * @throws TypeError if an argument is of the wrong type.
 */
export function sign(
  body: WebhookBody,
  secret: string | Uint8Array | ArrayBuffer,
  options: SignOptions = {},
): Record<string, string> {
  const {
    scheme = 'loki',
    id = `msg_${randomUUID().replaceAll('-', '')}`,
    timestamp = Date.now(),
  } = checkOptions('sign', options, ['scheme', 'id', 'timestamp']);
  if (typeof scheme !== 'string') throw new TypeError(`scheme must be a string, not ${kindOf(scheme)}`);
  if (typeof id !== 'string' || isTorn(id)) throw new TypeError(`id must be a string, not ${kindOf(id)}`);
  const bytes = rawBody(body);
  const text = secretText('secret', secret);
  const seconds = time('timestamp', timestamp);
  return Object.fromEntries(
    JSON.parse(translated(() => native.signWebhook(bytes, text, scheme, id, seconds))),
  );
}

/** Does what throws the JSON text of an error. */
function translated<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw errorFromNative((error as Error).message);
  }
}

function rawBody(body: unknown): Uint8Array {
  if (typeof body === 'string') {
    if (isTorn(body)) throw new TypeError(`body must be the raw body of the request, not ${kindOf(body)}`);
    return Buffer.from(body);
  }
  // Not `instanceof`: what comes from another realm, as in Jest, is of another class.
  const view = isAnyArrayBuffer(body) ? new Uint8Array(body) : body;
  if (!ArrayBuffer.isView(view)) {
    throw new TypeError(
      `body must be the raw body of the request, a Buffer, Uint8Array or string, not ${kindOf(body)}: what was ` +
        `parsed can no longer be checked. Express: express.raw({type: '*/*'}) for this route, before express.json(); ` +
        'a Request: await request.arrayBuffer()',
    );
  }
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  // Other threads could change shared memory while it is read.
  return isSharedArrayBuffer(view.buffer) ? bytes.slice() : bytes;
}

function headerPairs(headers: unknown): [string, string][] {
  if (typeof headers !== 'object' || headers === null) {
    throw new TypeError(`headers must be an object or a list of pairs, not ${kindOf(headers)}`);
  }
  if ('headers' in headers && typeof headers.headers === 'object') {
    throw new TypeError('headers must be those of the request, request.headers, not the request itself');
  }
  const isList = Symbol.iterator in headers;
  if (!isList && !hasFields(headers)) {
    throw new TypeError(`headers must be an object or a list of pairs, not ${kindOf(headers)}`);
  }
  const given: Iterable<unknown> = isList ? (headers as Iterable<unknown>) : Object.entries(headers);
  const pairs: [string, string][] = [];
  for (const pair of given) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
      throw new TypeError('headers must be an object or a list of pairs of a name and a value');
    }
    const [name, values] = pair as [string, unknown];
    for (const value of Array.isArray(values) ? values : [values]) {
      // What is no text is no header.
      if (typeof value === 'string') pairs.push([whole(name), whole(value)]);
    }
  }
  return pairs;
}

/** The text without halves of surrogate pairs, with which it is no signature, and has no UTF-8. */
function whole(text: string): string {
  return isTorn(text) ? Buffer.from(text).toString() : text;
}

function secretText(name: string, secret: unknown): string {
  if (typeof secret === 'string' && !isTorn(secret)) return JSON.stringify({ text: secret });
  if (ArrayBuffer.isView(secret) || isAnyArrayBuffer(secret))
    return JSON.stringify({ key: [...rawBody(secret)] });
  throw new TypeError(`${name} must be a string or a Uint8Array, or a list of them, not ${kindOf(secret)}`);
}

/** Seconds since 1970. */
function time(name: string, value: unknown): number {
  return milliseconds(name, isDate(value) ? value.getTime() : value) / 1e3;
}

function milliseconds(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0) return value;
  const given = typeof value === 'number' ? value : kindOf(value);
  throw new ConfigError(`${name} must be a number of milliseconds, 0 or more, not ${given}`, {
    param: name,
  });
}

function checkOptions<T extends object>(owner: string, options: T, names: readonly (keyof T & string)[]): T {
  const whyNot = whyNoOptions(options, names);
  if (whyNot) throw new TypeError(`options of ${owner} must be an object, not ${whyNot}`);
  const unknown = Object.keys(options).find((name) => !(names as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new ConfigError(whyNoName(owner, 'option', unknown, names), { param: unknown });
  }
  return options;
}
