/** What values are. */

/** Whether it is a map or a set: `JSON.stringify` would write it as an object without anything in it. */
export function isCollection(value: object): boolean {
  return value instanceof Map || value instanceof Set;
}

/** Half of a surrogate pair has no UTF-8 form: a text with one cannot be sent as it is. */
const UNPAIRED_SURROGATE = /\p{Cs}/u;

/** Whether there is half of a surrogate pair in it. */
export function isTorn(text: string): boolean {
  return UNPAIRED_SURROGATE.test(text);
}

/** Whether it is an object as it is written in braces, of this or another realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Whether named values can be in it. A promise, a signal or a map has no fields: whatever was meant by it would go
 * unnoticed.
 */
export function hasFields(value: object): boolean {
  return !Array.isArray(value) && (isPlain(value) || Object.keys(value).length > 0);
}

/**
 * What is given instead of options, if it is something else, and what may have been meant.
 *
 * @param names - Those of the options: an object that inherits one of them has options, too.
 */
export function whyNoOptions(value: unknown, names: Iterable<string> = []): string | undefined {
  const kind = kindOf(value);
  if (typeof value !== 'object' || value === null) return kind;
  if (hasFields(value) || [...names].some((name) => name in value)) return undefined;
  if ('aborted' in value) return `${kind}; write { signal }`;
  return kind === 'an object' ? 'one without fields of its own' : kind;
}

/** What is wrong with a name that something does not take, for messages: whoever misspelt it sees what was meant. */
export function whyNoName(
  owner: string,
  kind: 'option' | 'field',
  name: string,
  known: Iterable<string>,
): string {
  return `${owner} has no ${kind} ${name}; it has ${[...known].join(', ') || 'none'}`;
}

/** What something that was thrown says. Anything can be thrown, also what has no text. */
export function saidBy(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return 'something without a text';
  }
}

/** What a value is, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : `the number ${value}`;
  if (typeof value === 'undefined') return 'undefined';
  if (typeof value === 'object') {
    const name: unknown = isPlain(value) ? undefined : value.constructor?.name;
    if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object';
    return /^[AEIO]/.test(name) ? `an ${name}` : `a ${name}`;
  }
  if (typeof value === 'string' && isTorn(value)) return 'one with half of a surrogate pair';
  return `a ${typeof value}`;
}
