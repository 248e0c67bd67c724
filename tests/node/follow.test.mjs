// Following runs.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { APITimeoutError, AutonomiClient, EventStream, NotFoundError } from 'loki-mode-sdk';
import { Line } from './support/bad-line.mjs';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { FaultServer } from './support/fault-server.mjs';
import { event, Plane, until } from './support/plane.mjs';
import { program } from './support/program.mjs';

clearEnvironment();
const QUICK = 20;
const DONE = { done: true, value: undefined };
const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');

const ids = (events) => events.map(({ id }) => id);

async function all(follower) {
  const events = [];
  for await (const event of follower) events.push(event);
  return events;
}

async function next(follower) {
  const { value, done } = await follower.next();
  assert.ok(!done, 'the follower has ended');
  return value;
}

async function add(client, run, count = 1, type = 'phase_start') {
  const added = [];
  for (let n = 0; n < count; n++) added.push(await client.createRunEvent(run.id, type, 'ACT', { n }));
  return added;
}

describe('following runs of the local control plane', () => {
  for (const profile of ['guide', 'v5.51', 'v9.22']) {
    describe(`as ${profile}`, () => {
      let server;
      let client;
      let project;
      let run;
      before(async () => {
        server = await startControlPlane(profile);
        client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
        project = (await client.listProjects())[0].id;
      });
      after(async () => {
        client.close();
        await server.stop();
      });
      // A run that goes on, with three events.
      const started = async () => {
        run = await client.createRun(project);
        await add(client, run, 3);
      };

      it('gives each event once, to the end', async () => {
        await started();
        const expected = ids(await client.getRunTimeline(run.id));
        const goOn = async () => {
          for (let round = 0; round < 5; round++) {
            await pause(50);
            expected.push(...ids(await add(client, run, 4)));
          }
          expected.push(...ids(await add(client, run, 1, 'run_completed')));
        };
        const going = goOn();
        const follower = new EventStream(client).follow(run.id, { pollInterval: QUICK });
        assert.equal(follower[Symbol.asyncIterator](), follower);
        const events = await all(follower);
        await going;
        assert.deepEqual(ids(events), expected);
        assert.deepEqual(events, await client.getRunTimeline(run.id));
        assert.equal(follower.status, (await client.getRun(run.id)).status);
        assert.deepEqual(await follower.next(), DONE);
      });

      it('gives a run that has ended as a whole', async () => {
        await started();
        await client.cancelRun(run.id);
        const follower = new EventStream(client).follow(String(run.id));
        assert.equal(follower.status, null);
        assert.deepEqual(await all(follower), await client.getRunTimeline(run.id));
        assert.equal(follower.status, 'cancelled');
      });

      it('sees twenty events of one second once in the loop of the guide', async () => {
        await started();
        // As in the guide, but for the number of rounds and the length of the sleep.
        const events = new EventStream(client);
        const seen = [];
        let lastTimestamp;
        for (const count of [7, 0, 6, 1, 6, 0]) {
          await add(client, run, count);
          for (const event of await events.pollEvents(run.id, lastTimestamp)) {
            seen.push(event);
            lastTimestamp = event.timestamp;
          }
          await pause(10);
        }
        assert.equal(seen.length, 23);
        assert.deepEqual(seen, await client.getRunTimeline(run.id));
      });

      it('begins at a date', async () => {
        await started();
        await client.cancelRun(run.id);
        const timeline = await client.getRunTimeline(run.id);
        const hour = 3_600_000;
        for (const since of [new Date(Date.now() - hour), timeline[0].timestamp]) {
          assert.deepEqual(await all(new EventStream(client).follow(run.id, { since })), timeline);
          assert.deepEqual(await new EventStream(client).pollEvents(run.id, since), timeline);
        }
        const since = new Date(Date.now() + hour);
        assert.deepEqual(await all(new EventStream(client).follow(run.id, { since })), []);
        assert.deepEqual(await new EventStream(client).pollEvents(run.id, since), []);
      });

      it('follows many runs at once', async () => {
        const runs = [];
        for (let n = 0; n < 4; n++) runs.push(await client.createRun(project));
        const goOn = async () => {
          for (let round = 0; round < 4; round++) for (const each of runs) await add(client, each);
          for (const each of runs) await add(client, each, 1, 'run_completed');
        };
        const going = goOn();
        const runIds = new Set(ids(runs));
        const follower = new EventStream(client).followMany(runIds, { pollInterval: QUICK });
        const events = await all(follower);
        await going;
        for (const each of runs) {
          const own = events.filter((event) => event.run_id === each.id);
          assert.deepEqual(own, await client.getRunTimeline(each.id));
          assert.equal(follower.statusOf(each.id), 'completed');
          assert.equal(follower.statusOf(String(each.id)), 'completed');
        }
        assert.equal(follower.status, null);
        assert.equal(follower.statusOf('nobody'), null);
      });

      it('takes up the runs of a project as they start', async () => {
        for (const each of await client.listRuns(project, 'running')) await client.cancelRun(each.id);
        const first = await client.createRun(project);
        await add(client, first);
        const options = { projectId: project, pollInterval: QUICK };
        const follower = new EventStream(client).followMany([], options);
        assert.equal((await next(follower)).run_id, first.id);
        const second = await client.createRun(project);
        await add(client, second);
        assert.equal((await next(follower)).run_id, second.id);
        follower.close();
        await client.cancelRun(first.id);
        // Another one goes on where this one stopped, also with a run that it has not heard of.
        const third = await client.createRun(project);
        await add(client, third);
        const other = new EventStream(client).followMany(undefined, { ...options, cursor: follower.cursor });
        assert.equal((await next(other)).run_id, third.id);
        await other.return();
        await client.cancelRun(second.id);
        await client.cancelRun(third.id);
      });

      it('says that there is no such run', async () => {
        const follower = new EventStream(client).follow(987654, { pollInterval: QUICK });
        const loop = async () => {
          for await (const event of follower) assert.fail(`there is no event ${event.id}`);
        };
        await assert.rejects(loop(), (error) => {
          assert.ok(error instanceof NotFoundError);
          assert.match(error.stack, /at (?:async )?loop .*follow\.test\.mjs/);
          return true;
        });
      });

      it('goes on in a new process where the last one stopped', async () => {
        await started();
        await add(client, run, 20);
        const code = `
          const [baseUrl, token, runId, cursor, count] = process.argv.slice(1);
          const client = new sdk.AutonomiClient({ baseUrl, token });
          const follower = new sdk.EventStream(client).follow(runId, { cursor: cursor || null, pollInterval: 20 });
          let left = Number(count);
          for await (const event of follower) {
            console.log(event.id);
            if (--left === 0) break;
          }
          console.log(follower.cursor);`;
        const seen = [];
        let cursor = '';
        for (const count of [5, 1, 8, 20]) {
          if (count === 20) await add(client, run, 3, 'run_completed');
          const told = (await program(code, server.baseUrl, TOKEN, run.id, cursor, count)).split('\n');
          cursor = told.pop();
          seen.push(...told.map(Number));
        }
        assert.deepEqual(seen, ids(await client.getRunTimeline(run.id)));
        assert.equal(seen.length, 26);
      });
    });
  }
});

