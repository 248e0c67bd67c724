/** The calls under way in this environment, and what the native side has to say about them. */

// Not the global ones: test runners replace those, by some that cannot be unreferenced, or that stand still.
import { setInterval } from 'node:timers';
import { loadNative } from './native.js';

/** What a message of the native side is about. */
const DATA = 0;
const TOKEN_WANTED = 2;

/** Ids are kept within what the native module takes, and start again long after the first are done. */
const MAX_ID = 2 ** 31;

/** The longest that a timer of Node.js can be set to, in milliseconds. */
export const MAX_DELAY = 2 ** 31 - 1;

/** What is told about a call. */
export interface Listener {
  /** It is over: the JSON text of its data or of its error, and of its report if one was asked for. */
  settle(ok: boolean, text: string, report: string | null): void;
  /** It needs a token; whoever calls `runtime.provideToken` gives it one. */
  provide(id: number): void;
}

export const native = loadNative();
const pending = new Map<number, Listener>();
let lastId = 0;

// The way back from the native side does not keep the process alive; this timer does, while a call is pending.
const alive = setInterval(() => {}, MAX_DELAY);
alive.unref();

/**
 * Whether calls are not to run on the event loop. Bun and Deno load addons, but their event loop is not libuv's, and
 * Bun ends the process when an addon asks it for a part of libuv that it does not have.
 */
const onThreads =
  'bun' in process.versions || 'deno' in process.versions || process.env.LOKI_SDK_THREADS === '1';

export const runtime = new native.Runtime((batch) => {
  for (let at = 0; at < batch.length; at += 4) {
    const id = batch[at] as number;
    const about = batch[at + 1] as number;
    const listener = pending.get(id);
    if (about === TOKEN_WANTED) {
      listener?.provide(id);
      continue;
    }
    pending.delete(id);
    if (pending.size === 0) alive.unref();
    listener?.settle(about === DATA, batch[at + 2] as string, batch[at + 3] as string | null);
  }
}, onThreads);

/** An id that no call has. */
export function nextId(): number {
  do lastId = (lastId + 1) % MAX_ID;
  while (pending.has(lastId));
  return lastId;
}

/** Has a call that was started told to its listener, and keeps the process alive until it is settled. */
export function listen(id: number, listener: Listener): void {
  if (pending.size === 0) alive.ref();
  pending.set(id, listener);
}
