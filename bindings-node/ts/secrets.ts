/** Keeps secrets out of logs: a result that holds some is masked when it is printed, and only then. */

import { type InspectOptions, inspect } from 'node:util';

const SECRETS: ReadonlySet<string> = new Set(['token', 'hash', 'salt']);

/** What stands for a secret in print. */
export const MASK = '[redacted]';

/** Gives the object a printed form without its secrets. Its fields, and what `JSON.stringify` writes, stay. */
export function maskInPrint<T>(data: T): T {
  if (typeof data !== 'object' || data === null) return data;
  // Not enumerable: spreading and comparing do not see it.
  Object.defineProperty(data, inspect.custom, {
    value: (_depth: number, options: InspectOptions) => inspect(masked(data), options),
    configurable: true,
    writable: true,
  });
  return data;
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [
    name,
    SECRETS.has(name) && item != null ? MASK : masked(item),
  ]);
  return Object.fromEntries(entries);
}
