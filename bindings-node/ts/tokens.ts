/** Tokens: fixed ones, and functions that give one. */

import { clearTimeout, setTimeout } from 'node:timers';
import { ConfigError } from './errors.js';
import { isTorn, kindOf } from './kinds.js';
import { MAX_DELAY, runtime } from './runtime.js';

/**
 * Gives the bearer token for the next attempt. It is asked before each attempt of each call, retries included, and
 * once more after a 401; what it throws or rejects with is what the call is rejected with. It has as long as the call
 * has time left, and finds what the caller has in `AsyncLocalStorage`. One that makes calls of its own needs another client
 * for them.
 */
export type TokenProvider = () => string | Promise<string>;

/** Where the native side gets the token from. */
export type TokenSource = 'none' | 'provider' | { fixed: string };

/** @throws {@link ConfigError} unless it is a string, a function or nothing. */
export function tokenSource(token: unknown): TokenSource {
  if (token == null) return 'none';
  if (typeof token === 'function') return 'provider';
  if (typeof token === 'string' && !isTorn(token)) return { fixed: token };
  throw new ConfigError(`token must be a string or a function that gives one, not ${kindOf(token)}`, {
    param: 'token',
  });
}

/** The token of a first attempt, and how many milliseconds it took to get it. */
export interface FirstToken {
  readonly token: string;
  readonly waited: number;
}

/** What clients that share a token have in common. */
export class Credentials {
  /** Whether there is a token, or a function that gives one. */
  isSet = false;
  /** Whether it is a function. */
  isProvided = false;
  // The last one stays when a fixed token follows it: an attempt that has begun may still ask.
  #provider: TokenProvider | undefined;

  constructor(token: unknown) {
    this.set(token);
  }

  set(token: unknown): void {
    this.isSet = token != null;
    this.isProvided = typeof token === 'function';
    if (typeof token === 'function') this.#provider = token as TokenProvider;
  }

  /**
   * Asks for the token of a first attempt, before the call takes one of the places: a function that makes calls of its
   * own needs some that are left.
   *
   * @param most - How long to wait, in milliseconds.
   * @param onStop - Gets what ends the wait early.
   * @returns Nothing if the wait ended without a token.
   * @throws What the function fails with.
   */
  async askFirst(most: number, onStop: (stop: () => void) => void): Promise<FirstToken | undefined> {
    const began = performance.now();
    // It keeps the process alive, too.
    let timer: NodeJS.Timeout | undefined;
    const ended = new Promise<undefined>((resolve) => {
      const stop = () => resolve(undefined);
      timer = setTimeout(stop, Math.min(most, MAX_DELAY));
      onStop(stop);
    });
    try {
      const token = await Promise.race([this.#ask(), ended]);
      return token === undefined ? undefined : { token, waited: performance.now() - began };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks for a token and hands it to the call that waits for it; `failed` gets what the function failed with. */
  async provide(id: number, failed: (reason: unknown) => void): Promise<void> {
    let token: string | null = null;
    try {
      token = await this.#ask();
    } catch (reason) {
      failed(reason);
    }
    runtime.provideToken(id, token);
  }

  async #ask(): Promise<string> {
    const given: unknown = await this.#provider?.();
    if (typeof given === 'string') return given;
    throw new ConfigError(`the token provider must give a string, not ${kindOf(given)}`, { param: 'token' });
  }
}
