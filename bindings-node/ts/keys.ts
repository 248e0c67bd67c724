/** What is done with API keys in more than one step, so that no token is lost on the way and no key is left over. */

import { randomBytes } from 'node:crypto';
import { setImmediate, setTimeout } from 'node:timers';
import { inspect } from 'node:util';
import { checkNames } from './arguments.js';
import { asyncDispose } from './dispose.js';
import { engineOf } from './engine.js';
import { APIConnectionError, AutonomiError, ConfigError, KeyRotationError, NotFoundError } from './errors.js';
import type { AutonomiClient } from './generated/client.js';
import type { CreateApiKeyOptions, CreatedApiKey, Known, RotatedApiKey } from './generated/models.js';
import { CREATE_API_KEY, DELETE_API_KEY, ROTATE_API_KEY } from './generated/operations.js';
import { headerPairs } from './headers.js';
import { kindOf, saidBy } from './kinds.js';
import type { CallOptions } from './options.js';
import { MASK, maskInPrint } from './secrets.js';
import { onAbort, reasonOf } from './signals.js';

/** How a key is rotated. `timeout`, `maxRetries` and `headers` are those of each call. */
export interface RotateAndStoreOptions extends CallOptions {
  /** Hours for which the old token keeps working: 1 or more. Default: 24. */
  gracePeriodHours?: number | undefined;
  /** Whether the old key is deleted once the new token is stored. Default: false. */
  deleteOld?: boolean | undefined;
}

/** What came of a rotation. Its token does not show when it is printed. */
export interface KeyRotation {
  /** The new token. */
  readonly token: string;
  /** Identifier of the new key. */
  readonly newKeyId: string | undefined;
  /** Identifier of the old key. */
  readonly oldKeyId: string | undefined;
  /** When the old key stops working: the end of its grace period, as the server says it; undefined if it was deleted. */
  readonly oldKeyExpiresAt: string | undefined;
  /** Whether the old key was deleted. */
  readonly oldKeyDeleted: boolean;
}

/** The options of a rotation that are its own. */
const OF_ROTATION: ReadonlySet<string> = new Set(['gracePeriodHours', 'deleteOld']);

/** Puts a new token where it is kept. */
export type StoreToken = (token: string) => unknown;

/** Rotates a key once, hands its new token to `store`, and then, if wanted, deletes the old key by its identifier. */
export async function rotateAndStore(
  client: AutonomiClient,
  identifier: string,
  store: StoreToken,
  options: RotateAndStoreOptions = {},
): Promise<KeyRotation> {
  checkNames({ ...ROTATE_API_KEY, method: 'rotateAndStore' }, options, undefined, OF_ROTATION);
  if (typeof store !== 'function') throw new TypeError(`store must be a function, not ${kindOf(store)}`);
  const { gracePeriodHours: hours, deleteOld: isToBeDeleted, ...call } = severalTimes(options ?? {});
  const gracePeriodHours = hours ?? 24;
  const deleteOld = isToBeDeleted ?? false;
  if (typeof deleteOld !== 'boolean') {
    throw new TypeError(`deleteOld must be a boolean, not ${kindOf(deleteOld)}`);
  }
  if (typeof gracePeriodHours === 'number' && gracePeriodHours < 1) {
    const message =
      '`gracePeriodHours` must be at least 1: without it, a failure to store would leave no working key';
    throw new ConfigError(message, { param: 'gracePeriodHours' });
  }
  const rotated = await client.rotateApiKey(identifier, gracePeriodHours, call);
  const { token } = rotated;
  const known = describe(rotated);
  const old = known.oldKeyId === undefined ? 'the old key' : `the old key (${known.oldKeyId})`;
  const until = known.oldKeyExpiresAt ?? `${gracePeriodHours} h from now`;
  try {
    await isStored(store, token, call.signal);
  } catch (cause) {
    const reason = saidBy(cause).replaceAll(token, MASK);
    const message = `the key was rotated, but storing its new token failed: ${reason}. Nothing was deleted: ${old} works until ${until}`;
    throw new KeyRotationError(message, { ...known, token, stored: false, cause });
  }
  if (!deleteOld) return maskInPrint({ token, ...known, oldKeyDeleted: false });
  try {
    if (known.oldKeyId === undefined) throw new NotFoundError('the server did not give its identifier');
    await client.deleteApiKey(known.oldKeyId, call).catch((error: unknown) => {
      // That it is gone is all that is wanted: the answer of an attempt before may have been lost.
      if (!(error instanceof NotFoundError)) throw error;
    });
  } catch (cause) {
    const message = `the key was rotated and its new token stored, but ${old} could not be deleted: ${saidBy(cause)}. It works until ${until}, on deployed servers longer: delete it`;
    throw new KeyRotationError(message, { ...known, token, stored: true, cause });
  }
  return maskInPrint({ token, ...known, oldKeyExpiresAt: undefined, oldKeyDeleted: true });
}

/** Options that are good for more than one call: headers may be listed by something that can be gone through once. */
function severalTimes<T extends CallOptions>(options: T): T {
  return options.headers == null ? options : { ...options, headers: headerPairs(options.headers) };
}

function describe(rotated: RotatedApiKey) {
  const id = rotated.new_key?.id;
  return {
    newKeyId: typeof id === 'string' ? id : undefined,
    oldKeyId: rotated.old_key_id ?? undefined,
    oldKeyExpiresAt: rotated.old_key_rotation_expires_at ?? undefined,
  };
}

