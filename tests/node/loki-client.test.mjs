// The client of the HTTP/SSE API.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { LokiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { listening, until } from './support/plane.mjs';
import { program } from './support/program.mjs';
import { frame, LiveServer } from './support/sse.mjs';

clearEnvironment();

/** The methods that the other client has under other names, with what they take. */
const OWN_NAMES = { health: [], ready: [], live: [], listSessions: [], getSession: ['session-1'] };

describe('a LokiClient of the local control plane', () => {
  let server;
  before(async () => {
    server = await startControlPlane('guide', '--session-speed', '100');
  });
  after(() => server.stop());

  it('does what the documentation of the API shows', async () => {
    const client = new LokiClient(server.baseUrl, { token: TOKEN });
    const told = [];
    const unsubscribe = client.subscribe((event) => told.push(event));
    await until(async () => (await client.getEventStats()).subscribers !== 0);
    const { sessionId } = await client.startSession({ provider: 'claude', prdPath: './docs/prd.md' });
    const status = await client.getSession(sessionId);
    assert.equal(status.session.sessionId ?? status.session.id, sessionId);
    await until(() => told.some(({ type }) => type === 'phase:started'));
    assert.ok(told.every((event) => event.type && event.data));
    await client.stopSession(sessionId).catch((error) => assert.equal(error.name, 'ConflictError'));
    unsubscribe();
    unsubscribe();
    const count = told.length;
    await client.listSessions();
    assert.equal(told.length, count);
    client.close();
    await assert.rejects(client.getStatus(), /closed/);
  });

  it('iterates, too', async () => {
    const client = new LokiClient(server.baseUrl, { token: TOKEN });
    const { sessionId } = await client.startSession({ provider: 'claude', prdPath: './docs/prd.md' });
    for await (const event of client.events({ sessionId, history: 1, types: ['session:started'] })) {
      assert.equal(event.sessionId, sessionId);
      break;
    }
    client.close();
  });

  it('names its own methods and itself in errors', async () => {
    const odd = createServer((_, response) => response.end('[]'));
    const client = new LokiClient(await listening(odd));
    for (const [name, args] of Object.entries(OWN_NAMES)) {
      await assert.rejects(client[name](...args, { timeuot: 1 }), ({ message }) =>
        message.startsWith(`${name} has no option timeuot; it has `),
      );
      const error = await client[name](...args).catch((error) => error);
      assert.match(error.message, /is not what the operation returns/);
    }
    await assert.rejects(client.getSession(), { message: 'sessionId is missing: getSession needs it' });
    client.close();
    odd.close();
    assert.throws(
      () => new LokiClient('http://x', { timeuot: 1 }),
      /^ConfigError: LokiClient has no option timeuot/,
    );
    assert.throws(() => new LokiClient('http://x', { baseUrl: 'http://y' }), {
      name: 'ConfigError',
      param: 'baseUrl',
      message: /first argument/,
    });
  });

  it('lets the process end once nobody is subscribed', async () => {
    const code = `
      const client = new sdk.LokiClient(process.argv[1], { token: process.argv[2] });
      const unsubscribe = client.subscribe((event) => {
        console.log(event.type);
        unsubscribe();
      }, { history: 1 });`;
    assert.match(await program(code, server.baseUrl, TOKEN), /^[a-z]+:[a-z]+$/);
  });

  it('lets the process end once it is closed', async () => {
    const code = `
      const client = new sdk.LokiClient(process.argv[1], { token: process.argv[2] });
      client.subscribe((event) => {
        console.log(event.type);
        client.close();
      }, { history: 1 });`;
    assert.match(await program(code, server.baseUrl, TOKEN), /^[a-z]+:[a-z]+$/);
  });
});

