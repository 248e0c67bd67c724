/** New events of runs: by polling, and by following. */

import { checkNames, encodeArguments, type Operation } from './arguments.js';
import { engineOf, nativeEventStream } from './engine.js';
import type { APITimeoutError, AutonomiError, ConfigError, NotFoundError } from './errors.js';
import type { AutonomiClient } from './generated/client.js';
import type { Run, RunEvent } from './generated/models.js';
import type { NativeEventStream } from './native.js';
import type { CallOptions } from './options.js';
import { native } from './runtime.js';
import { Stream, type Until } from './stream.js';
import {
  type Opening,
  type OptionTable,
  readId,
  readIds,
  readMoment,
  readOptions,
  readText,
  readTime,
  readUntil,
  type Several,
  type StreamOptions,
} from './stream-options.js';

/** How a run is followed. */
export interface FollowOptions extends StreamOptions {
  /** A moment, as a date or as servers send it: events before it are left out. Default: begin with the first event. */
  since?: string | Date | null | undefined;
  /** The `cursor` of an earlier follower of this run, to go on where it stood. Default: none. */
  cursor?: string | null | undefined;
  /**
   * About how many milliseconds pass from one request to the next; less after news, more when a run has been quiet for
   * long. Default: 2000.
   */
  pollInterval?: number | undefined;
  /**
   * When to stop. Default: when the run has ended. A state or a collection of states: also when the run is in one of
   * them; an empty collection: never, not even when the run has ended. A function: also when it returns true for an
   * event; it is asked when the next event is wanted, that is when this one was dealt with.
   */
  until?:
    | Run['status']
    | Iterable<Run['status']>
    | ((event: RunEvent) => boolean | PromiseLike<boolean>)
    | null
    | undefined;
}

/** How many runs are followed. */
export interface FollowManyOptions extends FollowOptions {
  /** Identifier of a project: its active runs are followed, too, and so are all that are started later. Default: none. */
  projectId?: number | string | null | undefined;
}

const POLL_EVENTS: Operation = {
  name: 'poll_events',
  method: 'pollEvents',
  params: [
    { name: 'runId', type: 'id', place: 'argument', required: true },
    { name: 'since', type: 'timestamp', place: 'argument' },
  ],
  answer: 'data',
};

const FOLLOW: OptionTable = {
  since: readMoment,
  cursor: readText,
  pollInterval: readTime,
  until: readUntil,
};

const FOLLOW_MANY: OptionTable = { ...FOLLOW, projectId: readId };

/**
 * New events of runs, each given out once.
 *
 * `follow` waits for them. `pollEvents` asks once; the stream remembers how far it has read each run, so that a loop of
 * polls gets every event exactly once, also when many share a timestamp.
 */
export class EventStream {
  readonly #client: AutonomiClient;
  readonly #stream: NativeEventStream = nativeEventStream();

  /** @param client - The client that makes the calls. */
  constructor(client: AutonomiClient) {
    engineOf(client);
    this.#client = client;
  }

