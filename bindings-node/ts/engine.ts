/** Where promises and the native module meet. */

import { checkNames, encodeArguments, type Operation } from './arguments.js';
import { AutonomiError, errorFromNative } from './errors.js';
import { loadNative, type NativeClient } from './native.js';
import {
  type CallOptions,
  type ClientOptions,
  checkRetries,
  checkTimeout,
  kindOf,
  nativeOptions,
} from './options.js';
import { MASK, maskInPrint } from './secrets.js';

/** What settles a promise; the text is JSON: the data, or the error. */
type Settle = (ok: boolean, text: string) => void;

/** Ids are kept within what the native module takes, and start again long after the first are done. */
const MAX_ID = 2 ** 31;

/** The longest that a timer of Node.js can be set to, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;

const native = loadNative();
const pending = new Map<number, Settle>();
let lastId = 0;

// The way back from the native threads does not keep the process alive; this timer does, while a call is pending.
const alive = setInterval(() => {}, MAX_DELAY);
alive.unref();

const runtime = new native.Runtime((id, ok, text) => {
  const settle = pending.get(id);
  pending.delete(id);
  if (pending.size === 0) alive.unref();
  settle?.(ok, text);
});

function nextId(): number {
  do lastId = (lastId + 1) % MAX_ID;
  while (pending.has(lastId));
  return lastId;
}

/** Starts a call on the native side, given its id, its timeout and its retries. */
type Start = (client: NativeClient, id: number, timeout: number | null, maxRetries: number | null) => void;

/** One client of the native module, and its calls. */
export class Engine {
  readonly baseUrl: string;
  readonly #hasToken: boolean;
  readonly #client: NativeClient;
  readonly #calls = new Set<number>();
  #closed = false;

  /** @throws {@link ConfigError} naming the option that is no good. */
  constructor(options: ClientOptions) {
    const text = nativeOptions(options);
    this.baseUrl = options.baseUrl;
    this.#hasToken = options.token != null;
    try {
      this.#client = new native.Client(runtime, text);
    } catch (error) {
      // The native side throws the JSON text of a ConfigError.
      throw errorFromNative((error as Error).message);
    }
  }

  /**
   * Executes an operation. Asynchronous to the last: whoever awaits it finds the own line in the stack of the error.
   *
   * @param values - One for each parameter of the operation, in its order.
   * @param options - The last argument of the method, to be checked.
   * @param params - The object of parameters, where the method takes one, to be checked.
   */
  async call<T>(
    operation: Operation,
    values: readonly unknown[],
    options?: CallOptions,
    params?: object,
  ): Promise<T> {
    checkNames(operation, options, params);
    const text = encodeArguments(operation, values);
    const data = await this.start<T>(options, (client, id, timeout, maxRetries) =>
      client.call(id, operation.name, text, timeout, maxRetries),
    );
    if (operation.answer === 'nothing') return undefined as T;
    return operation.answer === 'secret' ? maskInPrint(data) : data;
  }

  /** Starts a call and awaits what it gives. */
  async start<T>(options: CallOptions | undefined, start: Start): Promise<T> {
    const signal = options?.signal;
    const timeout = options?.timeout ?? null;
    const maxRetries = options?.maxRetries ?? null;
    if (signal != null && typeof signal.addEventListener !== 'function') {
      throw new TypeError(`signal must be an AbortSignal, not ${kindOf(signal)}`);
    }
    checkTimeout(timeout);
    checkRetries(maxRetries);
    if (signal?.aborted) throw signal.reason;
    if (this.#closed) throw closedError();

    const id = nextId();
    const cancel = () => runtime.cancel(id);
    try {
      const [ok, text] = await new Promise<[boolean, string]>((resolve, reject) => {
        try {
          start(this.#client, id, timeout, maxRetries);
        } catch (cause) {
          // The native side could not even start it: no thread was to be had.
          reject(new AutonomiError(`the call could not be started: ${(cause as Error).message}`, { cause }));
          return;
        }
        if (pending.size === 0) alive.ref();
        pending.set(id, (...settled) => resolve(settled));
        this.#calls.add(id);
        signal?.addEventListener('abort', cancel, { once: true });
      });
      if (ok) return JSON.parse(text) as T;
      if (signal?.aborted) throw signal.reason;
      throw this.#closed ? closedError() : errorFromNative(text);
    } finally {
      this.#calls.delete(id);
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Ends the pending calls; later ones fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const id of this.#calls) runtime.cancel(id);
    this.#client.close();
  }

  /** What a client looks like when it is printed. */
  describe(className: string): string {
    const token = this.#hasToken ? `, token: '${MASK}'` : '';
    return `${className} { baseUrl: '${this.baseUrl}'${token} }`;
  }
}

function closedError(): AutonomiError {
  return new AutonomiError('the client is closed');
}

const engines = new WeakMap<object, Engine>();

/** Lets the helper classes find the engine of a client, which is private to it. */
export function bindEngine(client: object, engine: Engine): void {
  engines.set(client, engine);
}

/** @throws TypeError if it is no client. */
export function engineOf(client: unknown): Engine {
  const engine = typeof client === 'object' && client !== null ? engines.get(client) : undefined;
  if (!engine) throw new TypeError(`client must be an AutonomiClient, not ${kindOf(client)}`);
  return engine;
}

/** A native stream, for {@link EventStream}. */
export function nativeEventStream(): InstanceType<typeof native.EventStream> {
  return new native.EventStream();
}
