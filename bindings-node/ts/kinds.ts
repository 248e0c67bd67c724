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

/** What a value is, for messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : `the number ${value}`;
  if (typeof value === 'undefined') return 'undefined';
  if (typeof value === 'object') {
    return value instanceof Date || isCollection(value) ? `a ${value.constructor.name}` : 'an object';
  }
  if (typeof value === 'string' && isTorn(value)) return 'one with half of a surrogate pair';
  return `a ${typeof value}`;
}
