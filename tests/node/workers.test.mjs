// 100 workers at once, ended at any moment, whatever they are doing: none takes the process with it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { clearEnvironment } from './support/binaries.mjs';
import { listening, until } from './support/plane.mjs';
import { frame } from './support/sse.mjs';

clearEnvironment();

/** What each worker does: calls that are kept waiting, refused and answered, streams that are open, a token to come. */
const WORKER = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { AutonomiClient, EventStream, LokiClient } = require('loki-mode-sdk');
  const client = new AutonomiClient({ baseUrl: workerData, pathStyle: 'guide' });
  const endless = async (stream) => { for await (const _ of stream); };
  const quietly = (promise) => promise.catch(() => {});
  for (let n = 0; n < 4; n++) quietly(client.getRun('held'));
  const { signal } = new AbortController();
  quietly(client.getRun('held', { signal, headers: { 'x-a': 'b' } }));
  quietly(endless(client.events()));
  quietly(endless(client.watch()));
  quietly(endless(new EventStream(client).follow(7, { pollInterval: 1 })));
  quietly(endless(new EventStream(client).follow(8, { pollInterval: 60000 })));
  quietly(client.waitForRun(7, { pollInterval: 1 }));
  quietly(endless(client.iterRuns()));
  const waits = new AutonomiClient({ baseUrl: workerData, token: () => new Promise(() => {}) });
  quietly(waits.getStatus());
  quietly(waits.watch().next());
  new LokiClient(workerData).subscribe(() => {});
  (async () => { for (;;) await client.getStatus(); })().catch(() => {});
  parentPort.postMessage('busy');`;

/** Starts them all and ends each at a moment of its own: while they load the native module, or once all are at work. */
const MAIN = `
  const { Worker } = require('node:worker_threads');
  const [baseUrl, when] = process.argv.slice(1);
  const COUNT = 100;
  let busy = 0;
  let allAreBusy;
  const atWork = new Promise((resolve) => { allAreBusy = resolve; });
  const one = async () => {
    const worker = new Worker(process.env.WORKER, { eval: true, workerData: baseUrl });
    const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    worker.on('message', () => { if (++busy === COUNT) allAreBusy(); });
    if (when === 'at work') await atWork;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    await worker.terminate();
    // 0 is the code of one that had not begun yet.
    const code = await ended;
    if (code !== 0 && code !== 1) throw new Error('a worker ended with ' + code);
  };
  Promise.all(Array.from({ length: COUNT }, one)).then(() => console.log('alive'));`;

describe('a process with 100 workers', () => {
  let server;
  let baseUrl;
  const open = new Set();
  before(async () => {
    server = createServer((request, response) => {
      open.add(response);
      response.once('close', () => open.delete(response));
      const path = request.url.split('?')[0];
      if (path === '/api/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frame(1));
      } else if (path !== '/api/runs/held' && path !== '/ws') {
        const body =
          path.startsWith('/api/runs/') && !path.endsWith('timeline') ? { id: 7, status: 'running' } : [];
        response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
      }
    });
    baseUrl = await listening(server);
  });
  after(() => {
    server.close();
    server.closeAllConnections?.();
  });

  for (const when of ['beginning', 'at work']) {
    it(`outlives them if they are ended while they are ${when}`, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', MAIN, baseUrl, when], {
        cwd: new URL('.', import.meta.url),
        env: { ...process.env, WORKER },
        timeout: 120_000,
      });
      assert.equal(stdout, 'alive\n');
      await until(() => open.size === 0);
    });
  }
});
