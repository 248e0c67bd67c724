// Answers with their status, their headers and how they came about.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { listening } from './support/plane.mjs';
import { client, PROJECT, server } from './support/served.mjs';

clearEnvironment();

describe('raw', () => {
  it('gives status, headers and attempts beside the data', async () => {
    const headers = { 'x-many': '1', 'x-bytes': 'grün' };
    const busy = { status: 503, headers: { 'retry-after': '0' }, json: {} };
    const baseUrl = await server.serve([busy, { status: 202, json: { status: 'up' }, headers }]);
    const answer = await client(baseUrl).raw.getStatus();
    assert.deepEqual(answer.data, { status: 'up' });
    assert.equal(answer.status, 202);
    assert.equal(answer.attempts, 2);
    assert.equal(answer.headers.get('X-Many'), '1');
    assert.equal(answer.headers.get('x-bytes'), Buffer.from('grün').toString('latin1'));
    assert.equal(answer.headers.get('content-type'), 'application/json');
  });

  it('gives a header whose bytes are no UTF-8 as fetch does', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nX-Bytes: gr\xfcn\r\nContent-Length: 2\r\n\r\n{}';
    const raw = createServer((socket) => socket.once('data', () => socket.end(answer, 'latin1')));
    const baseUrl = await listening(raw);
    const sdk = client(baseUrl);
    const [{ headers }, fetched] = await Promise.all([sdk.raw.getStatus(), fetch(`${baseUrl}/api/status`)]);
    assert.deepEqual([headers.get('x-bytes'), fetched.headers.get('x-bytes')], ['grün', 'grün']);
    raw.close();
  });

  it('has every method, with the same arguments', async () => {
    const sdk = client(await server.serve([]));
    const own = Object.getOwnPropertyNames(AutonomiClient.prototype);
    const others = ['constructor', 'raw', 'withOptions', 'setToken', 'baseUrl', 'close', 'events', 'watch'];
    others.push('waitForRun', 'rotateAndStore', 'temporaryApiKey');
    const calls = own.filter((name) => !others.includes(name) && !name.startsWith('iter'));
    assert.deepEqual(Object.keys(sdk.raw).sort(), calls.sort());
    assert.equal(sdk.raw, sdk.raw);

    const examples = [
      ['createProject', ['name', 'why', { tenantId: 7 }], PROJECT],
      ['listRuns', [1, 'running', { limit: 5, offset: 6 }], []],
      ['queryAudit', [{ start_date: '2026-02-01', limit: 5 }, { headers: { 'x-a': 'b' } }], []],
      ['deleteApiKey', ['ci'], null],
    ];
    for (const [method, args, json] of examples) {
      const caller = client(await server.serve([{ json, repeat: 2 }]));
      const data = await caller[method](...args);
      assert.deepEqual((await caller.raw[method](...args)).data, data, method);
      const [first, second] = (await server.recorded()).requests;
      const same = { connection: 0, pause_ms: 0 };
      assert.deepEqual({ ...second, ...same }, { ...first, ...same }, method);
    }
  });

  it('checks arguments and fails as the method does', async () => {
    const sdk = client(await server.serve([{ status: 404, json: { detail: 'no' } }]));
    await assert.rejects(sdk.raw.getProject(), { name: 'TypeError', message: /projectId is missing/ });
    await assert.rejects(sdk.raw.listRuns(1, 'a', { limti: 1 }), /listRuns has no option limti/);
    await assert.rejects(sdk.raw.getProject(7), { name: 'NotFoundError' });
  });

  it('masks the secrets of a new key in print', async () => {
    const key = { id: 'a', name: 'ci', scopes: [], created_at: 'now', token: 'loki_canary' };
    const sdk = client(await server.serve([{ status: 201, json: key }]));
    const answer = await sdk.raw.createApiKey('ci');
    assert.equal(answer.data.token, 'loki_canary');
    assert.ok(!inspect(answer, { depth: Number.POSITIVE_INFINITY }).includes('canary'));
  });
});
