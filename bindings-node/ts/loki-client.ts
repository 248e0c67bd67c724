/** The client of the HTTP/SSE API, with the names of that API. */

import { emitWarning } from 'node:process';
import { setTimeout } from 'node:timers';
import { inspect } from 'node:util';
import { asyncDispose } from './dispose.js';
import { Engine, engineOf } from './engine.js';
import { type AutonomiError, ConfigError } from './errors.js';
import { AutonomiClient } from './generated/client.js';
import { LokiOperations } from './generated/loki.js';
import type { LiveEvent } from './generated/models.js';
import { kindOf, whyNoOptions } from './kinds.js';
import { type LiveEventStream, type LiveOptions, openEvents } from './live.js';
import type { ClientOptions } from './options.js';

/**
 * The shortest time from one failure of a subscription to the next, in milliseconds. The engine has pauses of its own;
 * this is for what fails before it is asked.
 */
const LEAST_PAUSE = 100;

/** How a {@link LokiClient} is set up. */
export type LokiClientOptions = Omit<ClientOptions, 'baseUrl'>;

/** Which live events are delivered. */
export interface SubscribeOptions extends LiveOptions {
  /**
   * Gets what the callback throws or rejects with, and errors of the subscription itself, for example an
   * `AuthenticationError`. After each it goes on, with longer and longer pauses where the server refuses. Default: the
   * `logger` of the client is warned, or else there is a warning of the process.
   */
  onError?: ((error: unknown) => unknown) | undefined;
}

/**
 * A client of the HTTP/SSE API, which starts sessions and tells what happens in them.
 *
 * ```ts
 * const client = new LokiClient('http://localhost:57374');
 * const { sessionId } = await client.startSession({ provider: 'claude', prdPath: './docs/prd.md' });
 * const unsubscribe = client.subscribe((event) => console.log(event.type, event.data));
 * ```
 */
export class LokiClient extends LokiOperations {
  /**
   * Makes a client; connects nowhere yet.
   *
   * @param baseUrl - Where the server is.
   * @param options - The token, and how calls behave.
   * @throws {@link ConfigError} if an option is no good; the message names it.
   */
  constructor(baseUrl: string, options: LokiClientOptions = {}) {
    const whyNot = whyNoOptions(options);
    if (whyNot) throw new ConfigError(`LokiClient needs a base URL and an object of options, not ${whyNot}`);
    if (Object.hasOwn(options, 'baseUrl')) {
      throw new ConfigError(
        'LokiClient takes the base URL as its first argument; leave out the option baseUrl',
        {
          param: 'baseUrl',
        },
      );
    }
    super(new AutonomiClient(Engine.of({ ...options, baseUrl }, 'LokiClient')));
  }

  /** Where the server is, as it was given. */
  get baseUrl(): string {
    return this.client.baseUrl;
  }

  /**
   * Gives live events as they happen, each exactly once; see {@link AutonomiClient.events}.
   *
   * @param options - Which ones; `signal` stops at any time; `timeout`, `maxRetries` and `headers`.
   * @returns A {@link LiveEventStream}, with `close`.
   * @throws {@link ConfigError} if an option is no good; the message names it.
   * @throws {@link AutonomiError} if the client is closed.
   * @throws TypeError if an option is of the wrong type.
   */
  events(options?: LiveOptions): LiveEventStream {
    return this.client.events(options);
  }

  /**
   * Calls a function for each live event, in order, on the event loop. If it gives a promise, the next event waits for
   * it: a slow one gets all events, later. When the connection is lost, it is made again; see {@link LiveEventStream}.
   *
   * A subscription keeps the process alive. When its `timeout` is over, `onError` gets an `APITimeoutError`, and it ends.
   *
   * `GET /api/events`.
   *
   * @param callback - The function.
   * @param options - Which events, `signal` or `timeout` to end the subscription, `maxRetries`, `headers`, and what becomes
   *   of errors.
   * @returns A function that ends the subscription: afterwards, nothing is delivered any more.
   * @throws {@link ConfigError} if an option is no good; the message names it.
   * @throws {@link AutonomiError} if the client is closed.
   * @throws TypeError if an argument is of the wrong type.
   */
  subscribe(callback: (event: LiveEvent) => unknown, options: SubscribeOptions = {}): () => void {
    if (typeof callback !== 'function')
      throw new TypeError(`callback must be a function, not ${kindOf(callback)}`);
    const whyNot = whyNoOptions(options);
    if (whyNot) throw new TypeError(`options of subscribe must be an object, not ${whyNot}`);
    const { onError, ...live } = options;
    if (onError != null && typeof onError !== 'function') {
      throw new TypeError(`onError must be a function, not ${kindOf(onError)}`);
    }
    const subscription = new Subscription(this.client, callback, onError ?? undefined, live);
    // It never rejects.
    subscription.run();
    return () => subscription.end();
  }

  /** Ends the subscriptions and pending calls, and closes the connections. A closed client makes no more calls. */
  close(): void {
    this.client.close();
  }

  /** Closes the client at the end of an `await using` block. */
  async [asyncDispose](): Promise<void> {
    this.close();
  }

  /** @internal */
  [inspect.custom](): string {
    return engineOf(this.client).describe(this.constructor.name);
  }
}

/** Calls a function for each event of a stream. */
class Subscription {
  readonly #engine: Engine;
  readonly #stream: LiveEventStream;
  readonly #signal: AbortSignal | undefined;
  readonly #callback: (event: LiveEvent) => unknown;
  readonly #onError: ((error: unknown) => unknown) | undefined;
  /** When its time is over, as `performance.now` counts. */
  readonly #deadline: number;
  #isEnded = false;

  constructor(
    client: AutonomiClient,
    callback: (event: LiveEvent) => unknown,
    onError: ((error: unknown) => unknown) | undefined,
    options: LiveOptions,
  ) {
    this.#engine = engineOf(client);
    this.#deadline = performance.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
    this.#stream = openEvents(this.#engine, options, 'subscribe');
    this.#signal = options.signal ?? undefined;
    this.#callback = callback;
    this.#onError = onError;
  }

  /** Until there are no more events, or nobody wants them. */
  async run(): Promise<void> {
    for (;;) {
      let next: IteratorResult<LiveEvent, undefined>;
      try {
        next = await this.#stream.next();
      } catch (error) {
        if (this.#isUnwanted()) return;
        this.#report(error);
        // Nothing that time could heal.
        if (error instanceof ConfigError || performance.now() >= this.#deadline) return;
        await new Promise((resolve) => setTimeout(resolve, LEAST_PAUSE));
        continue;
      }
      // It may have been ended since the event was given.
      if (next.done || this.#isUnwanted()) return;
      try {
        await this.#callback(next.value);
      } catch (error) {
        this.#report(error);
      }
    }
  }

  end(): void {
    this.#isEnded = true;
    this.#stream.close();
  }

  #isUnwanted(): boolean {
    return this.#isEnded || this.#engine.isClosed || this.#signal?.aborted === true;
  }

  #report(error: unknown): void {
    const failed = (another: unknown) =>
      emitWarning(`a subscription could not report its error: ${inspect(another)}`, 'LokiModeSdkWarning');
    try {
      // It may be asynchronous, and then nobody else hears of its failure.
      if (this.#onError) Promise.resolve(this.#onError(error)).catch(failed);
      else this.#engine.warn(`a subscription failed: ${inspect(error)}`);
    } catch (another) {
      failed(another);
    }
  }
}
