/** Finds and loads the native module of this platform. */

/** The native module, as `bindings-node/src` exports it. */
export interface NativeModule {
  Runtime: new (
    settle: (id: number, ok: boolean, text: string) => void,
    maxThreads?: number,
  ) => NativeRuntime;
  Client: new (runtime: NativeRuntime, options: string) => NativeClient;
  EventStream: new () => NativeEventStream;
}

export interface NativeRuntime {
  cancel(id: number): void;
}

export interface NativeClient {
  call(
    id: number,
    operation: string,
    argumentList: string,
    timeout: number | null,
    maxRetries: number | null,
  ): void;
  pollEvents(
    id: number,
    stream: NativeEventStream,
    runId: number | string,
    since: string | null,
    timeout: number | null,
    maxRetries: number | null,
  ): void;
  close(): void;
}

/** Opaque: what a stream has given out so far. */
export type NativeEventStream = object;

/**
 * The C library on Linux, which a native module has to be built for; empty elsewhere.
 * Node's report names the version of glibc only where it runs on glibc.
 */
function libc(): string {
  if (process.platform !== 'linux') return '';
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime ? '-gnu' : '-musl';
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
  if (platform !== 'linux') {
    try {
      return require(`../native/loki-mode-sdk.${platform}-${arch}.node`) as NativeModule;
    } catch (cause) {
      throw failure(`${platform}-${arch}`, cause);
    }
  }
  // A module for the other C library is refused by the dynamic linker, so trying is safe, and cheaper than asking
  // for a report, which takes 20 ms.
  try {
    return require(`../native/loki-mode-sdk.linux-${arch}-gnu.node`) as NativeModule;
  } catch (gnu) {
    try {
      return require(`../native/loki-mode-sdk.linux-${arch}-musl.node`) as NativeModule;
    } catch (musl) {
      throw failure(`${platform}-${arch}${libc()}`, libc() === '-musl' ? musl : gnu);
    }
  }
}