/** Waits until the token is stored; not any longer once the signal is aborted, since a store may hang for good. */
async function isStored(store: StoreToken, token: string, signal: CallOptions['signal']): Promise<void> {
  let unwatch: (() => void) | undefined;
  const isAborted = new Promise<never>((_, reject) => {
    // A store that is done in the same turn is done.
    unwatch = onAbort(signal, () => setImmediate(() => reject(reasonOf(signal as AbortSignal))));
  });
  // Where the store throws at once, nobody waits for it.
  isAborted.catch(() => {});
  try {
    await Promise.race([store(token), isAborted]);
  } finally {
    unwatch?.();
  }
}

/**
 * What a temporary key is made with; what is not said here is as for `createApiKey`. `timeout`, `maxRetries` and `headers`
 * are also those of the call that deletes it; `signal` ends the making only. A key whose answer is lost by that, by a timeout
 * or by a lost connection is looked for and deleted: its description ends with a mark of its own.
 */
export type TemporaryApiKeyOptions = CreateApiKeyOptions;

/** Makes a key that is deleted when it is disposed of. */
export async function temporaryApiKey(
  client: AutonomiClient,
  name: string,
  role: Known<'admin' | 'operator' | 'viewer' | 'auditor'> | undefined,
  options: TemporaryApiKeyOptions = {},
): Promise<TemporaryApiKey> {
  checkNames({ ...CREATE_API_KEY, method: 'temporaryApiKey' }, options, undefined);
  const given = severalTimes(options ?? {});
  const { timeout, maxRetries, headers, signal } = given;
  // Names are no proof: one that was lost is known by this, and deleted; no other key has it.
  const mark = randomBytes(6).toString('hex');
  const said = given.description ?? 'temporary';
  const description = typeof said === 'string' ? `${said} [${mark}]` : said;
  const wanted = { ...given, description, expiresDays: given.expiresDays ?? 1 };
  const isTooLate = signal?.aborted === true;
  try {
    const created = await client.createApiKey(name, role, wanted);
    return new TemporaryApiKey(client, created, { timeout, maxRetries, headers });
  } catch (error) {
    const isAborted = signal?.aborted === true && !isTooLate;
    if (isAborted || mayBeMade(error)) {
      const hurry = { timeout: Math.min(timeout ?? HURRY, HURRY), maxRetries, headers };
      const removed = removeLost(client, name, description, hurry).catch((problem) => {
        const unknown = `it is not known whether the temporary API key '${name}' was made`;
        engineOf(client).warn(`${unknown}: ${saidBy(problem)}`);
      });
      // Who aborts it does not wait for it any more.
      if (!isAborted) await removed;
    }
    throw error;
  }
}

/** Milliseconds that a call may take at the most that removes what an error has left. */
const HURRY = 5000;

/** Milliseconds before each look for a key of which the answer was lost: the server may still be making it. */
const LOOKS = [0, 1000];

/** Whether a key may have been made, though its answer was lost. */
function mayBeMade(error: unknown): boolean {
  if (!(error instanceof AutonomiError) || error instanceof ConfigError) return false;
  if (error instanceof APIConnectionError) return error.maybeExecuted === true;
  const status = error.statusCode;
  return status !== undefined && status !== 503 && !(status >= 300 && status < 500);
}

/** Deletes the key of this description, which no other has. */
async function removeLost(
  client: AutonomiClient,
  name: string,
  description: string,
  call: CallOptions,
): Promise<void> {
  for (const pause of LOOKS) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const listed = await client.listApiKeys(call);
    const lost = listed.filter((key) => key.name === name && key.description === description);
    for (const { id } of lost) await client.deleteApiKey(id, call);
    if (lost.length > 0) return;
  }
}

/**
 * An API key that is deleted, by its identifier, when it is disposed of: at the end of an `await using` block, or by
 * `dispose`. Its token does not show when it is printed.
 */
export class TemporaryApiKey {
  /** The new key as the server sent it. */
  readonly key: CreatedApiKey;
  /** A client that calls with this key. */
  readonly client: AutonomiClient;
  readonly #owner: AutonomiClient;
  readonly #options: CallOptions;
  #deleted: Promise<void> | undefined;

  /** @internal */
  constructor(owner: AutonomiClient, key: CreatedApiKey, options: CallOptions) {
    this.#owner = owner;
    this.#options = options;
    this.key = key;
    this.client = owner.withOptions({ token: key.token });
  }

  /** Identifier of the key. */
  get id(): string {
    return this.key.id;
  }

  /** The token, to be sent as bearer token. */
  get token(): string {
    return this.key.token;
  }

  /**
   * Deletes the key and closes its client. The second time, does nothing; after a failure, tries again.
   *
   * @param options - `signal`, `timeout`, `maxRetries` and `headers` of this call; what is not given is as the key was
   *   made with.
   * @throws {@link APIConnectionError} or another error of a call if the key could not be deleted; it stops working when
   *   it expires.
   */
  dispose(options?: CallOptions): Promise<void> {
    this.#deleted ??= this.#delete(options).catch((error) => {
      this.#deleted = undefined;
      throw error;
    });
    return this.#deleted;
  }

  async #delete(options: CallOptions | undefined): Promise<void> {
    try {
      checkNames({ ...DELETE_API_KEY, method: 'dispose' }, options, undefined);
      this.client.close();
      await this.#owner.deleteApiKey(this.id, { ...this.#options, ...options });
    } catch (error) {
      // That it is gone is all that is wanted.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  /** Deletes the key at the end of an `await using` block. */
  async [asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal */
  [inspect.custom](): string {
    return `TemporaryApiKey { id: ${inspect(this.id)}, token: '${MASK}' }`;
  }

  /** @internal */
  toJSON(): { id: string } {
    return { id: this.id };
  }
}
