// The soak of the Node package: `node tests/soak/soak.mjs writes|memory|crowd|follow` from the top of the checkout.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AutonomiClient, EventStream } from 'loki-mode-sdk';
import { inParallel, KINDS, Line, writeOver } from '../node/support/bad-line.mjs';
import { clearEnvironment } from '../node/support/binaries.mjs';
import { startControlPlane, TOKEN } from '../node/support/control-plane.mjs';
import { FaultServer } from '../node/support/fault-server.mjs';

if (process.argv[2] !== 'follow') clearEnvironment();

/** Writes under 1,000 random faults: none is doubled, none is lost without a word. */
async function writes() {
  let broken = 0;
  const totals = Object.fromEntries(KINDS.map((kind) => [kind, [0, 0, 0, 0]]));
  while (broken < 1000) {
    const plane = await startControlPlane('guide');
    const line = new Line();
    const url = await line.to(plane.baseUrl, { seed: 2000 + broken, rate: 0.4 });
    const tallies = await writeOver(url, plane.baseUrl, { each: 100, width: 16 });
    broken += await line.broken();
    await line.stop();
    await plane.stop();
    for (const kind of KINDS) {
      const { executed, acknowledged, maybeExecuted, notExecuted, wrong } = tallies[kind];
      assert.deepEqual(wrong, [], kind);
      const counts = [executed, acknowledged, maybeExecuted, notExecuted];
      totals[kind] = totals[kind].map((total, index) => total + counts[index]);
    }
  }
  console.log(`${broken} faults`);
  for (const [kind, [executed, acknowledged, maybe, refused]] of Object.entries(totals)) {
    console.log(
      `  ${kind}: ${executed} executed = ${acknowledged} acknowledged + ${executed - acknowledged} of ${maybe} ` +
        `reported as maybe executed; ${refused} reported as not executed`,
    );
  }
}

const descriptors = () => readdirSync('/proc/self/fd').length;
const threads = () => readdirSync('/proc/self/task').length;

function resident() {
  for (let round = 0; round < 3; round++) globalThis.gc();
  return process.memoryUsage.rss();
}

/** 100,000 calls and 1,000 clients opened and closed: memory flat, connections and threads back to idle. */
async function memory() {
  const [calls, clients, warmUp, growth] = [100_000, 1_000, 20_000, 8 << 20];
  const server = new FaultServer();
  const reply = { json: { id: 1, name: 'x', status: 'active' }, repeat: calls + warmUp + clients };
  const baseUrl = await server.serve([reply]);
  const idle = [descriptors(), threads()];
  const call = async (count) => {
    const client = new AutonomiClient({ baseUrl });
    await inParallel(16, Array(count).keys(), () => client.getProject(1));
    client.close();
  };
  await call(warmUp);
  const before = resident();
  const start = performance.now();
  await call(calls);
  const rate = (calls / (performance.now() - start)) * 1000;
  for (let round = 0; round < clients; round++) {
    const client = new AutonomiClient({ baseUrl });
    await client.getProject(1);
    client.close();
  }
  const after = resident();
  assert.ok(after - before < growth, `grew from ${before} to ${after} bytes`);
  // Idle threads end after 10 s.
  const end = performance.now() + 20_000;
  const isIdle = () => descriptors() <= idle[0] && threads() <= idle[1];
  while (!isIdle() && performance.now() < end) await sleep(100);
  assert.ok(isIdle(), `${descriptors()} files and ${threads()} threads, not ${idle}`);
  await server.stop();
  const [was, is] = [before, after].map((bytes) => (bytes / 1e6).toFixed(1));
  console.log(
    `${calls} calls (${rate.toFixed(0)}/s) and ${clients} clients: ${was} MB before, ${is} MB after; ` +
      `${idle[0]} files and ${idle[1]} threads before and after`,
  );
}

/** 10,000 calls, 64 at a time: no error, no crossed answers. */
async function crowd() {
  const plane = await startControlPlane('guide');
  const client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
  const ids = [];
  for (let n = 0; n < 100; n++) ids.push((await client.createProject(`own ${n}`)).id);
  const asked = Array.from({ length: 10_000 }, (_, n) => ids[n % ids.length]);
  const start = performance.now();
  await inParallel(64, asked, async (id) => assert.equal((await client.getProject(id)).id, id));
  const took = ((performance.now() - start) / 1000).toFixed(1);
  client.close();
  await plane.stop();
  console.log(`10000 calls, 64 at a time, in ${took} s: each got its own answer`);
}

/** Follows the runs of `tests/soak/follow.py` with one stream, and tells what it was given. */
async function follow() {
  const runs = JSON.parse(process.env.RUNS);
  const given = Object.fromEntries(runs.map((run) => [run, []]));
  const client = new AutonomiClient({
    baseUrl: process.env.LOKI_BASE_URL,
    token: process.env.LOKI_API_TOKEN,
    timeout: 5000,
  });
  let cursor;
  let over = false;
  while (!over) {
    // Every now and then the program "is restarted", and goes on with its cursor.
    let patience = 500;
    const events = new EventStream(client).followMany(runs, { cursor, pollInterval: 500 });
    for await (const event of events) {
      given[event.run_id].push(event.id);
      patience -= 1;
      if (patience === 0) break;
    }
    cursor = events.cursor;
    over = patience > 0;
  }
  client.close();
  console.log(JSON.stringify(given));
}

await { writes, memory, crowd, follow }[process.argv[2]]();
