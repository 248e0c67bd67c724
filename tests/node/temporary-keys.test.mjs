// Keys for a while whose making is interrupted: none stays, though nobody has its identifier.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  APIConnectionError,
  APITimeoutError,
  AutonomiClient,
  PermissionDeniedError,
  ServerError,
} from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { listening, until } from './support/plane.mjs';

clearEnvironment();

/** The key of somebody else, which has the same name. */
const OTHERS = { id: 'other', name: 'nightly', description: 'temporary [0123456789ab]' };

describe('a temporary key that is lost', () => {
  let server;
  let client;
  let keys;
  let asked;
  /** What becomes of the answer about a new key, given the response and a function that answers. */
  let fate;
  /** What the server waits for before it lists the keys. */
  let listing;
  const told = [];

  before(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      asked.push(`${request.method} ${request.url}`);
      const answer = (status, data) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(data === undefined ? undefined : JSON.stringify(data));
      };
      if (request.method === 'GET') {
        await listing;
        return answer(200, [...keys.values()]);
      }
      if (request.method === 'DELETE') {
        const existed = keys.delete(request.url.split('/').at(-1));
        return existed ? answer(204) : answer(404, { detail: 'no such key' });
      }
      const key = { id: `k${asked.length}`, ...JSON.parse(body) };
      return fate({
        response,
        answer,
        make: () => keys.set(key.id, key),
        created: () => answer(201, { ...key, token: 'loki_new' }),
      });
    });
    const logger = { debug() {}, info() {}, error() {}, warn: (message) => told.push(message) };
    client = new AutonomiClient({
      baseUrl: await listening(server),
      pathStyle: 'guide',
      maxRetries: 0,
      logger,
    });
  });

  beforeEach(() => {
    keys = new Map([[OTHERS.id, OTHERS]]);
    asked = [];
    told.length = 0;
    listing = undefined;
  });

  after(() => {
    client.close();
    server.close();
    server.closeAllConnections();
  });

  const lost = [
    ['the connection breaks', ({ make, response }) => [make(), response.destroy()], APIConnectionError],
    ['nothing comes in time', ({ make }) => make(), APITimeoutError],
    ['the server fails', ({ make, answer }) => [make(), answer(500, { detail: 'no' })], ServerError],
    [
      'it is made late',
      ({ make, response }) => [response.destroy(), setTimeout(make, 300)],
      APIConnectionError,
    ],
  ];
  for (const [why, what, Failure] of lost) {
    it(`is deleted when ${why}`, async () => {
      fate = what;
      await assert.rejects(client.temporaryApiKey('nightly', 'viewer', { timeout: 700 }), Failure);
      assert.deepEqual([...keys.values()], [OTHERS]);
      assert.match(asked.at(-1), /^DELETE \/api\/keys\/k\d+$/);
      assert.deepEqual(told, []);
    });
  }

  it('is deleted when its signal is aborted, which does not wait for that', async () => {
    fate = ({ make }) => make();
    let list;
    listing = new Promise((resolve) => {
      list = resolve;
    });
    const controller = new AbortController();
    const outcome = client.temporaryApiKey('nightly', 'viewer', { signal: controller.signal });
    await until(() => keys.size === 2);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(outcome, (error) => error === reason);
    assert.equal(keys.size, 2);
    list();
    await until(() => keys.size === 1);
    assert.deepEqual([...keys.values()], [OTHERS]);
  });

  it('is not looked for when it was refused, or never sent', async () => {
    fate = ({ answer }) => answer(403, { detail: 'not yours' });
    await assert.rejects(client.temporaryApiKey('nightly'), PermissionDeniedError);
    assert.deepEqual(asked, ['POST /api/keys']);
    const nobody = new AutonomiClient({ baseUrl: 'http://127.0.0.1:1', maxRetries: 0 });
    await assert.rejects(nobody.temporaryApiKey('nightly'), (error) => error.maybeExecuted === false);
    nobody.close();
    const signal = AbortSignal.abort(new Error('before'));
    await assert.rejects(client.temporaryApiKey('nightly', 'viewer', { signal }), /before/);
    assert.deepEqual(asked, ['POST /api/keys']);
  });

  it('is told of when it cannot be looked for', async () => {
    fate = ({ response }) => [response.destroy(), server.close(), server.closeAllConnections()];
    await assert.rejects(client.temporaryApiKey('nightly'), APIConnectionError);
    assert.equal(told.length, 1);
    assert.match(
      told[0],
      /^loki-mode-sdk: it is not known whether the temporary API key 'nightly' was made: /,
    );
  });
});

it('the description of a temporary key ends with a mark of its own', async () => {
  const marks = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    marks.push(JSON.parse(body).description);
    response.end(JSON.stringify({ id: 'k', name: 'n', token: 'loki_new' }));
  });
  const client = new AutonomiClient({ baseUrl: await listening(server), pathStyle: 'guide' });
  await client.temporaryApiKey('n');
  await client.temporaryApiKey('n', 'viewer', { description: 'for the report' });
  assert.match(marks[0], /^temporary \[[0-9a-f]{12}\]$/);
  assert.match(marks[1], /^for the report \[[0-9a-f]{12}\]$/);
  assert.notEqual(marks[0].slice(-14), marks[1].slice(-14));
  client.close();
  server.close();
});
