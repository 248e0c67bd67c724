/** Long lists, page by page. */

import { checkNames, encodeArguments, type Operation } from './arguments.js';
import type { Engine } from './engine.js';
import type { AutonomiError, ConfigError, NotAvailableError } from './errors.js';
import { headerPairs } from './headers.js';
import { type CallOptions, checkCount, checkRetries, checkTimeout } from './options.js';
import { native } from './runtime.js';
import { checkSignal } from './signals.js';
import { Stream } from './stream.js';

/** How a list is gone through. `timeout`, `maxRetries` and `headers` are those of the call for each page. */
export interface PageOptions extends CallOptions {
  /** How many items are given at the most; `Infinity` is all. Default: all. */
  maxItems?: number | undefined;
  /** How many items a page has at the most. Default: as many as servers give, up to 1000. */
  pageSize?: number | undefined;
}

const PAGE_OPTIONS: ReadonlySet<string> = new Set(['maxItems', 'pageSize']);

/**
 * The items of a list, one after the other, made by the `iter...` methods of a client. A page is asked for when its first
 * item is wanted. Leaving a `for await` loop closes it.
 *
 * What is added to the list or removed from it meanwhile neither repeats other items nor hides them. Items without an
 * `id`, those of the audit log, are recognised by their contents and their order.
 *
 * It fails with an {@link AutonomiError} if the call for a page does; asking again goes on where it stood. It fails with a
 * {@link NotAvailableError} if the server gives only the beginning of the list, whatever it is asked for.
 */
export class Pager<T> extends Stream<T> {
  /**
   * The same, page by page.
   *
   * ```ts
   * for await (const runs of client.iterRuns(7).pages()) console.log(runs.length);
   * ```
   *
   * @returns An iterator of arrays, none of which is empty. What was given by the pager itself is not in them.
   */
  async *pages(): AsyncGenerator<T[], void, undefined> {
    try {
      for (;;) {
        const first = await this.next();
        if (first.done) return;
        yield [first.value, ...this.rest()];
      }
    } finally {
      this.close();
    }
  }
}

/**
 * Opens the pages of a list.
 *
 * @param values - One for each parameter of the operation, in its order; none for those that say which page it is.
 * @throws {@link ConfigError} if an option is no good.
 * @throws TypeError if an argument is of the wrong type.
 */
export function openPages<T>(
  engine: Engine,
  operation: Operation,
  values: readonly unknown[],
  options: PageOptions | undefined,
  params?: object,
): Pager<T> {
  const { pages } = operation;
  if (!pages) throw new TypeError(`${operation.method} has no pages`);
  const { method, limit, offset } = pages;
  const others = operation.params.filter(({ name }) => name !== limit && name !== offset);
  checkNames({ ...operation, method, params: others }, options, params, PAGE_OPTIONS);
  const text = encodeArguments({ ...operation, method }, values);
  const signal = options?.signal == null ? undefined : checkSignal(options.signal);
  const maxItems = options?.maxItems;
  const terms = JSON.stringify({
    maxItems: maxItems === Number.POSITIVE_INFINITY ? undefined : count('maxItems', maxItems, 0),
    pageSize: count('pageSize', options?.pageSize, 1),
    timeout: checkTimeout('timeout', options?.timeout ?? undefined),
    maxRetries: checkRetries(options?.maxRetries ?? undefined),
    headers: options?.headers == null ? undefined : headerPairs(options.headers),
  });
  const stream = engine.open((client) => native.Stream.pages(client, operation.name, text, terms), operation);
  return new Pager<T>(engine, stream, signal);
}

function count(name: string, value: unknown, least: number): number | undefined {
  return value == null ? undefined : checkCount(name, value, least, Number.MAX_SAFE_INTEGER);
}
