/** Where promises and the native module meet. */

import { AsyncResource } from 'node:async_hooks';
import { checkNames, encodeArguments, type Operation } from './arguments.js';
import { type CallSite, calledFrom, callSite, countCall } from './call-site.js';
import { AutonomiError, errorFromNative, isProviderFailure, worded } from './errors.js';
import { answerHeaders, headerPairs } from './headers.js';
import { kindOf } from './kinds.js';
import { type Attempt, type Logger, logAttempts, loggerOfEnvironment, warn, warnOnce } from './logger.js';
import { type NativeClient, type NativeStream, type Terms, WANTS_ANSWER, WANTS_LOG } from './native.js';
import {
  type CallOptions,
  type ClientChanges,
  type ClientOptions,
  checkRetries,
  checkTimeout,
  nativeChanges,
  nativeOptions,
} from './options.js';
import type { RawResponse } from './raw.js';
import { listen, native, nextId, runtime } from './runtime.js';
import { MASK, maskInPrint } from './secrets.js';
import { checkSignal, onAbort, reasonOf } from './signals.js';
import { Credentials, type FirstToken, tokenSource } from './tokens.js';

/** Starts a call on the native side, given its id and the rest of what is said about it. */
type Start = (client: NativeClient, id: number, terms: Terms) => void;

/** What the native side tells beside the data. */
interface Report {
  answer?: { status: number; headers: [string, string][]; attempts: number };
  log?: Attempt[];
}

/** A call that went well. */
interface Settled {
  readonly text: string;
  readonly report: Report | null;
}

/** A call that is over; without a text, it went wrong. */
interface Outcome {
  readonly text?: string;
  readonly report: Report | null;
  /** What it went wrong with. */
  readonly error: () => unknown;
}

/** Starts a wait on the native side, given its id, what is to be told, and what ends it early. */
type StartWait = (id: number, wants: number, stop: () => void) => void;

/** The class that a caller has the client by. */
type Facade = 'AutonomiClient' | 'LokiClient';

/** One client of the native module, and its calls. */
export class Engine {
  readonly baseUrl: string;
  readonly #client: NativeClient;
  readonly #credentials: Credentials;
  readonly #logger: Logger | undefined;
  readonly #facade: Facade;
  /** What ends each of the calls under way. */
  readonly #calls = new Set<() => void>();
  #closed = false;

  private constructor(
    baseUrl: string,
    client: NativeClient,
    credentials: Credentials,
    logger: Logger | undefined,
    facade: Facade,
  ) {
    this.baseUrl = baseUrl;
    this.#client = client;
    this.#credentials = credentials;
    this.#logger = logger;
    this.#facade = facade;
    this.#warn();
  }

  /**
   * The engine of a new client; one that exists already, for a derived client, is taken as it is.
   *
   * @throws {@link ConfigError} naming the option that is no good.
   */
  static of(options: ClientOptions | Engine, facade: Facade = 'AutonomiClient'): Engine {
    if (options instanceof Engine) return options;
    const text = nativeOptions(facade, options);
    const client = checked(() => new native.Client(runtime, text));
    const logger = options.logger ?? loggerOfEnvironment();
    return new Engine(options.baseUrl, client, new Credentials(options.token), logger, facade);
  }

