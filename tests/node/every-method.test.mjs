// What holds for every method that makes a call, whatever it asks for: its options, its signal, its errors.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import * as sdk from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { everyMethod } from './support/methods.mjs';
import { listening, until } from './support/plane.mjs';

clearEnvironment();

/** Calls, and asks what is called for its first item if it is a stream. */
async function theCaller(call, options) {
  const given = call(options); // the line of the caller
  return await (given?.next ? given.next() : given); // the line of the caller
}

/** The same by one who has gone when the answer comes: nobody awaits it just then. */
function theHastyCaller(call, options, take) {
  const given = call(options); // the line of the caller
  const answer = given?.next ? given.next() : given; // the line of the caller
  answer.then(() => take(new Error('it did not fail')), take);
}

async function failureOf(call, options) {
  try {
    await theCaller(call, options);
  } catch (error) {
    return error;
  }
  return new Error('it did not fail');
}

describe('every method that makes a call', () => {
  let server;
  let baseUrl;
  let methods;
  let clients;
  let objects;
  /** What becomes of requests: they are kept waiting, or answered with this status. */
  let answer = 'wait';
  /** The requests that came, by the method that they are of, and how many of those are still open. */
  const seen = new Map();

  before(async () => {
    server = createServer((request, response) => {
      const label = request.headers['x-method'] ?? `nobody's ${request.method} ${request.url}`;
      const entry = seen.get(label) ?? { count: 0, open: 0 };
      seen.set(label, entry);
      entry.count += 1;
      entry.open += 1;
      response.once('close', () => {
        entry.open -= 1;
      });
      if (answer === 'wait') return;
      response.writeHead(answer, { 'content-type': 'application/json' }).end('{"detail":"no"}');
    });
    baseUrl = await listening(server);
    ({ methods, clients, objects } = everyMethod(baseUrl));
  });
  after(() => {
    for (const client of clients) client.close();
    server.close();
    server.closeAllConnections?.();
  });

  /** Has every method checked at once, by a function that gives what is wrong; tells of all that were. */
  async function checkEach(what, check) {
    seen.clear();
    answer = what;
    const wrong = {};
    await Promise.all(
      methods.map(async ({ label, call }) => {
        // The header tells the server whose request it is, and so each test is one of `headers`, too.
        const problem = await check(call, { headers: { 'x-method': label } }, () => seen.get(label), label);
        if (problem) wrong[label] = problem;
      }),
    );
    for (const label of seen.keys()) if (label.startsWith('nobody')) wrong[label] = 'sent without its header';
    assert.deepEqual(wrong, {});
  }

  it('is found', () => {
    const labels = methods.map(({ label }) => label);
    assert.ok(labels.length > 120, labels.join());
    assert.deepEqual([...objects.keys()].map((Class) => Class.name).sort(), [
      'AutonomiClient',
      'EventStream',
      'LokiClient',
      'SessionManager',
      'TaskManager',
    ]);
    for (const label of [
      'AutonomiClient.listRuns',
      'AutonomiClient.raw.listRuns',
      'AutonomiClient.iterRuns',
      'AutonomiClient.waitForRun',
      'AutonomiClient.rotateAndStore',
      'AutonomiClient.temporaryApiKey',
      'AutonomiClient.watch',
      'LokiClient.startSession',
      'LokiClient.events',
      'EventStream.pollEvents',
      'EventStream.followMany',
      'TaskManager.moveTask',
    ]) {
      assert.ok(labels.includes(label), `${label} is missing`);
    }
  });

  it('sends nothing if its signal was aborted before, and rejects with the reason', () =>
    checkEach(200, async (call, options, requests) => {
      const reason = new Error('not today');
      const signal = AbortSignal.abort(reason);
      const error = await failureOf(call, { ...options, signal });
      if (error !== reason) return error.stack;
      if (getEventListeners(signal, 'abort').length > 0) return 'left a listener';
      return requests() && 'sent something';
    }));

  it('ends when its signal is aborted: the reason, no connection, no listener', () =>
    checkEach('wait', async (call, options, requests, label) => {
      const { signal, ...controller } = withAbort();
      const outcome = failureOf(call, { ...options, signal });
      await until(() => requests()?.open === 1);
      if (getEventListeners(signal, 'abort').length !== 1) return 'does not listen';
      const reason = { why: 'enough' };
      controller.abort(reason);
      const error = await outcome;
      if (error !== reason) return error.stack;
      if (getEventListeners(signal, 'abort').length > 0) return 'left a listener';
      await until(() => requests().open === 0);
      // The key may have been made, and is looked for.
      const asksMore = label === 'AutonomiClient.temporaryApiKey';
      return requests().count > 1 && !asksMore && 'sent it again';
    }));

  it('fails with an APITimeoutError after its timeout', () =>
    checkEach('wait', async (call, options, requests) => {
      const { signal } = new AbortController();
      const error = await failureOf(call, { ...options, signal, timeout: 1500 });
      if (!(error instanceof sdk.APITimeoutError)) return error.stack;
      if (getEventListeners(signal, 'abort').length > 0) return 'left a listener';
      await until(() => requests()?.open === 0);
    }));

  it('gives up after maxRetries', () =>
    checkEach(503, async (call, options, requests) => {
      const error = await failureOf(call, { ...options, maxRetries: 0 });
      if (!(error instanceof sdk.ServerError)) return error.stack;
      return requests().count !== 1 && `sent ${requests().count} times`;
    }));

  it('rejects with an error whose stack has the line of the caller', () =>
    checkEach(403, async (call, options) => {
      const { signal } = new AbortController();
      const error = await failureOf(call, { ...options, signal });
      if (!(error instanceof sdk.PermissionDeniedError)) return error.stack;
      if (getEventListeners(signal, 'abort').length > 0) return 'left a listener';
      return !showsTheCaller(error) && error.stack;
    }));

  it('shows the line of the caller also where nobody awaits it when it fails', async () => {
    seen.clear();
    const wrong = {};
    // Idle streams are no calls.
    const streams = Array.from({ length: 40 }, () => clients[0].events());
    answer = 'wait';
    const idle = streams.map((stream) => stream.next());
    await until(() => [...seen.values()].some(({ open }) => open >= streams.length));
    answer = 403;
    // One after the other: with many under way, stacks are not remembered.
    for (const { label, call } of methods) {
      const error = await new Promise((resolve) => theHastyCaller(call, {}, resolve));
      const head = `PermissionDeniedError: ${error.message}\n    at `;
      if (!error.stack.startsWith(head) || !showsTheCaller(error)) wrong[label] = error.stack;
    }
    for (const stream of streams) stream.close();
    await Promise.all(idle);
    assert.deepEqual(wrong, {});
  });

  it('shows the line of the caller where many are awaited at once', () =>
    checkEach(403, async (call, options) => {
      const outcomes = await Promise.allSettled([theCaller(call, options), theCaller(call, options)]);
      return outcomes.map(({ reason }) => !showsTheCaller(reason) && reason.stack).find(Boolean);
    }));

  for (const [option, value, named] of [
    ['timeuot', 5, 'timeuot'],
    ['constructor', 5, 'constructor'],
    ['timeout', 0, 'timeout'],
    ['timeout', '5', 'timeout'],
    ['maxRetries', -1, 'maxRetries'],
    ['maxRetries', 0.5, 'maxRetries'],
    ['headers', 'x', 'headers'],
    ['headers', { 'x-a': 5 }, 'x-a'],
    ['headers', { 'x-a': 'canary\n' }, 'x-a'],
    ['headers', { authorization: 'canary' }, 'authorization'],
    ['headers', Promise.resolve({ 'x-a': 'canary' }), 'headers'],
    ['headers', new Date(0), 'headers'],
    ['timeout', Number.NaN, 'timeout'],
    ['timeout', 5n, 'timeout'],
    ['timeout', Symbol('5'), 'timeout'],
    ['timeout', -0, 'timeout'],
    ['timeout', Number.NEGATIVE_INFINITY, 'timeout'],
    ['maxRetries', Number.POSITIVE_INFINITY, 'maxRetries'],
    ['maxRetries', 5n, 'maxRetries'],
    ['maxRetries', true, 'maxRetries'],
    ['signal', {}, 'signal'],
    ['signal', new AbortController(), 'AbortController; give its signal'],
    ['signal', { aborted: false, addEventListener() {} }, 'signal'],
  ]) {
    it(`names ${option} if it is ${shown(value)}, and sends nothing`, () =>
      checkEach(200, async (call, options, requests) => {
        const error = await failureOf(call, { ...options, [option]: value });
        const isOurs = error instanceof TypeError || error instanceof sdk.ConfigError;
        if (!isOurs || !error.message.includes(named) || error.stack.includes('canary')) return error.stack;
        return requests() && 'sent something';
      }));
  }

  it('names itself if its options are none', () =>
    checkEach(200, async (call, _, requests, label) => {
      const name = label.split('.').pop();
      const odd = [AbortSignal.abort(), new Map([['timeout', 5]]), Promise.resolve({}), new Date(), /x/];
      for (const options of [5, 'x', true, [], () => {}, ...odd]) {
        const error = await failureOf(call, options);
        if (!(error instanceof TypeError) || !error.message.includes(name)) return error.stack;
      }
      return requests() && 'sent something';
    }));

  it('takes null and undefined for "not given"', () =>
    checkEach(403, async (call, options) => {
      for (const nothing of [null, undefined]) {
        const given = { ...options, signal: nothing, timeout: nothing, maxRetries: nothing };
        const error = await failureOf(call, given);
        if (!(error instanceof sdk.PermissionDeniedError)) return error.stack;
      }
    }));

  it('is refused once its client is closed', async () => {
    const closed = everyMethod(baseUrl);
    for (const client of closed.clients) {
      client.close();
      client.close();
    }
    seen.clear();
    for (const { label, call } of closed.methods) {
      const error = await failureOf(call, {});
      assert.ok(error instanceof sdk.AutonomiError, `${label}: ${error.stack}`);
      assert.match(error.message, /the client is closed/, label);
    }
    assert.equal(seen.size, 0);
  });

  it('is ended by the end of its client', async () => {
    const closing = everyMethod(baseUrl);
    seen.clear();
    answer = 'wait';
    const outcomes = closing.methods.map(({ label, call }) =>
      failureOf(call, { headers: { 'x-method': label } }),
    );
    await until(() => closing.methods.every(({ label }) => seen.get(label)?.open === 1));
    for (const client of closing.clients) client.close();
    for (const error of await Promise.all(outcomes)) assert.match(error.message, /the client is closed/);
    await until(() => [...seen.values()].every(({ open }) => open === 0));
  });

  describe('subscribe', () => {
    const subscribed = (options) => {
      const errors = [];
      const client = new sdk.LokiClient(baseUrl);
      clients.push(client);
      seen.clear();
      const headers = { 'x-method': 'subscribe' };
      client.subscribe(() => {}, { headers, onError: (error) => errors.push(error), ...options });
      return errors;
    };

    it('sends nothing if its signal was aborted before', async () => {
      answer = 403;
      const signal = AbortSignal.abort();
      const errors = subscribed({ signal });
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual([errors, seen.size, getEventListeners(signal, 'abort').length], [[], 0, 0]);
    });

    it('ends when its signal is aborted', async () => {
      answer = 'wait';
      const controller = new AbortController();
      const errors = subscribed({ signal: controller.signal });
      await until(() => seen.get('subscribe')?.open === 1);
      controller.abort();
      await until(() => seen.get('subscribe').open === 0);
      assert.deepEqual([errors, getEventListeners(controller.signal, 'abort').length], [[], 0]);
    });

    it('tells of the end of its time, once', async () => {
      answer = 'wait';
      const errors = subscribed({ timeout: 100 });
      await until(() => errors.length > 0 && seen.get('subscribe').open === 0);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.deepEqual(
        errors.map((error) => error.constructor),
        [sdk.APITimeoutError],
      );
    });

    it('tells of failures after maxRetries, and goes on', async () => {
      answer = 503;
      const errors = subscribed({ maxRetries: 0 });
      await until(() => errors.length === 2);
      assert.ok(errors.every((error) => error instanceof sdk.ServerError));
    });

    it('names what is no good', () => {
      const client = new sdk.LokiClient(baseUrl);
      for (const options of [
        { timeuot: 1 },
        { timeout: -1 },
        { maxRetries: 'x' },
        { headers: 5 },
        { signal: 5 },
      ]) {
        const [name] = Object.keys(options);
        assert.throws(() => client.subscribe(() => {}, options), new RegExp(name));
      }
    });
  });
});

/** Whether the stack has one of the lines of this file that are marked as the caller's. */
function showsTheCaller(error) {
  const line = /at (?:async )?the(?:Hasty)?Caller \(.*every-method\.test\.mjs:(\d+):/.exec(error.stack)?.[1];
  const source = readFileSync(new URL(import.meta.url), 'utf8').split('\n');
  return source[line - 1]?.endsWith('// the line of the caller') === true;
}

/** A value, in the name of a test. */
function shown(value) {
  return value instanceof Promise ? 'a promise' : inspect(value);
}

/** A signal and what aborts it. */
function withAbort() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
}
