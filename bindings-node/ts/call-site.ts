/**
 * Where a call was made. Its error is made when the answer has come: then nobody of those who called is on the stack any
 * more, but for those who await the call just then, whom the runtime knows.
 */

/** Remembers the stack; it is written out only if the call fails. */
export type CallSite = { readonly stack?: string } | undefined;

/**
 * To walk the stack takes about 8 µs, a sixth of what a call takes of the processor where hundreds are under way. Beyond
 * so many calls the line of the caller is left to those who await them.
 */
const MOST = 16;

/** How many calls are; waits for events, which may last for hours, are not counted. */
let underWay = 0;

const FRAMES = '\n    at ';

/** Says that a call begins; what it gives says that it is over. */
export function countCall(): () => void {
  underWay += 1;
  return uncountCall;
}

function uncountCall(): void {
  underWay -= 1;
}

/**
 * The stack as it is now, unless there are many calls under way.
 *
 * @param within - The method that is being called; what it calls itself is left out.
 */
export function callSite(within: (...args: never[]) => unknown): CallSite {
  if (underWay >= MOST) return undefined;
  const site = {};
  Error.captureStackTrace(site, within);
  return site;
}

/** Gives the error the stack of the call that it is about; without one, it keeps its own. */
export function calledFrom<E extends Error>(site: CallSite, error: E): E {
  // Whoever formats stacks in an own way may have made anything of it.
  const stack: unknown = site?.stack;
  if (typeof stack !== 'string') return error;
  const at = stack.indexOf(FRAMES);
  if (at < 0) return error;
  const value = `${error.name}: ${error.message}${stack.slice(at)}`;
  Object.defineProperty(error, 'stack', { value, configurable: true, writable: true });
  return error;
}
