// Calls share the thread of the event loop; where there is none to share, or if they are told to, they have threads.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { listening } from './support/plane.mjs';

clearEnvironment();
const run = promisify(execFile);
const here = new URL('.', import.meta.url);
const isShared = process.platform === 'linux' && process.env.LOKI_SDK_THREADS !== '1';

/** How many native threads there are for 64 calls in flight, in a process of its own. */
async function threadsOfCalls(baseUrl, environment) {
  const code = `
    import { readdirSync, readFileSync } from 'node:fs';
    import { AutonomiClient } from 'loki-mode-sdk';
    const client = new AutonomiClient({ baseUrl: process.argv[1], pathStyle: 'guide' });
    const calls = Array.from({ length: 64 }, () => client.getStatus());
    await calls[0];
    const names = readdirSync('/proc/self/task').map((id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8'));
    console.log(names.filter((name) => name.startsWith('loki-mode')).length);
    await Promise.all(calls);
    client.close();`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code, '--', baseUrl], {
    cwd: here,
    timeout: 60_000,
    env: { ...process.env, ...environment },
  });
  return Number(stdout);
}

describe('the event loop', () => {
  let patient;
  let patientUrl;

  before(async () => {
    // Answers when 64 calls are there.
    let waiting = [];
    patient = createServer((_, response) => {
      waiting.push(response);
      if (waiting.length < 64) return;
      for (const each of waiting) {
        each.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"running"}');
      }
      waiting = [];
    });
    patientUrl = await listening(patient);
  });
  after(() => {
    patient.closeAllConnections();
    patient.close();
  });

  it('has the calls on its own thread', { skip: !isShared }, async () => {
    assert.equal(await threadsOfCalls(patientUrl, {}), 0);
  });

  it('leaves them to threads with LOKI_SDK_THREADS=1', { skip: process.platform !== 'linux' }, async () => {
    assert.equal(await threadsOfCalls(patientUrl, { LOKI_SDK_THREADS: '1' }), 64);
  });

  it('has its turns while a large answer comes', async () => {
    const code = `
      import { createServer } from 'node:http';
      const entry = JSON.stringify({ timestamp: '2026-01-01T00:00:00Z', action: 'x'.repeat(1000) });
      const body = Buffer.from('[' + Array(32_000).fill(entry).join() + ']');
      const server = createServer((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
      });
      server.listen(0, '127.0.0.1', () => console.log('http://127.0.0.1:' + server.address().port));`;
    const child = execFile(process.execPath, ['--input-type=module', '-e', code]);
    try {
      const baseUrl = await new Promise((resolve) =>
        child.stdout.once('data', (text) => resolve(text.trim())),
      );
      const client = new AutonomiClient({ baseUrl });
      let turns = 0;
      const counting = setInterval(() => turns++, 0);
      const entries = await client.queryAudit({ limit: 40_000 });
      clearInterval(counting);
      assert.equal(entries.length, 32_000);
      // 32 MB: without a limit on what is read in one turn there would be two or three.
      assert.ok(turns > 8, `${turns} turns`);
      client.close();
    } finally {
      child.kill();
    }
  });

  it('asks for tokens in the async context of the caller, retries and streams included', async () => {
    let count = 0;
    const busyAtFirst = createServer((request, response) => {
      count += 1;
      response.statusCode = count % 2 === 1 ? 503 : 200;
      response.end(request.url.includes('/runs/') ? '{"id":7,"project_id":1,"status":"completed"}' : '[]');
    });
    const context = new AsyncLocalStorage();
    const asked = [];
    const token = async () => {
      asked.push(context.getStore());
      return 'loki_x';
    };
    const client = new AutonomiClient({ baseUrl: await listening(busyAtFirst), pathStyle: 'guide', token });
    await context.run('call', () => client.listProjects());
    await context.run('wait', () => client.waitForRun(7, { pollInterval: 10 }));
    await context.run('pages', () => client.iterRuns(7).next());
    assert.deepEqual(asked, ['call', 'call', 'wait', 'wait', 'pages', 'pages']);
    client.close();
    busyAtFirst.close();
  });

  it('keeps the async context of the caller', async () => {
    const context = new AsyncLocalStorage();
    const client = new AutonomiClient({ baseUrl: patientUrl, pathStyle: 'guide' });
    const seen = await Promise.all(
      Array.from({ length: 64 }, (_, id) =>
        context.run(id, async () => {
          await client.getStatus();
          return context.getStore();
        }),
      ),
    );
    assert.deepEqual(
      seen,
      Array.from({ length: 64 }, (_, id) => id),
    );
    client.close();
  });
});
