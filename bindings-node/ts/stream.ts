/** What all iterators of events have in common. */

import { type CallSite, callSite } from './call-site.js';
import { asyncDispose } from './dispose.js';
import type { Engine } from './engine.js';
import type { NativeStream } from './native.js';
import { onAbort, reasonOf } from './signals.js';

/** Says of an event whether it was the last one. */
export type Until<T> = (event: T) => unknown;

/** What a stream ends with. */
const END: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined });

/** Ends what somebody else's signal holds of a stream that nobody holds any more. */
const abandoned = new FinalizationRegistry((unwatch: () => void) => unwatch());

/**
 * An iterator of events, for `for await`. Events come in batches; only when a batch is used up, the server is waited
 * for. An error leaves the iterator as it was: asking again goes on where it stands.
 *
 * Leaving a `for await` loop closes it, and so does `close`. One that is no longer referred to is closed, too, and while
 * nobody waits for an event, it does not keep the process alive.
 */
export abstract class Stream<T> implements AsyncIterableIterator<T> {
  readonly #engine: Engine;
  readonly #native: NativeStream;
  readonly #signal: AbortSignal | undefined;
  readonly #until: Until<T> | undefined;
  /** What came last, and how much of it was given out. */
  #events: T[] = [];
  #given = 0;
  /** What `until` is to be asked about. */
  #last: { readonly event: T } | undefined;
  #state: 'open' | 'closed' | 'aborted' | 'over' = 'open';
  /** How many wait for an event, and the last of them. */
  #waiting = 0;
  #turn: Promise<IteratorResult<T, undefined>> | undefined;
  /** Ends the wait of the first of them. */
  #stopWaiting: (() => void) | undefined;
  /** Ends the listening to the signal. */
  #unwatch: (() => void) | undefined;

  /** @internal */
  constructor(engine: Engine, native: NativeStream, signal?: AbortSignal, until?: Until<T>) {
    this.#engine = engine;
    this.#native = native;
    this.#signal = signal;
    this.#until = until;
    this.#listen();
  }

  /**
   * Waits for the next event. Several can be asked for at once; they are answered in order.
   *
   * @returns The event, or `done` at the end.
   */
  next(): Promise<IteratorResult<T, undefined>> {
    const before = this.#waiting > 0 ? this.#turn : undefined;
    if (!before && !this.#until && this.#given < this.#events.length && this.#isOpen()) {
      return Promise.resolve(this.#give());
    }
    this.#turn = this.#advance(before);
    return this.#turn;
  }

  /** Closes the iterator; `for await` does so when its loop is left. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.close();
    return END;
  }

  /** Ends the iteration: who waits for an event gets the end. The second time, does nothing. */
  close(): void {
    this.#end('closed');
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Closes the iterator at the end of an `await using` block. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** What has come and was not given yet, all at once. */
  protected rest(): T[] {
    if (!this.#isOpen()) return [];
    const rest = this.#events.slice(this.#given);
    this.#given = this.#events.length;
    return rest;
  }

  /** @internal */
  protected get position(): string {
    return this.#native.cursor(this.#given);
  }

  /** @internal */
  protected stateOf(runId: string): string | null {
    return this.#native.statusOf(runId);
  }

  #isOpen(): boolean {
    return this.#state === 'open' && !this.#engine.isClosed;
  }

  #give(): IteratorYieldResult<T> {
    const event = this.#events[this.#given] as T;
    this.#given += 1;
    if (this.#until) this.#last = { event };
    return { done: false, value: event };
  }

  /** Waits for those who asked earlier, and then for the next event. */
  async #advance(before: Promise<unknown> | undefined): Promise<IteratorResult<T, undefined>> {
    // Whoever asked is on the stack now, and no longer when an answer has come.
    const site = before || this.#given === this.#events.length ? callSite(this.next) : undefined;
    this.#waiting += 1;
    try {
      // What came of it is theirs to know.
      if (before) await before.catch(() => {});
      await this.#askUntil();
      for (;;) {
        this.#listen();
        if (this.#state === 'aborted' && this.#signal) throw reasonOf(this.#signal);
        if (this.#state !== 'open') return END;
        this.#engine.checkOpen(site);
        if (this.#given < this.#events.length) return this.#give();
        const events = await this.#wait(site);
        // Closed or aborted meanwhile, it gives nothing any more; what has come is left to who goes on from the cursor.
        if (this.#state !== 'open') continue;
        if (events) this.#events = events;
        else this.#end('over');
      }
    } catch (error) {
      // Nobody has to ask again.
      this.#unlisten();
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Asks the caller's function about the last event, now that the caller has done with it. */
  async #askUntil(): Promise<void> {
    const last = this.#last;
    if (!this.#until || !last) return;
    // What it throws takes no event away.
    this.#last = undefined;
    if (await this.#until(last.event)) this.close();
  }

  /** Waits for the next batch; nothing at the end. */
  async #wait(site: CallSite): Promise<T[] | null> {
    try {
      return await this.#engine.wait<T[] | null>(site, (id, wants, stop) => {
        this.#native.next(id, wants);
        // From here on, the native side counts from the next batch on.
        this.#events = [];
        this.#given = 0;
        this.#stopWaiting = stop;
      });
    } catch (error) {
      if (this.#state !== 'open') return null;
      throw error;
    } finally {
      this.#stopWaiting = undefined;
    }
  }

  #end(state: 'closed' | 'aborted' | 'over'): void {
    // Who returns from a stream that was aborted does not want to hear of it any more.
    if (this.#state === 'aborted' && state === 'closed') this.#state = state;
    if (this.#state !== 'open') return;
    this.#state = state;
    this.#events = [];
    this.#unlisten();
    this.#native.close();
    this.#stopWaiting?.();
  }

  #listen(): void {
    if (this.#unwatch || !this.#signal || this.#state !== 'open') return;
    if (this.#signal.aborted) {
      this.#end('aborted');
      return;
    }
    // The signal is somebody else's: it must not keep the stream.
    const weak = new WeakRef(this);
    this.#unwatch = onAbort(this.#signal, () => {
      const stream = weak.deref();
      if (stream) stream.#end('aborted');
    });
    abandoned.register(this, this.#unwatch, this);
  }

  #unlisten(): void {
    if (!this.#unwatch) return;
    abandoned.unregister(this);
    this.#unwatch();
    this.#unwatch = undefined;
  }
}
