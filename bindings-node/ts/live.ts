/** Live events, and the messages of the dashboard: what keeps a connection open. */

import type { Engine } from './engine.js';
import type { AutonomiError } from './errors.js';
import type { DashboardMessage, LiveEvent, LiveEventType } from './generated/models.js';
import { native } from './runtime.js';
import { Stream } from './stream.js';
import {
  type OptionTable,
  readCount,
  readId,
  readOptions,
  readText,
  readTexts,
  type Several,
  type StreamOptions,
  writeJson,
} from './stream-options.js';

/** Which live events are wanted. */
export interface LiveOptions extends StreamOptions {
  /** Only events of this session. Default: of all. */
  sessionId?: number | string | null | undefined;
  /**
   * Only events of these types, for example `['task:completed', 'task:failed']`; a dot does instead of the colon.
   * Default: all.
   */
  types?: Several<LiveEventType | (string & Record<never, never>)> | null | undefined;
  /** Only lines of the log of this level or above. Default: all. */
  minLevel?: 'debug' | 'info' | 'warn' | 'error' | null | undefined;
  /** How many of the latest events to begin with; servers remember 1000. Default: none. */
  history?: number | null | undefined;
}

/** How the dashboard is watched. */
export interface WatchOptions extends StreamOptions {
  /**
   * What to subscribe to, as it can be written as JSON. The servers that are known confirm it, and send everything to
   * everybody. Default: nothing is sent.
   */
  subscribe?: unknown;
}

const LIVE: OptionTable = {
  sessionId: readId,
  types: readTexts,
  minLevel: readText,
  history: readCount,
};

const WATCH: OptionTable = { subscribe: writeJson };

/**
 * Live events, made by `events` of a client. They do not end by themselves.
 *
 * When the connection is lost, or silent for too long, it is made again and what was missed is asked for; no event comes
 * twice. Where something may be missing for good, there is an event of type `gap`.
 *
 * It fails with an {@link AutonomiError} if the server refuses, has no live events, or cannot be reached at all.
 */
export class LiveEventStream extends Stream<LiveEvent> {}

/**
 * The dashboard's messages, made by `watch` of a client. They do not end by themselves.
 *
 * When the connection is lost, it is made again, at most once a second. There is no history: a message of type `gap` says
 * that others may be missing, and it is time to ask for the state.
 *
 * It fails with an {@link AutonomiError} if the server refuses, has no WebSocket, or cannot be reached at all.
 */
export class DashboardStream extends Stream<DashboardMessage> {}

/** Opens the stream of live events, for the method of this name. */
export function openEvents(
  engine: Engine,
  options: LiveOptions | undefined,
  method = 'events',
): LiveEventStream {
  const { text, signal } = readOptions(method, LIVE, options);
  return new LiveEventStream(
    engine,
    engine.open((client) => native.Stream.live(client, text)),
    signal,
  );
}

/** Opens the stream of the dashboard's messages. */
export function openDashboard(engine: Engine, options: WatchOptions | undefined): DashboardStream {
  const { text, signal } = readOptions('watch', WATCH, options);
  return new DashboardStream(
    engine,
    engine.open((client) => native.Stream.watch(client, text)),
    signal,
  );
}
