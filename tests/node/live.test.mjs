// Live events, and the messages of the dashboard.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { until } from './support/plane.mjs';
import { frame, LiveServer } from './support/sse.mjs';

clearEnvironment();
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');
const DONE = { done: true, value: undefined };

async function take(stream, count) {
  const events = [];
  while (events.length < count) {
    const { value, done } = await stream.next();
    assert.ok(!done, 'the stream has ended');
    events.push(value);
  }
  return events;
}

const numbers = (events) => events.map(({ id }) => Number(id?.split('_')[1]));

describe('live events of the local control plane', () => {
  let server;
  let client;
  let run;
  const streams = [];
  before(async () => {
    server = await startControlPlane('guide');
    client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
    run = await client.createRun((await client.listProjects())[0].id);
  });
  after(async () => {
    client.close();
    await server.stop();
  });
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.close();
  });
  const live = (options) => {
    const stream = client.events({ history: 1, ...options });
    streams.push(stream);
    return stream;
  };
  const say = (type, details) => client.createRunEvent(run.id, type, undefined, details);

  it('come as they happen', async () => {
    await say('task:created', { taskId: 't-1', title: 'begin' });
    const stream = live();
    const [first] = await take(stream, 1);
    assert.equal(first.type, 'task:created');
    assert.deepEqual(first.data, { taskId: 't-1', title: 'begin' });
    assert.equal(first.sessionId, `session-${run.id}`);
    const pending = take(stream, 20);
    for (let n = 0; n < 20; n++) await say('task:completed', { title: `task ${n}` });
    const events = await pending;
    assert.deepEqual(
      events.map(({ data }) => data.title),
      Array.from({ length: 20 }, (_, n) => `task ${n}`),
    );
    const { events: history } = await client.getEventHistory(undefined, undefined, 20);
    assert.deepEqual(events, history);
  });

  it('are those that were asked for', async () => {
    await say('task:failed', { title: 'a' });
    await say('log:error', { message: 'b' });
    await say('log:info', { message: 'c' });
    await say('agent:output', { output: 'd' });
    const read = ({ count, ...options }) => {
      const stream = live({ history: 1000, ...options });
      return take(stream, count).then((events) => events.map(({ type }) => type));
    };
    assert.deepEqual(await read({ types: ['task:failed', 'agent:output'], count: 2 }), [
      'task:failed',
      'agent:output',
    ]);
    assert.deepEqual(await read({ types: new Set(['task.failed']), count: 1 }), ['task:failed']);
    assert.deepEqual(await read({ types: ['log:info', 'log:error'], minLevel: 'warn', count: 1 }), [
      'log:error',
    ]);
    const session = await read({ sessionId: `session-${run.id}`, types: ['log:info'], count: 1 });
    assert.deepEqual(session, ['log:info']);
  });

  it('outlive the server, and tell of the gap', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
    const server = await startControlPlane('guide', '--data', join(folder, 'plane.db'));
    const client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
    try {
      const run = await client.createRun((await client.listProjects())[0].id);
      const say = (title) => client.createRunEvent(run.id, 'task:completed', undefined, { title });
      const stream = client.events({ types: ['task:completed'], history: 1 });
      await say('before');
      assert.equal((await take(stream, 1))[0].data.title, 'before');
      const pending = take(stream, 2);
      await server.kill();
      await server.restart();
      await say('after');
      const [gap, event] = await pending;
      assert.equal(gap.type, 'gap');
      assert.equal(gap.id, null);
      assert.equal(gap.data.reason, 'server_restarted');
      assert.equal(event.data.title, 'after');
      stream.close();
    } finally {
      client.close();
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });

  for (const profile of ['v5.51', 'v9.22']) {
    it(`are not there on a dashboard, as ${profile}`, async () => {
      const dashboard = await startControlPlane(profile);
      const client = new AutonomiClient({ baseUrl: dashboard.baseUrl, token: TOKEN });
      await assert.rejects(client.events().next(), { name: 'NotAvailableError', message: /follow runs/ });
      client.close();
      await dashboard.stop();
    });
  }
});

