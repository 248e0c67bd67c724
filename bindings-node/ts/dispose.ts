/** `await using`, where the runtime has it; nothing breaks where it does not. */

declare global {
  // As in lib.esnext.disposable, for projects that compile without it.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/** `Symbol.asyncDispose`, or a symbol of the same purpose on a Node.js that lacks it. */
export const asyncDispose: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? (Symbol.for('nodejs.asyncDispose') as typeof Symbol.asyncDispose);
