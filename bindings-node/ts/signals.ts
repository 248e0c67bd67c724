/** Signals that callers give: that they are some, why they were aborted, and whom that ends. */

import { kindOf } from './kinds.js';

/** @throws TypeError unless it is one, of this or another realm, or of a library. */
export function checkSignal(value: unknown): AbortSignal {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>;
  const isSignal =
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function';
  if (isSignal) return value as AbortSignal;
  const isController = typeof value === 'object' && value !== null && 'signal' in value;
  const hint = isController ? '; give its signal' : '';
  throw new TypeError(`signal must be an AbortSignal, not ${kindOf(value)}${hint}`);
}

/** What is thrown for a signal that was aborted; those of libraries may give no reason. */
export function reasonOf(signal: AbortSignal): unknown {
  return signal.reason === undefined
    ? new DOMException('This operation was aborted', 'AbortError')
    : signal.reason;
}

/** Signals that many calls have in common: one listener for all of them, since Node.js warns of more than ten. */

const watched = new WeakMap<AbortSignal, Watch>();

/** The calls that a signal ends. */
class Watch {
  readonly ends = new Set<() => void>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#tell, { once: true });
  }

  readonly #tell = () => {
    for (const end of [...this.ends]) end();
  };

  leave(end: () => void): void {
    this.ends.delete(end);
    if (this.ends.size > 0) return;
    this.#signal.removeEventListener('abort', this.#tell);
    watched.delete(this.#signal);
  }
}

/** Has `end` called when the signal is aborted, until the function that it gives is called. */
export function onAbort(signal: AbortSignal | null | undefined, end: () => void): () => void {
  if (signal == null) return () => {};
  let watch = watched.get(signal);
  if (!watch) {
    watch = new Watch(signal);
    watched.set(signal, watch);
  }
  const joined = watch;
  joined.ends.add(end);
  return () => joined.leave(end);
}
