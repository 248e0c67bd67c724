/**
 * Where a call was made. Its error is made when the answer has come: then nobody of those who called is on the stack any
 * more, but for those who await the call just then.
 */

import { isCrowded } from './runtime.js';

/** Remembers the stack; it is written out only if the call fails. Not remembered, it is that of those who await. */
export type CallSite = Readonly<Error> | undefined;

const FRAMES = '\n    at ';

/** The stack as it is now. With many calls under way it is not worth what it costs: a quarter of a call. */
export function callSite(): CallSite {
  return isCrowded() ? undefined : new Error('call site');
}

/** Gives the error the stack of the call that it is about; where there is none, it keeps its own. */
export function calledFrom<E extends Error>(site: CallSite, error: E): E {
  // Whoever formats stacks in an own way may have made anything of it.
  const stack: unknown = site?.stack;
  if (typeof stack !== 'string') return error;
  // The first frame is the function that remembers it.
  const at = stack.indexOf(FRAMES, stack.indexOf(FRAMES) + 1);
  if (at < 0) return error;
  const value = `${error.name}: ${error.message}${stack.slice(at)}`;
  Object.defineProperty(error, 'stack', { value, configurable: true, writable: true });
  return error;
}
