/** Tokens: fixed ones, and functions that give one. */

import { ConfigError } from './errors.js';
import { kindOf } from './kinds.js';
import { runtime } from './runtime.js';

/**
 * Gives the bearer token for the next attempt. It is asked before each attempt of each call, retries included, and
 * once more after a 401; what it throws or rejects with is what the call is rejected with. It has as long as the call
 * has time left. One that makes calls of its own needs another client for them.
 */
export type TokenProvider = () => string | Promise<string>;

/** Where the native side gets the token from. */
export type TokenSource = 'none' | 'provider' | { fixed: string };

/** @throws {@link ConfigError} unless it is a string, a function or nothing. */
export function tokenSource(token: unknown): TokenSource {
  if (token == null) return 'none';
  if (typeof token === 'function') return 'provider';
  if (typeof token === 'string') return { fixed: token };
  throw new ConfigError(`token must be a string or a function that gives one, not ${kindOf(token)}`, {
    param: 'token',
  });
}

/** What clients that share a token have in common. */
export class Credentials {
  /** Whether there is a token, or a function that gives one. */
  isSet = false;
  // The last one stays when a fixed token follows it: an attempt that has begun may still ask.
  #provider: TokenProvider | undefined;

  constructor(token: unknown) {
    this.set(token);
  }

  set(token: unknown): void {
    this.isSet = token != null;
    if (typeof token === 'function') this.#provider = token as TokenProvider;
  }

  /** Asks for a token and hands it to the call that waits for it; `failed` gets what the function failed with. */
  async provide(id: number, failed: (reason: unknown) => void): Promise<void> {
    let token: string | null = null;
    try {
      const given: unknown = await this.#provider?.();
      if (typeof given !== 'string') {
        throw new ConfigError(`the token provider must give a string, not ${kindOf(given)}`, {
          param: 'token',
        });
      }
      token = given;
    } catch (reason) {
      failed(reason);
    }
    runtime.provideToken(id, token);
  }
}
