/** Reads what streams are opened with, and writes it as the native side takes it. */

import type { ConfigError } from './errors.js';
import { type HeaderList, headerPairs } from './headers.js';
import { isTorn, kindOf, saidBy, whyNoName, whyNoOptions } from './kinds.js';
import { checkCount, checkRetries, checkTimeout } from './options.js';
import { checkSignal } from './signals.js';
import { dateText, whyNoTimestamp } from './timestamps.js';

/** An array, a set, or whatever else can be iterated, but no string, whose characters nobody means. */
export type Several<T> = Iterable<T> & object;

/** What can be said about every stream. */
export interface StreamOptions {
  /** Ends the stream when it is aborted: who waits for an event, or asks for one later, gets the signal's reason. */
  signal?: AbortSignal | null | undefined;
  /**
   * How many milliseconds the stream may last; then it fails with an `APITimeoutError`. Default: without end, which
   * `Infinity` says, too.
   */
  timeout?: number | undefined;
  /**
   * How many failures in a row are waited out; the next one is thrown, and the stream can be asked again. That of the
   * client does not count here. Default: as many as come, once the server has answered.
   */
  maxRetries?: number | undefined;
  /** Headers that are sent with each request of the stream; one of the client's of the same name is left out. */
  headers?: HeaderList | undefined;
}

/** What a stream is opened with. */
export interface Opening {
  /** What was read, by name, as JSON text for the native side. */
  readonly text: string;
  readonly signal: AbortSignal | undefined;
}

/** Gives an option as the native side takes it, or throws a TypeError or a {@link ConfigError} that names it. */
type Read = (name: string, value: unknown) => unknown;

/** How the options of one method are read. */
export type OptionTable = Readonly<Record<string, Read>>;

/** How {@link StreamOptions} are read, but for the signal, which stays on this side. */
const TERMS: OptionTable = {
  timeout: (name, value) => (value === Number.POSITIVE_INFINITY ? undefined : checkTimeout(name, value)),
  maxRetries: (_, value) => checkRetries(value),
  headers: (_, value) => headerPairs(value),
};

/**
 * The options of a method, those of every stream among them, and arguments that have been read already.
 *
 * @throws TypeError if there is no such option, or it is of the wrong type.
 * @throws {@link ConfigError} naming the option that is no good.
 */
export function readOptions(
  method: string,
  table: OptionTable,
  options: unknown,
  read: object = {},
): Opening {
  const found: Record<string, unknown> = { ...read };
  let signal: AbortSignal | undefined;
  const readers: OptionTable = { ...TERMS, ...table };
  const names = new Set(['signal', ...Object.keys(readers)]);
  const whyNot = options == null ? undefined : whyNoOptions(options, names);
  if (whyNot) throw new TypeError(`options of ${method} must be an object, not ${whyNot}`);
  for (const name of Object.keys(options ?? {})) {
    if (!names.has(name)) throw new TypeError(whyNoName(method, 'option', name, names));
  }
  for (const name of names) {
    const value = (options as Record<string, unknown> | undefined)?.[name];
    if (value == null) continue;
    const reader = readers[name];
    if (reader) found[name] = reader(name, value);
    else signal = checkSignal(value);
  }
  return { text: JSON.stringify(found), signal };
}

function mismatch(name: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${expected}, not ${kindOf(value)}`);
}

export function readId(name: string, value: unknown): number | string {
  if (value == null) throw new TypeError(`${name} is missing`);
  if (Number.isSafeInteger(value) || isText(value)) return value as number | string;
  const isLarge = typeof value === 'number' && Number.isInteger(value);
  if (isLarge) {
    throw new TypeError(
      `${name} must be an integer or a string, not ${value}, which a number cannot hold exactly`,
    );
  }
  throw mismatch(name, 'an integer or a string', value);
}

export function readIds(name: string, value: unknown): (number | string)[] {
  if (!isIterable(value)) throw mismatch(name, 'a collection of integers and strings', value);
  return Array.from(value, (item) => readId(name, item));
}

export function readText(name: string, value: unknown): string {
  if (!isText(value)) throw mismatch(name, 'a string', value);
  return value;
}

export function readTexts(name: string, value: unknown): string[] {
  if (!isIterable(value)) throw mismatch(name, 'a collection of strings', value);
  return Array.from(value, (item) => readText(name, item));
}

/** A timestamp, as text. */
export function readMoment(name: string, value: unknown): string {
  const text = isText(value) ? value : dateText(value);
  if (text === undefined) {
    throw new TypeError(`${name} must be a string or a Date, not ${whyNoTimestamp(value)}`);
  }
  return text;
}

/** The states in which to stop; a function is kept on this side. */
export function readUntil(name: string, value: unknown): string[] | undefined {
  if (typeof value === 'function') return undefined;
  if (isText(value)) return [value];
  if (!isIterable(value)) throw mismatch(name, 'a string, a collection of strings or a function', value);
  return readTexts(name, value);
}

/** Anything that can be written as JSON; gives it written. */
export function writeJson(name: string, value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new TypeError(`${name} cannot be written as JSON: ${saidBy(cause)}`, { cause });
  }
  if (text === undefined) throw mismatch(name, 'something that can be written as JSON', value);
  return text;
}

export const readCount: Read = (name, value) => checkCount(name, value, 0, 2 ** 32 - 1);

export const readTime: Read = checkTimeout;

function isText(value: unknown): value is string {
  return typeof value === 'string' && !isTorn(value);
}

/** Whether it holds several; a string would be taken for its characters. */
function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}
