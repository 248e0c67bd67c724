/** The methods of a client, giving the whole answer instead of the data alone. */

import type { Operation } from './arguments.js';
import type { Engine } from './engine.js';
import type { AutonomiClient } from './generated/client.js';
import * as operations from './generated/operations.js';
import type { CallOptions } from './options.js';

/** What the server answered. */
export interface RawResponse<T> {
  /** What the method of the same name on the client gives. */
  readonly data: T;
  /** The status, from 200 to 299. */
  readonly status: number;
  /** The headers. Those of one name are joined with a comma, but for `set-cookie`. */
  readonly headers: Headers;
  /** How many requests were sent for the call. */
  readonly attempts: number;
}

/** What is made of several calls. */
type Helper = 'raw' | 'waitForRun' | 'rotateAndStore' | 'temporaryApiKey';

/** The names of the methods that make a call. */
type CallName = {
  [Name in Exclude<keyof AutonomiClient, Helper>]: Name extends string
    ? AutonomiClient[Name] extends (...args: never[]) => Promise<unknown>
      ? Name
      : never
    : never;
}[Exclude<keyof AutonomiClient, Helper>];

/** Every method of a client that makes a call, under the same name and with the same arguments. */
export type RawClient = {
  readonly [Name in CallName]: AutonomiClient[Name] extends (...args: infer Args) => Promise<infer T>
    ? (...args: Args) => Promise<RawResponse<T>>
    : never;
};

/** Makes them for one client. */
export function rawClient(engine: Engine): RawClient {
  const methods = Object.values(operations).map((operation) => [
    operation.method,
    (...given: unknown[]) => callRaw(engine, operation, given),
  ]);
  return Object.freeze(Object.fromEntries(methods)) as RawClient;
}

/** Sorts the arguments as the methods of the client do: positional ones, or one object of them, then the options. */
function callRaw(
  engine: Engine,
  operation: Operation,
  given: readonly unknown[],
): Promise<RawResponse<unknown>> {
  const { params } = operation;
  const hasObject = params.some((param) => param.place === 'params');
  const positional = hasObject ? 1 : params.filter((param) => param.place === 'argument').length;
  const options = given[positional] as (CallOptions & Record<string, unknown>) | undefined;
  const object = (hasObject ? given[0] : undefined) as Record<string, unknown> | undefined;
  let next = 0;
  const values = params.map(({ name, place }) => {
    if (place === 'argument') return given[next++];
    return place === 'params' ? object?.[name] : options?.[name];
  });
  return engine.callRaw(operation, values, options, object);
}
