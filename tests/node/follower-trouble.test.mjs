// A follower that is ended from outside, that fails, or that is asked for what is no good; its log and its token.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { APITimeoutError, EventStream, NotFoundError } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { all, DONE, ids, next, opened, QUICK } from './support/following.mjs';
import { event, until } from './support/plane.mjs';
import { client, server } from './support/served.mjs';

clearEnvironment();
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');

describe('a follower', () => {
  for (const [where, options] of [
    ['a pause', { pollInterval: 60_000 }],
    ['a request', {}],
  ]) {
    /** One that waits. */
    const waiting = async (more = {}) => {
      const { plane, client, followed } = await opened();
      plane.add(1);
      const follower = followed({ ...options, ...more });
      await next(follower);
      const before = plane.requests.length;
      if (where === 'a request') plane.hold();
      const pending = follower.next();
      if (where === 'a request') await until(() => plane.requests.length > before);
      else await pause(200);
      return { follower, pending, client, followed };
    };

    it(`ends ${where} at once when it is closed`, async () => {
      const { follower, pending } = await waiting();
      const began = Date.now();
      follower.close();
      assert.deepEqual(await pending, DONE);
      assert.ok(Date.now() - began < 1000);
      follower.close();
    });

    it(`ends ${where} at once when it is returned from`, async () => {
      const { follower, pending } = await waiting();
      assert.deepEqual(await follower.return(), DONE);
      assert.deepEqual(await pending, DONE);
    });

    it(`ends ${where} at once when its signal is aborted`, async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const { follower, pending } = await waiting({ signal });
      const { cursor } = follower;
      const reason = new Error('enough');
      const began = Date.now();
      controller.abort(reason);
      await assert.rejects(pending, (error) => error === reason);
      assert.ok(Date.now() - began < 1000);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      // Nobody may take it for the end of the run.
      await assert.rejects(follower.next(), (error) => error === reason);
      assert.equal(follower.cursor, cursor);
      await follower.return();
      assert.deepEqual(await follower.next(), DONE);
    });

    it(`ends ${where} at once when its client is closed`, async () => {
      const { follower, pending, client, followed } = await waiting();
      const rejected = assert.rejects(pending, { name: 'AutonomiError', message: 'the client is closed' });
      client.close();
      await rejected;
      await assert.rejects(follower.next(), /closed/);
      assert.throws(() => followed(), { name: 'AutonomiError', message: 'the client is closed' });
    });
  }

  it('sends nothing if its signal was aborted before', async () => {
    const { plane, followed } = await opened();
    const signal = AbortSignal.abort();
    const follower = followed({ signal });
    await assert.rejects(all(follower), { name: 'AbortError' });
    assert.deepEqual(plane.requests, []);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('is rejected at once when its signal is aborted between two events', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2);
    const controller = new AbortController();
    const follower = followed({ signal: controller.signal });
    await next(follower);
    controller.abort();
    await assert.rejects(follower.next(), { name: 'AbortError' });
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [2]);
  });

  it('is rejected also when its signal was aborted after an error', async () => {
    const { followed } = await opened();
    const controller = new AbortController();
    const follower = followed({ signal: controller.signal, timeout: 100 });
    await assert.rejects(follower.next(), APITimeoutError);
    controller.abort();
    await assert.rejects(follower.next(), { name: 'AbortError' });
  });

  it('leaves nothing at its signal, however it ends', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2);
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    assert.deepEqual(await rest(followed({ signal })), [1, 2]);
    assert.equal(listeners(), 0);
    for await (const _ of followed({ signal })) {
      assert.equal(listeners(), 1);
      break;
    }
    assert.equal(listeners(), 0);
    const late = followed({ signal, timeout: 200 });
    await assert.rejects(all(late), APITimeoutError);
    assert.equal(listeners(), 0);
    const failing = followed({
      signal,
      until: () => {
        throw new RangeError('no idea');
      },
    });
    await assert.rejects(all(failing), RangeError);
    assert.equal(listeners(), 0);
    assert.equal((await next(failing)).id, 2);
    assert.equal(listeners(), 1);
    failing.close();
    const disposed = followed({ signal });
    await disposed[asyncDispose]();
    assert.deepEqual(await disposed.next(), DONE);
    assert.equal(listeners(), 0);
  });

  it('goes on after an error', async () => {
    const timeline = { json: [event(1, { run_id: 2 })] };
    const gone = { status: 404, json: { detail: 'Run not found' } };
    const baseUrl = await server.serve([gone, timeline, { json: { id: 2, status: 'completed' } }, timeline]);
    const sdk = client(baseUrl, { pathStyle: 'guide' });
    const follower = new EventStream(sdk).followMany([1, 2], { pollInterval: QUICK });
    await assert.rejects(follower.next(), NotFoundError);
    assert.deepEqual(ids(await all(follower)), [1]);
  });

  it('says that there is no server', async () => {
    const sdk = client(await server.refuse(), { timeout: 300 });
    const follower = new EventStream(sdk).follow(7, { pollInterval: QUICK });
    // And says so again, rather than to seem at the end.
    for (let round = 0; round < 2; round++)
      await assert.rejects(follower.next(), { name: 'APIConnectionError' });
  });

  it('refuses at once what is no good', async () => {
    const { plane, client } = await opened();
    const events = new EventStream(client);
    for (const [options, param] of [
      [{ since: 'yesterday' }, 'since'],
      [{ cursor: 'x' }, 'cursor'],
      [{ pollInterval: 0 }, 'pollInterval'],
      [{ pollInterval: '2' }, 'pollInterval'],
      [{ timeout: -1 }, 'timeout'],
    ]) {
      assert.throws(() => events.follow(1, options), { name: 'ConfigError', param });
    }
    for (const options of [
      { since: 5 },
      { since: new Date('x') },
      { cursor: 1 },
      { until: 5 },
      { until: [5] },
      { signal: {} },
      { limit: 1 },
    ]) {
      assert.throws(
        () => events.follow(1, options),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.ok(error.message.includes(Object.keys(options)[0]), error.message);
          return true;
        },
      );
    }
    assert.throws(() => events.follow(1, 'x'), /options of follow must be an object/);
    assert.throws(() => events.follow(1, { projectId: 1 }), /no option projectId/);
    for (const id of [undefined, null, true, 1.5, 2 ** 53, '\ud800']) {
      assert.throws(() => events.follow(id), { name: 'TypeError', message: /runId/ });
      assert.throws(() => events.followMany([id]), { name: 'TypeError', message: /runIds/ });
    }
    assert.throws(() => events.followMany('12'), { name: 'TypeError', message: /runIds/ });
    assert.throws(() => events.follow('..'), { name: 'ConfigError' });
    assert.throws(() => events.followMany(), { name: 'ConfigError', message: /nothing to follow/ });
    const { cursor } = events.follow(1);
    assert.throws(() => events.follow(2, { cursor }), { name: 'ConfigError', message: /not of run 2/ });
    assert.deepEqual(plane.requests, []);
  });

  it('logs a line for each request, also while nothing happens', async () => {
    const lines = [];
    const { followed } = await opened({ logger: { debug: (line) => lines.push(line) } });
    const follower = followed();
    const pending = follower.next();
    await until(() => lines.length >= 3);
    follower.close();
    await pending;
    assert.match(
      lines[0],
      /^loki-mode-sdk: GET \/api\/runs\/7\/timeline -> 200 in .*attempt 1, new connection/,
    );
    assert.match(lines[2], /^loki-mode-sdk: GET \/api\/runs\/7(\/timeline)? -> 200 in .*attempt 1\)/);
  });

  it('asks the token provider for each request', async () => {
    let asked = 0;
    const { plane, followed, rest } = await opened({ token: async () => `loki_${++asked}` });
    plane.add(1, 2);
    assert.deepEqual(await rest(followed()), [1, 2]);
    assert.equal(asked, plane.requests.length);
  });

  it('fails with what the token provider fails with, and goes on', async () => {
    let reason = new Error('the vault is sealed');
    const { plane, followed, rest } = await opened({
      token: () => {
        if (reason) throw reason;
        return 'loki_x';
      },
    });
    plane.add(1);
    const follower = followed();
    await assert.rejects(follower.next(), (error) => error === reason);
    reason = undefined;
    assert.deepEqual(await rest(follower), [1]);
  });

  it('can be closed while it waits for a token', async () => {
    let asked;
    const isAsked = new Promise((resolve) => {
      asked = resolve;
    });
    const { followed } = await opened({
      token: () => {
        asked();
        return new Promise(() => {});
      },
    });
    const follower = followed();
    const pending = follower.next();
    await isAsked;
    follower.close();
    assert.deepEqual(await pending, DONE);
  });
});
