// What a client does to the process that it lives in: event loop, threads, workers.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();
const run = promisify(execFile);
const here = new URL('.', import.meta.url);

/** Runs a program in a process of its own, which must end by itself; gives what it prints. */
async function program(code, ...args) {
  const { stdout } = await run(
    process.execPath,
    ['--input-type=module', '-e', `import * as sdk from 'loki-mode-sdk';\n${code}`, '--', ...args],
    { cwd: here, timeout: 60_000 },
  );
  return stdout.trim();
}

describe('the life of a process', () => {
  let server;
  const clients = [];
  const client = (baseUrl, options = {}) => {
    const made = new AutonomiClient({ baseUrl, maxRetries: 0, ...options });
    clients.push(made);
    return made;
  };

  before(() => {
    server = new FaultServer();
  });
  afterEach(() => {
    for (const made of clients.splice(0)) made.close();
  });
  after(() => server.stop());

  it('ends by itself while a client is idle, used or not', async () => {
    const baseUrl = await server.serve([{ json: { status: 'running' } }]);
    const code = `
      new sdk.AutonomiClient({ baseUrl: 'http://127.0.0.1:1' });
      const client = new sdk.AutonomiClient({ baseUrl: process.argv[1] });
      console.log((await client.getStatus()).status);`;
    assert.equal(await program(code, baseUrl), 'running');
  });

  it('stays while a call is pending, although nothing else is', async () => {
    const baseUrl = await server.serve([{ json: { status: 'late' }, faults: { delay_ms: 300 } }]);
    const code = `
      const client = new sdk.AutonomiClient({ baseUrl: process.argv[1] });
      client.getStatus().then((status) => console.log(status.status));`;
    assert.equal(await program(code, baseUrl), 'late');
  });

  it('ends at process.exit with calls pending', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 8, faults: { hold: true } }]);
    const code = `
      const client = new sdk.AutonomiClient({ baseUrl: process.argv[1] });
      for (let i = 0; i < 8; i++) client.getStatus().catch(() => {});
      setTimeout(() => { console.log('leaving'); process.exit(0); }, 100);`;
    assert.equal(await program(code, baseUrl), 'leaving');
  });

  it('ends at process.exit while calls wait for a token', async () => {
    const code = `
      const token = () => new Promise(() => {});
      const client = new sdk.AutonomiClient({ baseUrl: 'http://127.0.0.1:1', token });
      for (let i = 0; i < 8; i++) client.getStatus().catch(() => {});
      setTimeout(() => { console.log('leaving'); process.exit(0); }, 100);`;
    assert.equal(await program(code), 'leaving');
  });

  it('keeps nothing of the calls that are over', async () => {
    const baseUrl = await server.serve([{ json: { status: 'up' }, repeat: 6000 }]);
    const code = `
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      setFlagsFromString('--expose-gc');
      const gc = runInNewContext('gc');
      const client = new sdk.AutonomiClient({ baseUrl: process.argv[1], token: async () => 'loki_x', logger: { debug() {} } });
      const { signal } = new AbortController();
      async function calls(count) {
        const one = async () => { while (count-- > 0) await client.raw.getStatus({ signal, headers: { 'x-a': 'b' } }); };
        await Promise.all(Array.from({ length: 10 }, one));
        gc();
        return { heap: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo().filter((kind) => kind !== 'Immediate').sort() };
      }
      const first = await calls(1000);
      const last = await calls(4900);
      console.log(JSON.stringify({ grown: last.heap - first.heap, before: first.resources, after: last.resources }));`;
    const { grown, before, after } = JSON.parse(await program(code, baseUrl));
    assert.deepEqual(after, before);
    // Anything that is kept of each call would be more: 4,900 of them.
    assert.ok(grown < 4900 * 50, `${grown} bytes more on the heap`);
  });

  it('does not keep files and timers waiting while 64 calls are stuck', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 64, faults: { hold: true } }]);
    const stuck = client(baseUrl);
    const calls = Array.from({ length: 64 }, () => stuck.getStatus());
    const outcomes = Promise.allSettled(calls);
    await server.arrived(64);
    let settled = 0;
    for (const call of calls) call.catch(() => settled++);
    assert.match(await readFile(new URL('lifetime.test.mjs', here), 'utf8'), /64 calls are stuck/);
    assert.equal(settled, 0, 'the calls were still stuck');
    stuck.close();
    for (const { status } of await outcomes) assert.equal(status, 'rejected');
  });

  it('close ends pending calls and refuses later ones', async () => {
    const baseUrl = await server.serve([{ json: {}, faults: { hold: true } }]);
    const closed = client(baseUrl);
    const call = closed.getStatus();
    const outcome = assert.rejects(call, { name: 'AutonomiError', message: /closed/ });
    await server.arrived(1);
    closed.close();
    closed.close();
    await outcome;
    await assert.rejects(closed.getStatus(), /closed/);
  });

  it('workers can be ended at any time, calls pending or not', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 1000, faults: { hold: true } }]);
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { AutonomiClient } = require('loki-mode-sdk');
      const client = new AutonomiClient({ baseUrl: workerData });
      for (let i = 0; i < 4; i++) client.getStatus().catch(() => {});
      parentPort.postMessage('calling');`;
    for (let round = 0; round < 25; round++) {
      const workers = Array.from({ length: 4 }, () => new Worker(code, { eval: true, workerData: baseUrl }));
      await Promise.all(
        workers.map(async (worker) => {
          await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
          assert.equal(await worker.terminate(), 1);
        }),
      );
    }
  });

  it('workers can be ended while their calls wait for a token', async () => {
    const code = `
      const { parentPort } = require('node:worker_threads');
      const { AutonomiClient } = require('loki-mode-sdk');
      const token = () => { parentPort.postMessage('asked'); return new Promise(() => {}); };
      const client = new AutonomiClient({ baseUrl: 'http://127.0.0.1:1', token });
      for (let i = 0; i < 4; i++) client.getStatus().catch(() => {});`;
    for (let round = 0; round < 20; round++) {
      const worker = new Worker(code, { eval: true });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      assert.equal(await worker.terminate(), 1);
    }
  });

  it('a worker ends by itself and gives its answers on its own thread', async () => {
    const baseUrl = await server.serve([{ json: { status: 'running' } }]);
    const code = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { AutonomiClient } = require('loki-mode-sdk');
      new AutonomiClient({ baseUrl: workerData }).getStatus().then((status) => parentPort.postMessage(status));`;
    const worker = new Worker(code, { eval: true, workerData: baseUrl });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    const status = await new Promise((resolve, reject) =>
      worker.once('message', resolve).once('error', reject),
    );
    assert.deepEqual(status, { status: 'running' });
    assert.equal(await ended, 0);
  });
});
