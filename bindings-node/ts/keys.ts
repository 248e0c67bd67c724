/** What is done with API keys in more than one step, so that no token is lost on the way and no key is left over. */

import { inspect } from 'node:util';
import { asyncDispose } from './dispose.js';
import { type APIConnectionError, ConfigError, KeyRotationError, NotFoundError } from './errors.js';
import type { AutonomiClient } from './generated/client.js';
import type { CreateApiKeyOptions, CreatedApiKey, Known, RotatedApiKey } from './generated/models.js';
import { kindOf } from './kinds.js';
import type { CallOptions } from './options.js';
import { MASK, maskInPrint } from './secrets.js';

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

/** Puts a new token where it is kept. */
export type StoreToken = (token: string) => unknown;

/** Rotates a key once, hands its new token to `store`, and then, if wanted, deletes the old key by its identifier. */
export async function rotateAndStore(
  client: AutonomiClient,
  identifier: string,
  store: StoreToken,
  options: RotateAndStoreOptions = {},
): Promise<KeyRotation> {
  if (typeof store !== 'function') throw new TypeError(`store must be a function, not ${kindOf(store)}`);
  const { gracePeriodHours = 24, deleteOld = false, ...call } = options ?? {};
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
    await store(token);
  } catch (cause) {
    const message = `the key was rotated, but storing its new token failed: ${reason(cause)}. Nothing was deleted: ${old} works until ${until}`;
    throw new KeyRotationError(message, { ...known, token, stored: false, cause });
  }
  if (!deleteOld) return maskInPrint({ token, ...known, oldKeyDeleted: false });
  try {
    if (known.oldKeyId === undefined) throw new NotFoundError('the server did not give its identifier');
    await client.deleteApiKey(known.oldKeyId, call);
  } catch (cause) {
    const message = `the key was rotated and its new token stored, but ${old} could not be deleted: ${reason(cause)}. It works until ${until}`;
    throw new KeyRotationError(message, { ...known, token, stored: true, cause });
  }
  return maskInPrint({ token, ...known, oldKeyExpiresAt: undefined, oldKeyDeleted: true });
}

function describe(rotated: RotatedApiKey) {
  const id = rotated.new_key?.id;
  return {
    newKeyId: typeof id === 'string' ? id : undefined,
    oldKeyId: rotated.old_key_id ?? undefined,
    oldKeyExpiresAt: rotated.old_key_rotation_expires_at ?? undefined,
  };
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** What a temporary key is made with; what is not said here is as for `createApiKey`. */
export type TemporaryApiKeyOptions = CreateApiKeyOptions;

/** Makes a key that is deleted when it is disposed of. */
export async function temporaryApiKey(
  client: AutonomiClient,
  name: string,
  role: Known<'admin' | 'operator' | 'viewer' | 'auditor'> | undefined,
  options: TemporaryApiKeyOptions = {},
): Promise<TemporaryApiKey> {
  const created = await client.createApiKey(name, role, {
    ...options,
    expiresDays: options?.expiresDays ?? 1,
  });
  return new TemporaryApiKey(client, created);
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
  #deleted: Promise<void> | undefined;

  /** @internal */
  constructor(owner: AutonomiClient, key: CreatedApiKey) {
    this.#owner = owner;
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
   * @throws {@link APIConnectionError} or another error of a call if the key could not be deleted; it stops working when
   *   it expires.
   */
  dispose(): Promise<void> {
    this.client.close();
    this.#deleted ??= this.#delete();
    return this.#deleted;
  }

  async #delete(): Promise<void> {
    try {
      await this.#owner.deleteApiKey(this.id);
    } catch (error) {
      // That it is gone is all that is wanted.
      if (error instanceof NotFoundError) return;
      this.#deleted = undefined;
      throw error;
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
