/** Headers: those that a caller adds, and those of an answer. */

import { ConfigError } from './errors.js';
import { hasFields, isTorn, kindOf } from './kinds.js';

/** Names and values of headers: an object, or whatever lists pairs, like `Headers` or a `Map`. */
export type HeaderList = Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

/**
 * The headers as pairs. Values are not shown in messages: they can be secret.
 *
 * @throws {@link ConfigError} unless they are pairs of strings. Whether they can be sent is checked by the engine.
 */
export function headerPairs(headers: unknown): [string, string][] {
  if (typeof headers !== 'object' || headers === null) throw refusal(`not ${kindOf(headers)}`);
  const isList = Symbol.iterator in headers;
  if (!isList && !hasFields(headers)) throw refusal(`not ${kindOf(headers)}`);
  const pairs: unknown[] = isList ? [...(headers as Iterable<unknown>)] : Object.entries(headers);
  return pairs.map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw refusal(`not a list with ${kindOf(pair)} in it`);
    const [name, value] = pair;
    if (typeof name !== 'string' || isTorn(name)) throw refusal(`not one whose name is ${kindOf(name)}`);
    if (typeof value !== 'string' || isTorn(value)) throw refusal(`but ${name} is ${kindOf(value)}`);
    return [name, value];
  });
}

function refusal(what: string): ConfigError {
  return new ConfigError(`headers must be an object of strings or a list of pairs, ${what}`, {
    param: 'headers',
  });
}

/** The headers of an answer. Bytes beyond ASCII are one character each, as with `fetch`. */
export function answerHeaders(pairs: readonly (readonly [string, string])[]): Headers {
  const headers = new Headers();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}