describe('a subscription', () => {
  let server;
  let client;
  let warnings;
  afterEach(() => {
    client.close();
    server.stop();
  });
  const opened = async () => {
    warnings = [];
    server = await new LiveServer().start();
    server.greeting = frame(1);
    const logger = { debug() {}, warn: (line) => warnings.push(line) };
    client = new LokiClient(server.baseUrl, { logger });
  };
  const titles = (events) => events.map(({ data }) => data.title);

  it('delivers in order, one after the other', async () => {
    await opened();
    const told = [];
    let busy = 0;
    client.subscribe(async ({ data }) => {
      assert.equal(busy++, 0);
      await pause(5 - told.length);
      told.push(data.title);
      busy--;
    });
    await until(() => told.length === 1);
    server.send(2, 3, 4);
    await until(() => told.length === 4);
    assert.deepEqual(told, ['task 1', 'task 2', 'task 3', 'task 4']);
    assert.deepEqual(warnings, []);
  });

  it('delivers nothing once it was ended, not even what has come', async () => {
    await opened();
    const told = [];
    const unsubscribe = client.subscribe((event) => {
      told.push(event);
      if (told.length === 2) unsubscribe();
    });
    await until(() => told.length === 1);
    server.send(2, 3, 4);
    await until(() => server.open.size === 0);
    assert.deepEqual(titles(told), ['task 1', 'task 2']);
  });

  it('goes on when the callback fails', async () => {
    await opened();
    const told = [];
    const problems = [];
    const callback = (event) => {
      told.push(event);
      if (told.length === 1) throw new Error('thrown');
      return told.length === 2 ? Promise.reject(new Error('rejected')) : undefined;
    };
    const end = client.subscribe(callback, { onError: (error) => problems.push(error.message) });
    await until(() => told.length === 1);
    server.send(2, 3);
    await until(() => told.length === 3);
    assert.deepEqual(problems, ['thrown', 'rejected']);
    end();
    client.subscribe(() => {
      throw new Error('nobody asked for it');
    });
    await until(() => warnings.length > 0);
    assert.match(warnings[0], /^loki-mode-sdk: a subscription failed: Error: nobody asked for it/);
  });

  for (const [how, onError] of [
    [
      'at once',
      () => {
        throw new Error('second');
      },
    ],
    [
      'later',
      async () => {
        throw new Error('second');
      },
    ],
  ]) {
    it(`goes on when the one who is told of errors fails ${how}`, async () => {
      await opened();
      const problems = [];
      const warned = (warning) => problems.push(warning.message);
      process.on('warning', warned);
      const told = [];
      const callback = (event) => {
        told.push(event);
        throw new Error('first');
      };
      client.subscribe(callback, { onError });
      await until(() => told.length === 1);
      server.send(2);
      await until(() => told.length === 2 && problems.length === 2);
      process.off('warning', warned);
      assert.match(problems[0], /could not report its error: Error: second/);
    });
  }

  it('tells of a refusal, and goes on when there is none any more', async () => {
    await opened();
    server.refusal = 401;
    const told = [];
    const problems = [];
    client.subscribe((event) => told.push(event), { onError: (error) => problems.push(error.name) });
    await until(() => problems.length === 1);
    assert.deepEqual(told, []);
    server.refusal = undefined;
    await until(() => told.length === 1);
    assert.ok(problems.every((name) => name === 'AuthenticationError'));
    assert.ok(problems.length < 10, inspect(problems));
  });

  it('ends without a word when its signal is aborted, or the client is closed', async () => {
    await opened();
    const problems = [];
    const onError = (error) => problems.push(error);
    const controller = new AbortController();
    const told = [];
    client.subscribe((event) => told.push(event), { onError, signal: controller.signal });
    client.subscribe((event) => told.push(event), { onError });
    await until(() => told.length === 2);
    controller.abort();
    await until(() => server.open.size === 1);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    client.close();
    await until(() => server.open.size === 0);
    await pause(50);
    assert.deepEqual(problems, []);
    assert.deepEqual(warnings, []);
  });

  it('refuses at once what is no good', async () => {
    await opened();
    const callback = () => {};
    assert.throws(() => client.subscribe(), { name: 'TypeError', message: /callback must be a function/ });
    assert.throws(() => client.subscribe(callback, { onError: 1 }), {
      name: 'TypeError',
      message: /onError/,
    });
    assert.throws(() => client.subscribe(callback, { level: 1 }), {
      name: 'TypeError',
      message: /no option level/,
    });
    assert.throws(() => client.subscribe(callback, 'x'), {
      name: 'TypeError',
      message: /options of subscribe/,
    });
    assert.throws(() => client.subscribe(callback, { minLevel: 'loud' }), {
      name: 'ConfigError',
      param: 'minLevel',
    });
    assert.throws(() => new LokiClient(), { name: 'ConfigError', message: /baseUrl/ });
    assert.throws(() => new LokiClient({ baseUrl: 'http://localhost' }), {
      name: 'ConfigError',
      message: /baseUrl/,
    });
    assert.throws(() => new LokiClient('http://localhost', 'x'), { name: 'ConfigError' });
    assert.throws(() => new LokiClient('http://localhost', { limit: 1 }), {
      name: 'ConfigError',
      param: 'limit',
    });
    client.close();
    assert.throws(() => client.subscribe(callback), { message: 'the client is closed' });
    assert.equal(server.requests.length, 0);
  });

  it('is of a client that shows no token', async () => {
    await opened();
    const secret = new LokiClient(server.baseUrl, { token: 'loki_canary' });
    assert.equal(secret.baseUrl, server.baseUrl);
    const shown = inspect(secret, { depth: 9 });
    assert.equal(shown, `LokiClient { baseUrl: '${server.baseUrl}', token: '[redacted]' }`);
    await secret[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
    await assert.rejects(secret.getStatus(), /closed/);
  });
});
