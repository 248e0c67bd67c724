/** Options from environment variables. */

import { ConfigError, errorFromNative } from './errors.js';
import { whyNoOptions } from './kinds.js';
import type { ClientOptions } from './options.js';
import { native } from './runtime.js';

const DEFAULT_BASE_URL = 'http://localhost:57374';

/**
 * The options that the environment sets, overridden by those that are given.
 *
 * @throws {@link ConfigError} naming the variable whose value is no good.
 */
export function optionsOfEnvironment(overrides: Partial<ClientOptions>): ClientOptions {
  const whyNot = whyNoOptions(overrides);
  if (whyNot) throw new ConfigError(`fromEnv needs an object of options, not ${whyNot}`);
  // Not read by the native side itself: that of a worker is a copy, which only JavaScript sees.
  const variables = Object.entries(process.env).filter(([name]) => name.startsWith('LOKI_'));
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  const names = given.map(([name]) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  let found: string;
  try {
    found = native.settings(JSON.stringify(Object.fromEntries(variables)), names);
  } catch (error) {
    throw errorFromNative((error as Error).message);
  }
  return { baseUrl: DEFAULT_BASE_URL, ...JSON.parse(found), ...Object.fromEntries(given) };
}
