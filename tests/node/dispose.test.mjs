// How clients, streams and keys end: `await using`, `close`, twice, and what is called afterwards.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient, EventStream, LokiClient } from 'loki-mode-sdk';
import ts from 'typescript';
import { clearEnvironment } from './support/binaries.mjs';
import { event, listening, until } from './support/plane.mjs';
import { program } from './support/program.mjs';
import { frame } from './support/sse.mjs';

clearEnvironment();

const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose');
const DONE = { done: true, value: undefined };

const RUNS = Array.from({ length: 20 }, (_, id) => ({ id, status: 'running' }));

/** Answers what the tests below ask for; live events and the dashboard are left open. */
const ANSWERS = {
  'GET /api/status': { status: 'up' },
  'GET /api/runs': RUNS,
  'GET /api/runs/7': { id: 7, status: 'running' },
  'GET /api/runs/7/timeline': [event(1), event(2)],
  'POST /api/keys': { id: 'key-1', name: 'x', token: 'loki_of_the_key' },
  'DELETE /api/keys/key-1': {},
};

describe('the end of', () => {
  let server;
  let baseUrl;
  /** The answers that are still open. */
  const open = new Set();
  const requests = [];

  before(async () => {
    server = createServer((request, response) => {
      const target = `${request.method} ${request.url.split('?')[0]}`;
      requests.push(target);
      open.add(response);
      response.once('close', () => open.delete(response));
      if (target === 'GET /api/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frame(1) + frame(2));
      } else if (target !== 'GET /ws') {
        const found = ANSWERS[target];
        response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
        response.end(JSON.stringify(found ?? { detail: 'Not Found' }));
      }
    });
    baseUrl = await listening(server);
  });
  after(() => {
    server.close();
    server.closeAllConnections?.();
  });

  const newClient = () => new AutonomiClient({ baseUrl, pathStyle: 'guide' });
  /** Streams of every kind, and whether each gives something here. */
  const streamsOf = (client) => [
    [new EventStream(client).follow(7), true],
    [new EventStream(client).followMany([7]), true],
    [client.iterRuns(), true],
    [client.iterRuns(1, 'running', { pageSize: 5 }), true],
    [client.events(), true],
    [client.watch(), false],
  ];

  it('a block with `await using`, as TypeScript compiles it', async () => {
    const source = `
      const baseUrl = process.argv[1];
      const told = [];
      let outer, streams, waiting;
      try {
        await using client = new sdk.AutonomiClient({ baseUrl, pathStyle: 'guide' });
        await using loki = new sdk.LokiClient(baseUrl);
        await using follower = new sdk.EventStream(client).follow(7);
        await using live = loki.events();
        await using dashboard = client.watch();
        await using pager = client.iterRuns();
        await using key = await client.temporaryApiKey('x');
        outer = { client, loki, keyClient: key.client };
        streams = { follower, live, dashboard, pager };
        told.push((await follower.next()).value.id, (await live.next()).value.type, (await pager.next()).value.id);
        waiting = dashboard.next();
        throw new RangeError('out of the block');
      } catch (error) {
        told.push(error.message, (await waiting).done);
      }
      for (const stream of Object.values(streams)) told.push((await stream.next()).done);
      for (const client of Object.values(outer)) await client.getStatus().catch((error) => told.push(error.message));
      console.log(JSON.stringify(told));`;
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    const { outputText } = ts.transpileModule(source, { compilerOptions });
    assert.doesNotMatch(outputText, /await using/);
    requests.length = 0;
    assert.deepEqual(JSON.parse(await program(outputText, baseUrl)), [
      1,
      'task:completed',
      0,
      'out of the block',
      true,
      ...[true, true, true, true],
      ...['the client is closed', 'the client is closed', 'the client is closed'],
    ]);
    assert.ok(requests.includes('DELETE /api/keys/key-1'));
    await until(() => open.size === 0);
  });

  for (const how of ['close', 'return', 'asyncDispose']) {
    it(`streams by ${how}, also twice and while they are waited for`, async () => {
      const client = newClient();
      const end = {
        close: (stream) => stream.close(),
        return: (stream) => stream.return(),
        asyncDispose: (stream) => stream[asyncDispose](),
      }[how];
      for (const [stream, gives] of streamsOf(client)) {
        if (gives) assert.equal((await stream.next()).done, false);
        const pending = gives ? undefined : stream.next();
        await end(stream);
        await end(stream);
        if (pending) assert.deepEqual(await pending, DONE);
        assert.deepEqual([await stream.next(), await stream.next()], [DONE, DONE]);
        if ('cursor' in stream) assert.match(stream.cursor, /^[\x21-\x7e]+$/);
        // One that was never asked.
        const unused = client.iterRuns();
        await end(unused);
        assert.deepEqual(await unused.next(), DONE);
      }
      await until(() => open.size === 0);
      assert.deepEqual(await client.getStatus(), { status: 'up' });
      client.close();
    });
  }

  for (const how of ['close', 'asyncDispose']) {
    it(`clients by ${how}, also twice: what they have under way, and all that comes later`, async () => {
      for (const client of [newClient(), new LokiClient(baseUrl)]) {
        const derived = client.withOptions?.({ timeout: 5000 });
        const inner = client instanceof LokiClient ? client.events() : client.watch();
        const streams = client instanceof LokiClient ? [[inner, false]] : streamsOf(client);
        const outcomes = streams.map(async ([stream, gives]) => {
          if (gives) await stream.next();
          return stream;
        });
        await Promise.all(outcomes);
        for (let time = 0; time < 2; time++) {
          if (how === 'close') assert.equal(client.close(), undefined);
          else await client[asyncDispose]();
        }
        const closed = { name: 'AutonomiError', message: 'the client is closed' };
        for (const [stream] of streams) {
          await assert.rejects(stream.next(), closed);
          // Whoever ends such a stream does not hear of it again.
          stream.close();
          assert.deepEqual(await stream.next(), DONE);
        }
        await assert.rejects(client.getStatus(), closed);
        assert.throws(() => client.events(), closed);
        if (!derived) continue;
        assert.throws(() => client.withOptions({}), closed);
        await assert.rejects(new EventStream(client).pollEvents(7), closed);
        await assert.rejects(client.raw.getStatus(), closed);
        // It is closed by itself.
        assert.deepEqual(await derived.getStatus(), { status: 'up' });
        derived.close();
      }
      await until(() => open.size === 0);
    });
  }

  it('a temporary key: with the options that it was made with, or those of its end, and only once', async () => {
    const sent = [];
    const note = (request) => {
      if (/keys/.test(request.url)) sent.push([request.method, request.headers['x-team']]);
    };
    server.prependListener('request', note);
    const client = newClient();
    const controller = new AbortController();
    // Headers that can be gone through only once.
    const headers = () => new Map([['x-team', 'made']]).entries();
    const options = { headers: headers(), signal: controller.signal };
    const key = await client.temporaryApiKey('x', undefined, options);
    // Of no importance any more: a key must not be left over.
    controller.abort();
    await Promise.all([key.dispose(), key[asyncDispose]()]);
    await key[asyncDispose]();
    const other = await client.temporaryApiKey('x', 'viewer', { headers: headers() });
    await other.dispose({ headers: { 'x-team': 'ended' } });
    assert.deepEqual(sent, [
      ['POST', 'made'],
      ['DELETE', 'made'],
      ['POST', 'made'],
      ['DELETE', 'ended'],
    ]);
    server.off('request', note);
    client.close();
  });
});
