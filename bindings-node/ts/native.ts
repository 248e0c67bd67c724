/** Finds and loads the native module of this platform. */

/** The native module, as `bindings-node/src` exports it. */
export interface NativeModule {
  /** A batch has four items for each message: the call, what it is about, its text and its report. */
  Runtime: new (
    deliver: (batch: readonly unknown[]) => void,
    onThreads: boolean,
  ) => NativeRuntime;
  Client: new (runtime: NativeRuntime, options: string) => NativeClient;
  EventStream: new () => NativeEventStream;
  /** Milliseconds since 1970. */
  parseTimestamp(text: string): number | null;
  /** Each throws the JSON text of the error. */
  Stream: {
    follow(client: NativeClient, options: string): NativeStream;
    live(client: NativeClient, options: string): NativeStream;
    watch(client: NativeClient, subscribe: string | null): NativeStream;
    endOfRun(client: NativeClient, options: string): NativeStream;
    pages(client: NativeClient, operation: string, argumentList: string, options: string): NativeStream;
  };
  /** The options that the variables (JSON text) set, but for those that are given; throws the JSON text of the error. */
  settings(variables: string, given: string[]): string;
  /** `headers` and `secrets` are JSON texts; throws the JSON text of the error. */
  verifyWebhook(body: Uint8Array, headers: string, secrets: string, tolerance: number, now: number): void;
  parseWebhook(body: Uint8Array): string;
  signWebhook(body: Uint8Array, secret: string, scheme: string, id: string, timestamp: number): string;
}

export interface NativeRuntime {
  cancel(id: number): void;
  provideToken(id: number, token: string | null): void;
  /** Gives the token of the first attempt of the call that is started next, which has waited for it so many ms. */
  grant(id: number, token: string, waited: number): void;
  /** The error of a call that has waited in vain for the token of its first attempt, as JSON text. */
  tokenTooLate(): string;
}

/** Bits of what is told beside the data: status and headers, and the attempts. */
export const WANTS_ANSWER = 1;
export const WANTS_LOG = 2;

/** What is said about a call: its timeout, its retries, its headers (JSON text), and what else is to be told. */
export type Terms = readonly [
  timeout: number | null,
  maxRetries: number | null,
  headers: string | null,
  wants: number,
];

export interface NativeClient {
  call(id: number, operation: string, argumentList: string, ...terms: Terms): void;
  pollEvents(
    id: number,
    stream: NativeEventStream,
    runId: number | string,
    since: string | null,
    ...terms: Terms
  ): void;
  withOptions(changes: string): NativeClient;
  setToken(source: string): void;
  warnings(): string[];
  /** The longest that a call may take, in ms. */
  timeout(): number;
  close(): void;
}

/** Opaque: what a stream has given out so far. */
export type NativeEventStream = object;

/** Events that are waited for. */
export interface NativeStream {
  /**
   * Takes all that it gave last for seen, and starts a wait: its data is a JSON array of events, empty if there is nothing
   * yet and it should be asked again, or null at the end.
   */
  next(id: number, wants: number): void;
  close(): void;
  /** Where a caller stands who has seen this many of what it gave since the last `next`. */
  cursor(seen: number): string;
  statusOf(runId: string): string | null;
}

/**
 * The C library of this Linux, which a native module has to be built for.
 * Node's report names the version of glibc only where it runs on glibc.
 */
function libc(): 'gnu' | 'musl' {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime ? 'gnu' : 'musl';
}

function failure(name: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(
    `loki-mode-sdk: the native module for ${name} could not be loaded by Node.js ${process.version}: ${reason}\n` +
      `Install the package again on this machine (npm install loki-mode-sdk); for a platform without a prebuilt ` +
      `module, build it in a checkout with Rust (npm run build) and set LOKI_SDK_NATIVE_PATH to the .node file.`,
    { cause },
  );
}

/** @throws Error that names the platform, the reason and what can be done. */
export function loadNative(): NativeModule {
  const override = process.env.LOKI_SDK_NATIVE_PATH;
  if (override) {
    try {
      return require(override) as NativeModule;
    } catch (cause) {
      throw failure(`LOKI_SDK_NATIVE_PATH=${override}`, cause);
    }
  }
  const { platform, arch } = process;
  if (platform !== 'linux') return load(`${platform}-${arch}`);
  // A module for the other C library is refused by the dynamic linker, so trying is safe, and cheaper than asking
  // for a report, which takes 20 ms.
  try {
    return load(`linux-${arch}-gnu`);
  } catch (gnu) {
    try {
      return load(`linux-${arch}-musl`);
    } catch (musl) {
      throw libc() === 'musl' ? musl : gnu;
    }
  }
}

/** Each file by a literal name, within a `try`: so a bundler finds those that are there, and forgives the others. */
function load(name: string): NativeModule {
  try {
    switch (name) {
      case 'linux-x64-gnu':
        return require('../native/loki-mode-sdk.linux-x64-gnu.node') as NativeModule;
      case 'linux-x64-musl':
        return require('../native/loki-mode-sdk.linux-x64-musl.node') as NativeModule;
      case 'linux-arm64-gnu':
        return require('../native/loki-mode-sdk.linux-arm64-gnu.node') as NativeModule;
      case 'linux-arm64-musl':
        return require('../native/loki-mode-sdk.linux-arm64-musl.node') as NativeModule;
      case 'darwin-x64':
        return require('../native/loki-mode-sdk.darwin-x64.node') as NativeModule;
      case 'darwin-arm64':
        return require('../native/loki-mode-sdk.darwin-arm64.node') as NativeModule;
      case 'win32-x64':
        return require('../native/loki-mode-sdk.win32-x64.node') as NativeModule;
      case 'win32-arm64':
        return require('../native/loki-mode-sdk.win32-arm64.node') as NativeModule;
    }
  } catch (cause) {
    throw failure(name, cause);
  }
  throw failure(name, new Error('there is none'));
}
