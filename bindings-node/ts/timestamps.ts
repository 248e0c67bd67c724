import { isDate } from 'node:util/types';
import { kindOf } from './kinds.js';
import { native } from './runtime.js';

/**
 * Reads a timestamp as servers write it: with an offset, with `Z`, or with neither, which means UTC. A `Date` has
 * milliseconds: what is finer is cut off. A bare date is its first moment.
 *
 * @param text - The timestamp, for example `2026-11-21T22:50:49.642180`; a field that a server has left out has none.
 * @returns The moment, or undefined where there is no timestamp.
 * @throws RangeError if it is none.
 * @throws TypeError if it is no string.
 */
export function parseTimestamp(text: string): Date;
export function parseTimestamp(text: string | null | undefined): Date | undefined;
export function parseTimestamp(text: string | null | undefined): Date | undefined {
  if (text == null) return undefined;
  if (typeof text !== 'string') throw new TypeError(`text must be a string, not ${kindOf(text)}`);
  const milliseconds = native.parseTimestamp(text);
  if (milliseconds === null) throw new RangeError(`not a timestamp: ${JSON.stringify(text.slice(0, 60))}`);
  return new Date(milliseconds);
}

function isValid(value: unknown): value is Date {
  return isDate(value) && !Number.isNaN(Date.prototype.getTime.call(value));
}

/** The text of a date that a caller gives, if servers can read it. */
export function dateText(value: unknown): string | undefined {
  if (!isValid(value)) return undefined;
  // Its own methods may have been replaced, as some libraries do.
  const text = Date.prototype.toISOString.call(value);
  // Years with a sign are beyond the calendar of others.
  return /^\d/.test(text) ? text : undefined;
}

/** What is given instead of a timestamp, and what to give. */
export function whyNoTimestamp(value: unknown): string {
  if (isDate(value)) {
    return isValid(value) ? 'one beyond the years 0 to 9999' : 'one that is invalid';
  }
  // As those of Temporal.
  const isInstant = typeof (value as { epochMilliseconds?: unknown }).epochMilliseconds === 'number';
  if (isInstant) return `${kindOf(value)}; give new Date(value.epochMilliseconds)`;
  if (typeof value !== 'number') return kindOf(value);
  return `${kindOf(value)}; a Date is made of milliseconds by new Date(milliseconds)`;
}
