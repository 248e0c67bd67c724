/** Checks the arguments of a call and writes them as the engine takes them. */

import { isDate } from 'node:util/types';
import { hasFields, isCollection, isTorn, kindOf, saidBy, whyNoName, whyNoOptions } from './kinds.js';
import { CALL_OPTIONS } from './options.js';
import { dateText, whyNoTimestamp } from './timestamps.js';

/** One operation: how its arguments are checked and its answer is read. */
export interface Operation {
  /** Its name in the operations table. */
  readonly name: string;
  /** The name of its method. */
  readonly method: string;
  /** The name of the method of `LokiClient`, where it is another. */
  readonly lokiMethod?: string;
  /** Its parameters, in the order in which the engine takes them. */
  readonly params: readonly Param[];
  /** What is done with the data: nothing to hand out, handed out as it is, or with its secrets masked in prints. */
  readonly answer: 'nothing' | 'data' | 'secret';
  /** How a list is gone through page by page: by which method, and which parameters say which page it is. */
  readonly pages?: { readonly method: string; readonly limit: string; readonly offset: string };
}

/** One parameter. */
export interface Param {
  readonly name: string;
  readonly type: keyof typeof CHECKS;
  /** Where a caller writes it: as an argument, in the options, or in the object of parameters. */
  readonly place: 'argument' | 'options' | 'params';
  readonly required?: true;
}

/** A check gives the JSON text of a value that fits, otherwise nothing. */
interface Check {
  readonly expected: string;
  readonly encode: (value: unknown) => string | undefined;
}

function string(value: unknown): string | undefined {
  return typeof value === 'string' && !isTorn(value) ? JSON.stringify(value) : undefined;
}

function integer(value: unknown): string | undefined {
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

function strings(value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.map(string);
  return items.includes(undefined) ? undefined : `[${items.join(',')}]`;
}

function object(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || isCollection(value)) return undefined;
  if (!hasFields(value) && !('toJSON' in value)) return undefined;
  // Throws for a cycle or a bigint, with a message that says so.
  const text = JSON.stringify(value);
  return text?.startsWith('{') ? text : undefined;
}

/** A timestamp as servers write it, or a date. */
function timestamp(value: unknown): string | undefined {
  return string(isDate(value) ? dateText(value) : value);
}

const CHECKS = {
  id: { expected: 'an integer or a string', encode: (value) => integer(value) ?? string(value) },
  string: { expected: 'a string', encode: string },
  timestamp: { expected: 'a string or a Date', encode: timestamp },
  integer: { expected: 'an integer', encode: integer },
  boolean: {
    expected: 'a boolean',
    encode: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  },
  strings: { expected: 'an array of strings', encode: strings },
  object: { expected: 'an object', encode: object },
} satisfies Record<string, Check>;

/**
 * The arguments as a JSON array in the order of the parameters, null where one is not given.
 *
 * @throws TypeError naming the parameter that is missing or of the wrong type.
 */
export function encodeArguments(operation: Operation, values: readonly unknown[]): string {
  const texts = operation.params.map((param, index) => encode(operation, param, values[index]));
  return `[${texts.join(',')}]`;
}

function encode(operation: Operation, param: Param, value: unknown): string {
  if (value == null) {
    if (param.required) throw new TypeError(`${param.name} is missing: ${operation.method} needs it`);
    return 'null';
  }
  const check: Check = CHECKS[param.type];
  let text: string | undefined;
  try {
    text = check.encode(value);
  } catch (cause) {
    throw new TypeError(`${param.name} cannot be written as JSON: ${saidBy(cause)}`, { cause });
  }
  if (text === undefined) {
    throw new TypeError(
      `${param.name} must be ${check.expected}, not ${whyNot(param, value)}${whatInstead(operation, param, value)}`,
    );
  }
  return text;
}

/** Options that are written in place of an argument belong behind all of them. */
function whatInstead({ method, params }: Operation, param: Param, value: unknown): string {
  if (param.place !== 'argument' || Array.isArray(value)) return '';
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return '';
  const names = params.filter(({ place }) => place === 'argument').map(({ name }) => name);
  if (params.some(({ place }) => place === 'params')) names.push('params');
  return `; options come last: ${method}(${[...names, 'options'].join(', ')})`;
}

function whyNot(param: Param, value: unknown): string {
  if (param.type === 'timestamp') return whyNoTimestamp(value);
  if (typeof value === 'number' && Number.isInteger(value)) {
    return param.type === 'id' || param.type === 'integer'
      ? `${value}, which a number cannot hold exactly`
      : kindOf(value);
  }
  if (param.type === 'strings' && Array.isArray(value)) return 'an array with something else in it';
  return kindOf(value);
}

/**
 * Checks the objects that hold named parameters: a misspelt name would otherwise go unnoticed.
 *
 * @throws TypeError if one is not an object, or has a name that the method does not take.
 */
export function checkNames(
  operation: Operation,
  options: unknown,
  params: unknown,
  others: ReadonlySet<string> = NO_NAMES,
): void {
  checkObject(
    operation,
    'options',
    options,
    others.size === 0 ? CALL_OPTIONS : new Set([...CALL_OPTIONS, ...others]),
  );
  checkObject(operation, 'params', params, NO_NAMES);
}

const NO_NAMES: ReadonlySet<string> = new Set();

/** What can be written in the object at this place. */
function namesOf(
  operation: Operation,
  place: 'options' | 'params',
  others: ReadonlySet<string>,
): readonly string[] {
  return [...operation.params.filter((param) => param.place === place).map(({ name }) => name), ...others];
}

function checkObject(
  operation: Operation,
  place: 'options' | 'params',
  value: unknown,
  others: ReadonlySet<string>,
): void {
  if (value == null) return;
  if (typeof value !== 'object' || !hasFields(value)) {
    const whyNot = whyNoOptions(value, namesOf(operation, place, others));
    if (whyNot) throw new TypeError(`${place} of ${operation.method} must be an object, not ${whyNot}`);
  }
  for (const name of Object.keys(value)) {
    if (
      !others.has(name) &&
      !operation.params.some((param) => param.place === place && param.name === name)
    ) {
      const kind = place === 'options' ? 'option' : 'field';
      throw new TypeError(whyNoName(operation.method, kind, name, namesOf(operation, place, others)));
    }
  }
}