  /**
   * Returns the events of a run that `pollEvents` of this stream has not given out yet, oldest first.
   *
   * `GET /api/runs/{run_id}/timeline`, on deployed servers `GET /api/v2/runs/{run_id}/timeline`.
   *
   * @param runId - Identifier of the run.
   * @param since - A moment, as a date or as servers send it: events before it are left out, those at it are not.
   *   Without an offset, it is in UTC.
   * @param options - `signal`, `timeout`, `maxRetries` and `headers` of this call.
   * @returns A list of `RunEvent`, empty if nothing is new.
   * @throws {@link NotFoundError} if the server does not know the run.
   * @throws {@link ConfigError} if `since` is no moment; nothing is sent then.
   * @throws TypeError if an argument is of the wrong type; nothing is sent then.
   */
  async pollEvents(
    runId: number | string,
    since?: string | Date | null,
    options?: CallOptions,
  ): Promise<RunEvent[]> {
    checkNames(POLL_EVENTS, options, undefined);
    const moment = since == null ? null : readMoment('since', since);
    encodeArguments(POLL_EVENTS, [runId, moment]);
    return engineOf(this.#client).start<RunEvent[]>(options, (client, id, terms) =>
      client.pollEvents(id, this.#stream, runId, moment, ...terms),
    );
  }

  /**
   * Follows a run: waits for its events and gives each exactly once. What `pollEvents` has given out makes no difference.
   *
   * `GET /api/runs/{run_id}/timeline` and `GET /api/runs/{run_id}`, on deployed servers the same below `/api/v2`.
   *
   * ```ts
   * for await (const event of new EventStream(client).follow(run.id)) console.log(event.event_type, event.details);
   * ```
   *
   * @param runId - Identifier of the run.
   * @param options - Where to begin, how often to ask, when to stop; `signal` to stop at any time; `timeout` and
   *   `maxRetries` of the whole stream, `headers` of each request.
   * @returns A {@link RunFollower}, with `cursor`, `status` and `close`.
   * @throws {@link ConfigError} if an option is no good, or `cursor` is not one of this run.
   * @throws {@link AutonomiError} if the client is closed.
   * @throws TypeError if an argument is of the wrong type.
   */
  follow(runId: number | string, options?: FollowOptions): RunFollower {
    const opening = readOptions('follow', FOLLOW, options, { runId: readId('runId', runId) });
    return this.#open(opening, options, String(runId));
  }

  /**
   * Follows many runs at once; `run_id` of an event says which run it is of. Without a project, it ends when all of the
   * runs have. An error about one run is thrown once; asking again goes on with the others.
   *
   * The routes of `follow`, and `GET /api/runs`, on deployed servers `GET /api/v2/runs`.
   *
   * @param runIds - Identifiers of runs.
   * @param options - As for `follow`, and `projectId`. A function as `until` ends the whole iterator.
   * @returns A {@link RunFollower}, with `cursor`, `statusOf` and `close`.
   * @throws {@link ConfigError} if there is nothing to follow, an option is no good, or `cursor` is not one of this
   *   project.
   * @throws {@link AutonomiError} if the client is closed.
   * @throws TypeError if an argument is of the wrong type.
   */
  followMany(runIds: Several<number | string> = [], options?: FollowManyOptions): RunFollower {
    const read = { runIds: readIds('runIds', runIds) };
    return this.#open(readOptions('followMany', FOLLOW_MANY, options, read), options);
  }

  #open({ text, signal }: Opening, options: FollowOptions | undefined, runId?: string): RunFollower {
    const engine = engineOf(this.#client);
    const stream = engine.open((client) => native.Stream.follow(client, text));
    const until = typeof options?.until === 'function' ? options.until : undefined;
    return new RunFollower(engine, stream, signal, until, runId);
  }
}

/**
 * The events of one run or of many, made by `follow` and `followMany`. Each comes exactly once, in the order of its run;
 * it ends when the runs have ended and all of their events were given. While the server cannot be reached, is overloaded
 * or restarts, it waits and tries again.
 *
 * It fails with a {@link NotFoundError} if there is no such run, with an {@link APITimeoutError} when its `timeout` is
 * over, with the `reason` of its `signal`, or with another {@link AutonomiError}. `cursor` can be read all the same.
 */
export class RunFollower extends Stream<RunEvent> {
  readonly #runId: string | undefined;

  /** @internal */
  constructor(
    engine: ConstructorParameters<typeof Stream>[0],
    stream: ConstructorParameters<typeof Stream>[1],
    signal?: AbortSignal,
    until?: Until<RunEvent>,
    runId?: string,
  ) {
    super(engine, stream, signal, until);
    this.#runId = runId;
  }

  /**
   * Where to go on after the event that was given last, for `cursor` of a later follower.
   *
   * It is plain ASCII without spaces, holds no secret, and is good for any time, process and machine. Keep it once an
   * event was dealt with: whoever goes on from it gets the next one.
   */
  get cursor(): string {
    return this.position;
  }

  /** The last known state of the run; null before it was asked for, and where many are followed. */
  get status(): string | null {
    return this.#runId === undefined ? null : this.stateOf(this.#runId);
  }

  /** The last known state of one of the runs that are followed, if there is one. */
  statusOf(runId: number | string): string | null {
    return this.stateOf(String(readId('runId', runId)));
  }
}