  /** @throws {@link ConfigError} naming the option that is no good. */
  withOptions(changes: ClientChanges): Engine {
    this.checkOpen();
    const text = nativeChanges(changes);
    const client = checked(() => this.#client.withOptions(text));
    const credentials = changes.token === undefined ? this.#credentials : new Credentials(changes.token);
    return new Engine(this.baseUrl, client, credentials, this.#logger, this.#facade);
  }

  /** @throws {@link ConfigError} if it is no good; the old one stays then. */
  setToken(token: unknown): void {
    const source = JSON.stringify(tokenSource(token));
    checked(() => this.#client.setToken(source));
    this.#credentials.set(token);
    this.#warn();
  }

  #warn(): void {
    for (const warning of this.#client.warnings()) warnOnce(this.#logger, worded(warning));
  }

  /** Tells of something that went wrong where nobody waits for it. */
  warn(message: string): void {
    warn(this.#logger, message);
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
    const site = callSite(this.call);
    const { text } = await this.#execute(site, operation, values, options, params, 0);
    return read<T>(operation, text);
  }

  /** The same, giving the status, the headers and the number of attempts beside the data. */
  async callRaw<T>(
    operation: Operation,
    values: readonly unknown[],
    options?: CallOptions,
    params?: object,
  ): Promise<RawResponse<T>> {
    const site = callSite(this.callRaw);
    const { text, report } = await this.#execute(site, operation, values, options, params, WANTS_ANSWER);
    if (!report?.answer) throw new AutonomiError('the native module gave an answer without its status');
    const { status, headers, attempts } = report.answer;
    return { data: read<T>(operation, text), status, headers: answerHeaders(headers), attempts };
  }

  #execute(
    site: CallSite,
    of: Operation,
    values: readonly unknown[],
    options: CallOptions | undefined,
    params: object | undefined,
    wants: number,
  ): Promise<Settled> {
    // Errors name what the caller has called.
    const operation = this.#facade === 'LokiClient' && of.lokiMethod ? { ...of, method: of.lokiMethod } : of;
    checkNames(operation, options, params);
    const text = encodeArguments(operation, values);
    const start: Start = (client, id, terms) => client.call(id, operation.name, text, ...terms);
    return this.#run(site, options, wants, start, operation);
  }

  /** Starts a call and awaits its data. */
  async start<T>(options: CallOptions | undefined, start: Start): Promise<T> {
    const { text } = await this.#run(callSite(this.start), options, 0, start);
    return JSON.parse(text) as T;
  }

  async #run(
    site: CallSite,
    options: CallOptions | undefined,
    wants: number,
    start: Start,
    operation?: Operation,
  ): Promise<Settled> {
    const signal = options?.signal;
    const timeout = options?.timeout ?? null;
    const maxRetries = options?.maxRetries ?? null;
    const headers = options?.headers == null ? null : JSON.stringify(headerPairs(options.headers));
    if (signal != null) checkSignal(signal);
    checkTimeout('timeout', timeout);
    checkRetries(maxRetries);
    if (signal?.aborted) throw reasonOf(signal);
    this.checkOpen(site);

    const id = nextId();
    const terms: Terms = [timeout, maxRetries, headers, this.#logger ? wants | WANTS_LOG : wants];
    let stopAsking: (() => void) | undefined;
    const cancel = () => {
      stopAsking?.();
      runtime.cancel(id);
    };
    const unwatch = onAbort(signal, cancel);
    this.#calls.add(cancel);
    const uncount = countCall();
    try {
      let first: FirstToken | undefined;
      if (this.#credentials.isProvided) {
        first = await this.#credentials.askFirst(timeout ?? this.#client.timeout(), (stop) => {
          stopAsking = stop;
        });
        if (signal?.aborted) throw reasonOf(signal);
        this.checkOpen(site);
        if (!first) throw calledFrom(site, errorFromNative(runtime.tokenTooLate()));
      }
      const { text, report, error } = await this.#outcome(
        id,
        () => {
          if (first) runtime.grant(id, first.token, first.waited);
          start(this.#client, id, terms);
        },
        site,
        operation,
      );
      if (text !== undefined) return { text, report };
      if (signal?.aborted) throw reasonOf(signal);
      this.checkOpen(site);
      throw error();
    } finally {
      uncount();
      this.#calls.delete(cancel);
      unwatch();
    }
  }

  /**
   * Waits for the next events of a stream, without an end to the wait.
   *
   * @param site - Where the events were asked for.
   * @returns The data that the native side gives.
   * @throws {@link AutonomiError} if the client is closed, or gets closed meanwhile.
   */
  async wait<T>(site: CallSite, start: StartWait): Promise<T> {
    this.checkOpen(site);
    const id = nextId();
    const stop = () => runtime.cancel(id);
    this.#calls.add(stop);
    try {
      const wants = this.#logger ? WANTS_LOG : 0;
      const { text, error } = await this.#outcome(id, () => start(id, wants, stop), site);
      this.checkOpen(site);
      if (text === undefined) throw error();
      return JSON.parse(text) as T;
    } finally {
      this.#calls.delete(stop);
    }
  }

  /** Has something started on the native side, waits until it is over, and logs its attempts. */
  async #outcome(id: number, start: () => void, site: CallSite, operation?: Operation): Promise<Outcome> {
    let whyNoToken: unknown;
    // It is the native side that asks for a token: the caller's function is to find what the caller has in `AsyncLocalStorage`.
    const context = this.#credentials.isProvided ? new AsyncResource('LOKI_MODE_SDK_CALL') : undefined;
    const [ok, text, report] = await new Promise<[boolean, string, Report | null]>((resolve, reject) => {
      try {
        start();
      } catch (cause) {
        // The native side could not even start it: no thread was to be had.
        reject(new AutonomiError(`the call could not be started: ${(cause as Error).message}`, { cause }));
        return;
      }
      listen(id, {
        settle: (ok, text, report) => resolve([ok, text, report === null ? null : JSON.parse(report)]),
        provide: (id) => {
          const ask = () =>
            this.#credentials.provide(id, (reason) => {
              whyNoToken = reason;
            });
          if (context) context.runInAsyncScope(ask);
          else ask();
        },
      });
    });
    if (this.#logger && report?.log) logAttempts(this.#logger, report.log);
    const error = () =>
      isProviderFailure(text) ? whyNoToken : calledFrom(site, errorFromNative(text, operation));
    return ok ? { text, report, error } : { report, error };
  }

  /** @throws {@link AutonomiError} or a class derived from it if the stream cannot be opened as it is wanted. */
  open(open: (client: NativeClient) => NativeStream, operation?: Operation): NativeStream {
    this.checkOpen();
    return checked(() => open(this.#client), operation);
  }

  /** Whether the client is closed. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** @throws {@link AutonomiError} if the client is closed. */
  checkOpen(site?: CallSite): void {
    if (!this.#closed) return;
    const error = new AutonomiError('the client is closed');
    throw calledFrom(site, error);
  }

  /** Ends the pending calls and the streams; later ones fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of this.#calls) end();
    this.#client.close();
  }

  /** What a client looks like when it is printed. */
  describe(className: string): string {
    const token = this.#credentials.isSet ? `, token: '${MASK}'` : '';
    return `${className} { baseUrl: '${this.baseUrl}'${token} }`;
  }
}

/** The data as the operation gives it. */
function read<T>(operation: Operation, text: string): T {
  if (operation.answer === 'nothing') return undefined as T;
  const data = JSON.parse(text) as T;
  return operation.answer === 'secret' ? maskInPrint(data) : data;
}

/** Does what throws the JSON text of an error where something is no good. */
function checked<T>(action: () => T, operation?: Operation): T {
  try {
    return action();
  } catch (error) {
    throw errorFromNative((error as Error).message, operation);
  }
}

const engines = new WeakMap<object, Engine>();

/** Lets the helper classes find the engine of a client, which is private to it. */
export function bindEngine(client: object, engine: Engine): void {
  engines.set(client, engine);
}

/** @throws TypeError if it is no client. */
export function engineOf(client: unknown): Engine {
  const engine = typeof client === 'object' && client !== null ? engines.get(client) : undefined;
  if (engine) return engine;
  const isOfAnother = (client as object | undefined)?.constructor?.name === 'AutonomiClient';
  const what = isOfAnother ? 'one of another copy of loki-mode-sdk in this process' : kindOf(client);
  throw new TypeError(`client must be an AutonomiClient, not ${what}`);
}

/** A native stream, for {@link EventStream}. */
export function nativeEventStream(): InstanceType<typeof native.EventStream> {
  return new native.EventStream();
}
