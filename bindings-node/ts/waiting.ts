/** Waiting for the end of a run. */

import type { Engine } from './engine.js';
import { AutonomiError } from './errors.js';
import type { Run } from './generated/models.js';
import { native } from './runtime.js';
import { Stream } from './stream.js';
import { type OptionTable, readId, readOptions, readTime, type StreamOptions } from './stream-options.js';

/**
 * How the end of a run is waited for. `timeout` is that of the whole wait, without end unless it is given; `maxRetries` is
 * how many failures in a row are waited out, as many as come unless it is given; `headers` go with each look at the run.
 */
export interface WaitOptions extends StreamOptions {
  /** About how many milliseconds pass from one look at the run to the next. Default: 2000. */
  pollInterval?: number | undefined;
}

const WAIT: OptionTable = { pollInterval: readTime };

/** Gives the run, once. */
class EndOfRun extends Stream<Run> {}

/** Waits until a run has ended. */
export async function waitForRun(
  engine: Engine,
  runId: number | string,
  options: WaitOptions | undefined,
): Promise<Run> {
  const { text, signal } = readOptions('waitForRun', WAIT, options, { runId: readId('runId', runId) });
  const stream = new EndOfRun(
    engine,
    engine.open((client) => native.Stream.endOfRun(client, text)),
    signal,
  );
  try {
    const { done, value } = await stream.next();
    if (!done) return value;
    throw new AutonomiError('the wait ended without a run');
  } finally {
    stream.close();
  }
}