describe('a stream of live events', () => {
  let server;
  let client;
  const lines = [];
  afterEach(() => {
    client.close();
    server.stop();
    lines.length = 0;
  });
  const opened = async (options = {}) => {
    server = await new LiveServer().start();
    server.greeting = frame(1);
    const logger = { debug: (line) => lines.push(line) };
    client = new AutonomiClient({ baseUrl: server.baseUrl, logger, ...options });
  };

  it('connects again where it was, and gives nothing twice', async () => {
    await opened({ token: 'loki_x' });
    const stream = client.events();
    assert.deepEqual(numbers(await take(stream, 1)), [1]);
    server.send(2, 3);
    assert.deepEqual(numbers(await take(stream, 2)), [2, 3]);
    server.greeting = `${frame(2)}${frame(3)}${frame(4)}: replayed 3 historical events\n\n`;
    const pending = take(stream, 1);
    server.drop();
    assert.deepEqual(numbers(await pending), [4]);
    const [first, second] = server.requests;
    assert.equal(first.url, '/api/events');
    assert.equal(second.headers['last-event-id'], 'evt_3_1795301856149');
    assert.equal(second.headers.authorization, 'Bearer loki_x');
    server.send(5);
    assert.deepEqual(numbers(await take(stream, 1)), [5]);
    assert.equal(lines.length, 2);
    assert.match(lines[0], /GET \/api\/events -> 200/);
  });

  it('gives an event of any kind, also one that nobody knows', async () => {
    await opened();
    server.greeting = `event: log\ndata: a raw line\n\n${frame(2, 'moon:landed', { by: 'eagle' })}`;
    const [line, landed] = await take(client.events(), 2);
    assert.deepEqual(line, { id: null, type: 'log', timestamp: null, data: { text: 'a raw line' } });
    assert.equal(landed.type, 'moon:landed');
    assert.deepEqual(landed.data, { by: 'eagle' });
  });

  it('connects when it is asked, and not before', async () => {
    await opened();
    const stream = client.events();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(server.requests.length, 0);
    await take(stream, 1);
    assert.equal(server.requests.length, 1);
  });

  it('does not read on while nobody asks', async () => {
    await opened();
    const stream = client.events();
    await take(stream, 1);
    const [response] = server.open;
    const data = { title: 'x'.repeat(1 << 16) };
    const MOST = 1024;
    // What nobody reads fills the buffers of the system; then writing has to wait.
    let sent = 1;
    while (sent <= MOST && response.writableLength < 1 << 20) {
      sent += 1;
      response.write(frame(sent, 'task:completed', data));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.ok(sent < MOST, `${sent} events of 64 KiB went out`);
    assert.deepEqual(
      numbers(await take(stream, sent - 1)),
      Array.from({ length: sent - 1 }, (_, n) => n + 2),
    );
  });

  // Each with a stream that is open and idle, and with one that waits.
  const ways = {
    close: ({ stream }) => stream.close(),
    return: ({ stream }) => stream.return(),
    'its signal': ({ controller }) => controller.abort(new Error('enough')),
    'its client': () => client.close(),
  };
  for (const [name, end] of Object.entries(ways)) {
    for (const isPending of [false, true]) {
      it(`closes its connection by ${name}, ${isPending ? 'waiting' : 'idle'}`, async () => {
        await opened();
        const controller = new AbortController();
        const stream = client.events({ signal: controller.signal });
        await take(stream, 1);
        const outcome = isPending ? stream.next().catch((error) => error.message) : undefined;
        await end({ stream, controller });
        await until(() => server.open.size === 0);
        const expected = { 'its signal': 'enough', 'its client': 'the client is closed' }[name] ?? DONE;
        if (isPending) assert.deepEqual(await outcome, expected);
        assert.deepEqual(await stream.next().catch((error) => error.message), expected);
        if (name !== 'its client') assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
        assert.equal(server.requests.length, 1);
      });
    }
  }

  it('is closed when nothing refers to it any more', async () => {
    await opened();
    const { signal } = new AbortController();
    await (async () => {
      await take(client.events({ signal }), 1);
    })();
    await until(() => {
      gc();
      return server.open.size === 0 && getEventListeners(signal, 'abort').length === 0;
    });
  });

  it('stays while its next event is waited for, although nothing else refers to it', async () => {
    await opened();
    const pending = (async () => {
      const stream = client.events();
      await take(stream, 1);
      return stream.next();
    })();
    await until(() => server.open.size === 1);
    for (let round = 0; round < 10; round++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    server.send(2);
    assert.deepEqual(numbers([(await pending).value]), [2]);
  });

  it('says why it is refused, and goes on when it no longer is', async () => {
    await opened();
    server.refusal = 401;
    const stream = client.events();
    await assert.rejects(stream.next(), { name: 'AuthenticationError' });
    server.refusal = undefined;
    assert.deepEqual(numbers(await take(stream, 1)), [1]);
  });

  it('refuses at once what is no good', async () => {
    await opened();
    for (const [options, param] of [
      [{ minLevel: 'loud' }, 'minLevel'],
      [{ sessionId: '' }, 'sessionId'],
      [{ types: ['a,b'] }, 'types'],
      [{ history: -1 }, 'history'],
    ]) {
      assert.throws(() => client.events(options), { name: 'ConfigError', param });
    }
    for (const options of [
      { sessionId: 1.5 },
      { types: 'task:failed' },
      { types: [1] },
      { minLevel: 1 },
      { signal: 1 },
    ]) {
      assert.throws(() => client.events(options), {
        name: 'TypeError',
        message: new RegExp(Object.keys(options)[0]),
      });
    }
    assert.throws(() => client.events({ session_id: 1 }), {
      name: 'TypeError',
      message: /no option session_id/,
    });
    client.close();
    assert.throws(() => client.events(), { name: 'AutonomiError', message: 'the client is closed' });
    assert.throws(() => client.watch(), { name: 'AutonomiError', message: 'the client is closed' });
    assert.equal(server.requests.length, 0);
  });
});

describe('the messages of the dashboard', () => {
  for (const profile of ['guide', 'v5.51', 'v9.22']) {
    it(`come as they happen, as ${profile}`, async () => {
      const server = await startControlPlane(profile);
      const lines = [];
      const logger = { debug: (line) => lines.push(line) };
      const client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN, logger });
      const controller = new AbortController();
      try {
        const messages = client.watch({ subscribe: { channel: 'tasks' }, signal: controller.signal });
        const find = async (type) => {
          for (;;) {
            const [message] = await take(messages, 1);
            if (message.type === type) return message;
          }
        };
        await find('connected');
        await find('subscribed');
        const project = await client.createProject('watched', undefined, {
          tenantId: (await client.listTenants())[0].id,
        });
        assert.equal((await find('project_created')).data.id, project.id);
        const gap = find('gap');
        await server.kill();
        await server.restart();
        assert.ok((await gap).data.reason);
        const pending = find('nothing');
        controller.abort(new Error('enough'));
        await assert.rejects(pending, /enough/);
        assert.ok(!lines.join('').includes(TOKEN));
      } finally {
        client.close();
        await server.stop();
      }
    });
  }

  it('are subscribed to with what can be written', () => {
    const client = new AutonomiClient({ baseUrl: 'http://127.0.0.1:1' });
    const cycle = {};
    cycle.itself = cycle;
    for (const subscribe of [cycle, 5n, () => {}]) {
      assert.throws(() => client.watch({ subscribe }), { name: 'TypeError', message: /subscribe/ });
    }
    client.watch({ subscribe: null }).close();
    client.close();
  });
});
