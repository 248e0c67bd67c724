// The methods of all clients that make a call, found on the classes that the package exports, so that a new one cannot be
// forgotten.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as sdk from 'loki-mode-sdk';

const TABLE = new URL('../../cases/generated/operations.json', import.meta.url);
const { operations } = JSON.parse(readFileSync(TABLE, 'utf8'));

/** An argument of each type. */
const VALUES = {
  id: 7,
  integer: 1,
  string: 'x',
  'string list': ['x'],
  object: {},
  timestamp: '2026-11-21T22:50:49Z',
};
/** What methods take that are not in the table. */
const OTHERS = { params: {}, runIds: [7], store: () => {} };
/** What makes no call. */
const NO_CALLS = new Set(['close', 'setToken', 'withOptions']);
/** What answers by calling back; its own tests are below. */
const CALLS_BACK = new Set(['LokiClient.subscribe']);

const ARGUMENTS = {
  ...Object.fromEntries(
    Object.values(operations).flatMap(({ params }) =>
      params.map(({ typescript_name: name, type }) => [name, VALUES[type]]),
    ),
  ),
  ...OTHERS,
};

/** The methods of an object, up to `Object`. */
function methodsOf(object) {
  const names = new Set();
  for (let at = Object.getPrototypeOf(object); at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return names;
}

/** The arguments before the options, made after the names of the parameters. */
function argumentsOf(label, method) {
  const [, list] = /^(?:async )?\w+\(([^)]*)\)/.exec(String(method)) ?? [];
  const names = list.split(',').map((part) => part.replace(/=.*/, '').trim());
  assert.equal(names.pop(), 'options', `the last argument of ${label} is not "options"`);
  return names.map((name) => {
    assert.ok(name in ARGUMENTS, `add to this file what ${label} takes as ${name}`);
    return ARGUMENTS[name];
  });
}

/** Every method that makes a call, as functions of its options; `next` stands for what a stream is asked. */
export function everyMethod(baseUrl) {
  const client = new sdk.AutonomiClient({ baseUrl, pathStyle: 'guide', timeout: 60_000 });
  const made = { AutonomiClient: client, LokiClient: new sdk.LokiClient(baseUrl, { timeout: 60_000 }) };
  const methods = [];
  const objects = new Map();
  for (const [exported, Class] of Object.entries(sdk)) {
    const isClass = typeof Class === 'function' && /^class\b/.test(Class);
    if (!isClass || Class.prototype instanceof Error || objects.has(Class)) continue;
    objects.set(Class, made[exported] ?? new Class(client));
  }
  for (const [Class, object] of objects) {
    for (const name of methodsOf(object)) {
      const label = `${Class.name}.${name}`;
      if (NO_CALLS.has(name) || CALLS_BACK.has(label)) continue;
      const given = argumentsOf(label, object[name]);
      methods.push({ label, call: (options) => object[name](...given, options) });
      if (object !== client || !(name in client.raw)) continue;
      const raw = `${Class.name}.raw.${name}`;
      methods.push({ label: raw, call: (options) => client.raw[name](...given, options) });
    }
  }
  assert.equal(Object.keys(client.raw).length, methods.filter(({ label }) => label.includes('.raw.')).length);
  return { methods, clients: [client, made.LokiClient], objects };
}
