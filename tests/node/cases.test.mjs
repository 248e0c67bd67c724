// The shared cases of tests/cases, which Rust and Python execute, too.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();
const folder = new URL('../cases/', import.meta.url);
const { operations } = JSON.parse(readFileSync(new URL('generated/operations.json', folder), 'utf8'));

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** In objects, null and "not there" are the same. */
function withoutNulls(value) {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(entries.map(([name, item]) => [name, withoutNulls(item)]));
}

/** Takes from `actual` what `expected` names. */
function narrowed(actual, expected) {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return actual.map((item, index) => narrowed(item, expected[index]));
  }
  if (!isObject(actual) || !isObject(expected)) return actual;
  const entries = Object.entries(actual).filter(([name]) => name in expected);
  return Object.fromEntries(entries.map(([name, item]) => [name, narrowed(item, expected[name])]));
}

function makeClient(settings = {}, serverUrl = undefined) {
  const options = { baseUrl: settings.base_url ?? serverUrl + (settings.base_url_suffix ?? '') };
  if ('token' in settings) options.token = settings.token;
  if ('path_style' in settings) options.pathStyle = settings.path_style;
  if ('max_retries' in settings) options.maxRetries = settings.max_retries;
  if ('timeout_seconds' in settings) options.timeout = settings.timeout_seconds * 1000;
  return new AutonomiClient(options);
}

function makeCall(client, { operation, arguments: given = {} }) {
  const { positional, keyword, params, typescript } = operations[operation];
  if (typescript.arguments === 'object') {
    const wire = (name) => params.find((param) => param.name === name)?.wire ?? name;
    return client[typescript.method](
      Object.fromEntries(Object.entries(given).map(([name, value]) => [wire(name), value])),
    );
  }
  const unknown = Object.keys(given).filter((name) => !positional.includes(name) && !keyword.includes(name));
  assert.deepEqual(unknown, [], `${operation} has no such parameters`);
  const options = Object.fromEntries(
    keyword.filter((name) => name in given).map((name) => [camel(name), given[name]]),
  );
  return client[typescript.method](...positional.map((name) => given[name]), options);
}

function compare(expected, outcome) {
  if (expected.error) {
    assert.ok('error' in outcome, `gave ${JSON.stringify(outcome.result)} instead of an error`);
    const { error } = outcome;
    assert.equal(error.constructor.name, expected.error.class, String(error));
    for (const text of expected.error.message_contains ?? []) {
      assert.ok(error.message.includes(text), `${text} is not in: ${error.message}`);
    }
    for (const text of expected.error.message_excludes ?? []) {
      assert.ok(!error.message.includes(text), `${text} is in: ${error.message}`);
    }
    for (const [name, value] of Object.entries(expected.error.fields ?? {})) {
      const actual = withoutNulls(error[camel(name)] ?? null);
      assert.deepEqual(actual, withoutNulls(value), `${camel(name)} of ${error}`);
    }
    return;
  }
  if ('error' in outcome) throw outcome.error;
  const actual = withoutNulls(outcome.result ?? null);
  if ('result_contains' in expected) {
    const wanted = withoutNulls(expected.result_contains);
    assert.deepEqual(narrowed(actual, wanted), wanted);
  } else {
    assert.deepEqual(actual, withoutNulls(expected.result ?? null));
  }
}

function compareRequest(expected, actual) {
  assert.equal(actual.method, expected.method);
  assert.equal(actual.path, expected.path);
  assert.deepEqual(actual.query, expected.query ?? {});
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    assert.equal(actual.headers[name] ?? null, value, name);
  }
  assert.ok((actual.pause_ms ?? 0) >= (expected.pause_ms ?? 0), `came after ${actual.pause_ms} ms`);
  if (expected.body === undefined || expected.body === null) {
    assert.ok(!actual.body, `there is a body: ${actual.body}`);
  } else {
    assert.deepEqual(JSON.parse(actual.body), expected.body);
  }
}

async function run(server, test) {
  const exchanges = test.exchanges ?? [];
  const baseUrl =
    test.server === 'refused'
      ? await server.refuse()
      : await server.serve(exchanges.map((exchange) => exchange.response));
  const calls = test.calls ?? [test];
  let client;
  for (const call of calls) {
    let outcome;
    try {
      client ??= makeClient(test.client, baseUrl);
      outcome = { result: await makeCall(client, call) };
    } catch (error) {
      outcome = { error };
    }
    compare(call, outcome);
  }
  client?.close();
  if (test.server === 'refused') return;
  const { requests, remaining } = await server.recorded();
  assert.equal(requests.length, exchanges.length, `arrived: ${JSON.stringify(requests)}`);
  assert.equal(remaining, 0);
  exchanges.forEach((exchange, index) => {
    compareRequest(exchange.request, requests[index]);
  });
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  describe(file, () => {
    let server;
    before(() => {
      server = new FaultServer();
    });
    after(() => server.stop());
    for (const test of JSON.parse(readFileSync(new URL(file, folder), 'utf8')).cases) {
      it(test.name, () => run(server, test));
    }
  });
}
