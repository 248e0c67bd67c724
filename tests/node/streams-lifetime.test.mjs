// What streams do to the process that they live in: event loop, threads, workers, memory.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { clearEnvironment } from './support/binaries.mjs';
import { Plane, until } from './support/plane.mjs';
import { program } from './support/program.mjs';
import { frame, LiveServer } from './support/sse.mjs';

clearEnvironment();

const FOLLOW = `
  const client = new sdk.AutonomiClient({ baseUrl: process.argv[1], pathStyle: 'guide' });
  const events = new sdk.EventStream(client);
`;

describe('the life of a process with streams', () => {
  let plane;
  let live;
  before(async () => {
    plane = await new Plane().start();
    plane.add(1, 2, 3);
    live = await new LiveServer().start();
    live.greeting = frame(1);
  });
  after(async () => {
    await plane.stop();
    live.stop();
  });

  it('ends by itself while streams are idle, used or not', async () => {
    const code = `${FOLLOW}
      events.follow(7);
      const used = events.follow(7);
      console.log((await used.next()).value.id);
      const live = new sdk.AutonomiClient({ baseUrl: process.argv[2] }).events();
      console.log((await live.next()).value.type);`;
    assert.equal(await program(code, plane.baseUrl, live.baseUrl), '1\ntask:completed');
  });

  it('stays while an event is waited for, although nothing else is', async () => {
    const late = await new Plane().start();
    const code = `${FOLLOW}
      events.follow(7, { pollInterval: 20 }).next().then(({ value }) => console.log(value.id));`;
    const told = program(code, late.baseUrl);
    await until(() => late.requests.length > 5);
    late.add(5);
    assert.equal(await told, '5');
    await late.stop();
  });

  it('ends at process.exit while events are waited for', async () => {
    const code = `${FOLLOW}
      const live = new sdk.AutonomiClient({ baseUrl: process.argv[2] });
      for (let n = 0; n < 8; n++) {
        (async () => { for await (const _ of events.follow(n, { pollInterval: n % 2 ? 1 : 60000 })); })();
        (async () => { for await (const _ of live.events()); })();
      }
      setTimeout(() => { console.log('leaving'); process.exit(0); }, 200);`;
    for (let round = 0; round < 3; round++) {
      assert.equal(await program(code, plane.baseUrl, live.baseUrl), 'leaving');
    }
  });

  it('ends workers at any time, whatever their streams do', async () => {
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { AutonomiClient, EventStream } = require('loki-mode-sdk');
      const [plane, live] = workerData.map((baseUrl) => new AutonomiClient({ baseUrl, pathStyle: 'guide' }));
      const loop = async (stream) => { for await (const _ of stream); };
      for (const pollInterval of [1, 60000]) loop(new EventStream(plane).follow(7, { pollInterval }));
      loop(live.events());
      new EventStream(plane).follow(7);
      const idle = live.events();
      idle.next().then(() => parentPort.postMessage('open'));`;
    const workerData = [plane.baseUrl, live.baseUrl];
    for (let round = 0; round < 10; round++) {
      const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true, workerData }));
      await Promise.all(
        workers.map(async (worker) => {
          await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
          assert.equal(await worker.terminate(), 1);
        }),
      );
    }
    await until(() => live.open.size === 0);
  });

  it('ends workers whose streams wait for a token', async () => {
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { AutonomiClient, EventStream } = require('loki-mode-sdk');
      const token = () => { parentPort.postMessage('asked'); return new Promise(() => {}); };
      const client = new AutonomiClient({ baseUrl: workerData, token });
      new EventStream(client).follow(7).next();`;
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(code, { eval: true, workerData: plane.baseUrl });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  it('has one listener on a signal that many streams and calls share, and no warning of it', async () => {
    const code = `
      import { getEventListeners } from 'node:events';
      process.on('warning', (warning) => console.log(warning.name));
      const client = new sdk.AutonomiClient({ baseUrl: process.argv[1], pathStyle: 'guide' });
      const controller = new AbortController();
      const { signal } = controller;
      const listeners = () => getEventListeners(signal, 'abort').length;
      const events = new sdk.EventStream(client);
      const streams = Array.from({ length: 30 }, () => events.follow(7, { signal, until: [] }));
      const calls = Array.from({ length: 30 }, () => client.getStatus({ signal }));
      const told = [listeners()];
      await Promise.all([...calls, ...streams.map((stream) => stream.next())]);
      for (const stream of streams.splice(0, 10)) stream.close();
      told.push(listeners());
      controller.abort(new Error('enough'));
      const ends = await Promise.allSettled(streams.map((stream) => stream.next()));
      told.push(ends.filter(({ reason }) => reason === signal.reason).length, listeners());
      console.log(told.join());`;
    assert.equal(await program(code, plane.baseUrl), '1,1,20,0');
  });

  it('has calls answered while 300 streams wait', async () => {
    const code = `${FOLLOW}
      const streams = Array.from({ length: 300 }, (_, n) => events.follow(n, { pollInterval: 60000 }));
      for (const stream of streams) for (let n = 0; n < 3; n++) await stream.next();
      const pending = Promise.all(streams.map((stream) => stream.next()));
      const runs = await Promise.all(streams.map((_, n) => client.getRun(n)));
      console.log(runs.length);
      client.close();
      await pending.catch((error) => console.log(error.message));`;
    assert.equal(await program(code, plane.baseUrl), '300\nthe client is closed');
  });

  it('needs no thread for each of 100 runs', { skip: !existsSync('/proc/self/task') }, async () => {
    const code = `${FOLLOW}
      import { readdirSync } from 'node:fs';
      const threads = () => readdirSync('/proc/self/task').length;
      for await (const _ of events.follow(7)) break;
      const before = threads();
      const seen = new Map();
      let count = 0;
      const runIds = Array.from({ length: 100 }, (_, n) => n + 1);
      for await (const event of events.followMany(runIds, { pollInterval: 20 })) {
        seen.set(event.run_id, [...(seen.get(event.run_id) ?? []), event.id]);
        if (++count === 300) break;
      }
      for (const ids of seen.values()) if (ids.join() !== '1,2,3') console.log('wrong', ids);
      console.log(seen.size, threads() - before);`;
    const [runs, more] = (await program(code, plane.baseUrl)).split(' ').map(Number);
    assert.equal(runs, 100);
    // One at a time; another takes over where the last has not sat down yet.
    assert.ok(more < 10, `${more} more threads`);
  });

  it('keeps nothing of polls and events that are over', async () => {
    const moving = await new Plane().start();
    moving.add(...Array.from({ length: 100 }, (_, n) => n));
    // Events that come and go: the server remembers the last hundred.
    const timer = setInterval(() => {
      moving.events.shift();
      moving.add(moving.events.at(-1).id + 1);
    }, 1);
    const code = `${FOLLOW}
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      const { signal } = new AbortController();
      const follower = events.follow(7, { pollInterval: 1, until: [], signal });
      async function take(count) {
        let last = -1;
        while (count-- > 0) {
          const { value } = await follower.next();
          if (value.id <= last) throw new Error('twice: ' + value.id);
          last = value.id;
        }
        gc();
        await new Promise((resolve) => setImmediate(resolve));
        gc();
        const { heapUsed, rss } = process.memoryUsage();
        return { heapUsed, rss, cursor: follower.cursor.length };
      }
      const first = await take(600);
      const last = await take(2000);
      const grown = Object.keys(first).map((name) => last[name] - first[name]);
      console.log(JSON.stringify(grown));
      follower.close();`;
    const [heap, rss, cursor] = JSON.parse(await program(code, moving.baseUrl));
    clearInterval(timer);
    await moving.stop();
    assert.ok(heap < 300_000, `${heap} bytes more on the heap`);
    assert.ok(rss < 8_000_000, `${rss} bytes more in all`);
    assert.ok(cursor < 100, `${cursor} characters more in the cursor`);
  });

  it('keeps nothing of streams that are over', async () => {
    const code = `${FOLLOW}
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      const { signal } = new AbortController();
      async function streams(count) {
        while (count-- > 0) {
          const follower = events.follow(7, { signal });
          await follower.next();
          // Every other one is only left alone.
          if (count % 2) follower.close();
        }
        gc();
        await new Promise((resolve) => setTimeout(resolve, 50));
        gc();
        return process.memoryUsage().heapUsed;
      }
      const first = await streams(200);
      const last = await streams(1000);
      console.log(last - first);`;
    const grown = Number(await program(code, plane.baseUrl));
    assert.ok(grown < 1000 * 200, `${grown} bytes more on the heap`);
  });
});