describe('a follower', () => {
  let plane;
  let client;
  let server;
  before(() => {
    server = new FaultServer();
  });
  after(() => server.stop());
  // Each test has its own.
  const made = [];
  const opened = async (options = {}) => {
    plane = await new Plane().start();
    client = new AutonomiClient({ baseUrl: plane.baseUrl, pathStyle: 'guide', timeout: 5000, ...options });
    made.push(plane.stop.bind(plane), client.close.bind(client));
  };
  afterEach(async () => {
    for (const end of made.splice(0)) await end();
  });
  const followed = (options = {}) => new EventStream(client).follow(7, { pollInterval: QUICK, ...options });
  /** The rest of the events, once the run has ended. */
  const rest = async (follower) => {
    plane.status = 'completed';
    const events = await all(follower);
    plane.status = 'running';
    return ids(events);
  };

  it('gives twenty events of one second over several polls', async () => {
    await opened();
    const follower = followed();
    const seen = [];
    for (let number = 0; number < 20; number++) {
      plane.add(number);
      seen.push((await next(follower)).id);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, n) => n),
    );
    assert.deepEqual(await rest(follower), []);
  });

  it('does not take events from polls, nor they from it', async () => {
    await opened();
    plane.add(1, 2, 3);
    const events = new EventStream(client);
    const follower = events.follow(7);
    assert.equal((await next(follower)).id, 1);
    assert.deepEqual(ids(await events.pollEvents(7)), [1, 2, 3]);
    assert.deepEqual([(await next(follower)).id, (await next(follower)).id], [2, 3]);
  });

  it('tells where its reader stands, not where the server does', async () => {
    await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [1, 2, 3]);
    for (const left of [[2, 3], [3], []]) {
      await next(follower);
      // All three have come, but not all were given.
      assert.deepEqual(await rest(followed({ cursor: follower.cursor })), left);
    }
    assert.match(follower.cursor, /^[!-~]+$/);
    follower.close();
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), []);
  });

  it('tells so while the next event is waited for', async () => {
    await opened();
    plane.add(1, 2);
    const follower = followed();
    await next(follower);
    await next(follower);
    plane.hold();
    const asked = plane.requests.length;
    const pending = follower.next();
    await until(() => plane.requests.length > asked);
    const { cursor } = follower;
    plane.add(3);
    plane.release();
    assert.equal((await pending).value.id, 3);
    assert.deepEqual(await rest(followed({ cursor })), [3]);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), []);
  });

  it('is closed when the loop is left, and tells where to go on', async () => {
    await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    for await (const event of follower) if (event.id === 2) break;
    assert.deepEqual(await follower.next(), DONE);
    plane.add(4);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [3, 4]);
  });

  it('is closed when the loop fails', async () => {
    await opened();
    plane.add(1, 2);
    const follower = followed();
    const loop = async () => {
      for await (const event of follower) throw new Error(`no use for ${event.id}`);
    };
    await assert.rejects(loop(), /no use for 1/);
    assert.deepEqual(await follower.next(), DONE);
  });

  it('can be asked for several events at once', async () => {
    await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    const asked = Array.from({ length: 6 }, () => follower.next());
    await asked[2];
    plane.add(4);
    await asked[3];
    plane.status = 'completed';
    assert.deepEqual(
      (await Promise.all(asked)).map(({ value }) => value?.id),
      [1, 2, 3, 4, undefined, undefined],
    );
  });

  it('gives more events than come at once', async () => {
    await opened();
    const numbers = Array.from({ length: 5000 }, (_, n) => n);
    plane.add(...numbers);
    assert.deepEqual(await rest(followed()), numbers);
  });

  it('stops in a state', async () => {
    await opened();
    plane.add(1, 2);
    plane.status = 'paused';
    for (const until of ['paused', ['paused'], ['failed', 'paused'], new Set(['paused'])]) {
      const follower = followed({ until });
      assert.deepEqual(ids(await all(follower)), [1, 2]);
      assert.equal(follower.status, 'paused');
    }
    // The end of a run is an end for all of them, but for an empty collection.
    plane.status = 'completed';
    assert.deepEqual(ids(await all(followed({ until: 'paused' }))), [1, 2]);
    const follower = followed({ until: [] });
    assert.deepEqual([(await next(follower)).id, (await next(follower)).id], [1, 2]);
    const asked = plane.requests.length;
    const third = next(follower);
    await until(() => plane.requests.length > asked + 3);
    plane.add(3);
    assert.equal((await third).id, 3);
  });

  it('stops when a function says so', async () => {
    await opened();
    plane.add(1, 2, 3);
    for (const answer of [(is) => is, (is) => Promise.resolve(is)]) {
      const asked = [];
      const until = (event) => {
        asked.push(event.id);
        return answer(event.id === 2);
      };
      const follower = followed({ until });
      assert.equal((await next(follower)).id, 1);
      // It is asked once the event was dealt with.
      assert.deepEqual(asked, []);
      assert.equal((await next(follower)).id, 2);
      assert.deepEqual(asked, [1]);
      assert.deepEqual(await follower.next(), DONE);
      assert.deepEqual(asked, [1, 2]);
      assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [3]);
    }
    // One that never says so does not outlive the run.
    assert.deepEqual(await rest(followed({ until: () => false })), [1, 2, 3]);
  });

  it('loses no event when that function fails', async () => {
    await opened();
    plane.add(1, 2, 3);
    const until = (event) => {
      if (event.id === 2) throw new RangeError('no idea');
      return false;
    };
    const follower = followed({ until });
    await next(follower);
    await next(follower);
    await assert.rejects(follower.next(), { name: 'RangeError', message: 'no idea' });
    assert.equal((await next(follower)).id, 3);
  });

  it('lasts as long as its timeout', async () => {
    await opened();
    plane.add(1);
    const follower = followed({ timeout: 300 });
    assert.equal((await next(follower)).id, 1);
    for (let round = 0; round < 2; round++) await assert.rejects(follower.next(), APITimeoutError);
    plane.add(2);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [2]);
  });

  for (const [where, options] of [
    ['a pause', { pollInterval: 60_000 }],
    ['a request', {}],
  ]) {
    /** One that waits. */
    const waiting = async (more = {}) => {
      await opened();
      plane.add(1);
      const follower = followed({ ...options, ...more });
      await next(follower);
      const before = plane.requests.length;
      if (where === 'a request') plane.hold();
      const pending = follower.next();
      if (where === 'a request') await until(() => plane.requests.length > before);
      else await pause(200);
      return { follower, pending };
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
      const { follower, pending } = await waiting();
      const rejected = assert.rejects(pending, { name: 'AutonomiError', message: 'the client is closed' });
      client.close();
      await rejected;
      await assert.rejects(follower.next(), /closed/);
      assert.throws(() => followed(), { name: 'AutonomiError', message: 'the client is closed' });
    });
  }

  it('sends nothing if its signal was aborted before', async () => {
    await opened();
    const signal = AbortSignal.abort();
    const follower = followed({ signal });
    await assert.rejects(all(follower), { name: 'AbortError' });
    assert.deepEqual(plane.requests, []);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('is rejected at once when its signal is aborted between two events', async () => {
    await opened();
    plane.add(1, 2);
    const controller = new AbortController();
    const follower = followed({ signal: controller.signal });
    await next(follower);
    controller.abort();
    await assert.rejects(follower.next(), { name: 'AbortError' });
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [2]);
  });

  it('is rejected also when its signal was aborted after an error', async () => {
    await opened();
    const controller = new AbortController();
    const follower = followed({ signal: controller.signal, timeout: 100 });
    await assert.rejects(follower.next(), APITimeoutError);
    controller.abort();
    await assert.rejects(follower.next(), { name: 'AbortError' });
  });

  it('leaves nothing at its signal, however it ends', async () => {
    await opened();
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
    client = new AutonomiClient({ baseUrl, pathStyle: 'guide' });
    made.push(client.close.bind(client));
    const follower = new EventStream(client).followMany([1, 2], { pollInterval: QUICK });
    await assert.rejects(follower.next(), NotFoundError);
    assert.deepEqual(ids(await all(follower)), [1]);
  });

  it('says that there is no server', async () => {
    client = new AutonomiClient({ baseUrl: await server.refuse(), timeout: 300 });
    made.push(client.close.bind(client));
    const follower = followed();
    // And says so again, rather than to seem at the end.
    for (let round = 0; round < 2; round++)
      await assert.rejects(follower.next(), { name: 'APIConnectionError' });
  });

  it('refuses at once what is no good', async () => {
    await opened();
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
    await opened({ logger: { debug: (line) => lines.push(line) } });
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
    await opened({ token: async () => `loki_${++asked}` });
    plane.add(1, 2);
    assert.deepEqual(await rest(followed()), [1, 2]);
    assert.equal(asked, plane.requests.length);
  });

  it('fails with what the token provider fails with, and goes on', async () => {
    let reason = new Error('the vault is sealed');
    await opened({
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
    await opened({
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

  for (const profile of ['guide', 'v9.22']) {
    it(`outlives the server, as ${profile}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
      const server = await startControlPlane(profile, '--data', join(folder, 'plane.db'));
      client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
      try {
        const run = await client.createRun((await client.listProjects())[0].id);
        const goOn = async () => {
          for (let round = 0; round < 3; round++) {
            await add(client, run, 5);
            await pause(100);
            await server.kill();
            await pause(100);
            await server.restart();
          }
          await add(client, run, 5);
          await add(client, run, 1, 'run_completed');
        };
        const going = goOn();
        const events = await all(new EventStream(client).follow(run.id, { pollInterval: QUICK }));
        await going;
        assert.equal(events.length, 21);
        assert.deepEqual(events, await client.getRunTimeline(run.id));
      } finally {
        client.close();
        await server.stop();
        rmSync(folder, { recursive: true });
      }
    });
  }

  for (const profile of ['guide', 'v5.51']) {
    it(`loses nothing over a bad line, as ${profile}`, async () => {
      const server = await startControlPlane(profile);
      const line = new Line();
      client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
      const baseUrl = await line.to(server.baseUrl, { seed: 7, rate: 0.2 });
      const over = new AutonomiClient({ baseUrl, token: TOKEN, timeout: 1000 });
      try {
        const run = await client.createRun((await client.listProjects())[0].id);
        const goOn = async () => {
          for (let round = 0; round < 20; round++) {
            await add(client, run, 2);
            await pause(50);
          }
          await add(client, run, 1, 'run_completed');
        };
        const going = goOn();
        const events = await all(new EventStream(over).follow(run.id, { pollInterval: QUICK }));
        await going;
        assert.deepEqual(events, await client.getRunTimeline(run.id));
        assert.equal(events.length, 41);
        assert.ok((await line.broken()) > 0);
      } finally {
        over.close();
        client.close();
        await line.stop();
        await server.stop();
      }
    });
  }
});
