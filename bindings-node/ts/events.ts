import { checkNames, encodeArguments, type Operation } from './arguments.js';
import { engineOf, nativeEventStream } from './engine.js';
import type { NotFoundError } from './errors.js';
import type { AutonomiClient } from './generated/client.js';
import type { RunEvent } from './generated/models.js';
import type { NativeEventStream } from './native.js';
import type { CallOptions } from './options.js';
import { timestampText } from './timestamps.js';

const POLL_EVENTS: Operation = {
  name: 'poll_events',
  method: 'pollEvents',
  params: [
    { name: 'runId', type: 'id', place: 'argument', required: true },
    { name: 'since', type: 'timestamp', place: 'argument' },
  ],
  answer: 'data',
};

/** Follows runs: remembers what it gave out, so that a loop of polls gets every event exactly once. */
export class EventStream {
  readonly #client: AutonomiClient;
  readonly #stream: NativeEventStream = nativeEventStream();

  /** @param client - The client that makes the calls. */
  constructor(client: AutonomiClient) {
    engineOf(client);
    this.#client = client;
  }

  /**
   * Returns the events of a run that this stream has not given out yet, oldest first.
   *
   * `GET /api/runs/{run_id}/timeline`, on deployed servers `GET /api/v2/runs/{run_id}/timeline`.
   *
   * @param runId - Identifier of the run.
   * @param since - A timestamp as servers send it, or a date: events before it are left out, those at it are not.
   * @param options - `signal`, `timeout`, `maxRetries` and `headers` of this call.
   * @returns A list of `RunEvent`, empty if nothing is new.
   * @throws {@link NotFoundError} if the server does not know the run.
   * @throws TypeError if an argument is of the wrong type; nothing is sent then.
   */
  async pollEvents(
    runId: number | string,
    since?: string | Date | null,
    options?: CallOptions,
  ): Promise<RunEvent[]> {
    checkNames(POLL_EVENTS, options, undefined);
    encodeArguments(POLL_EVENTS, [runId, since]);
    return engineOf(this.#client).start<RunEvent[]>(options, (client, id, terms) =>
      client.pollEvents(id, this.#stream, runId, since == null ? null : timestampText(since), ...terms),
    );
  }
}
