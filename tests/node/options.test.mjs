// How a client is set up: its options, the token and whoever provides it, and clients that are derived from another.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { APITimeoutError, AutonomiClient, ConfigError, DecodeError, EventStream } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();

let server;
const clients = [];
function client(baseUrl, options = {}) {
  const made = new AutonomiClient({ baseUrl, ...options });
  clients.push(made);
  return made;
}
before(() => {
  server = new FaultServer();
});
afterEach(() => {
  for (const made of clients.splice(0)) made.close();
});
after(() => server.stop());

const PROJECT = { id: 1, name: 'a', status: 'active', created_at: '', updated_at: '' };

/** Has a server listen; gives its URL. */
async function listening(httpServer) {
  await new Promise((resolve) => httpServer.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${httpServer.address().port}`;
}

/** The values of this header in the requests that have arrived. */
async function sent(name) {
  return (await server.recorded()).requests.map((request) => request.headers[name]);
}

describe('options of a client', () => {
  const refused = [
    [{ connectTimeout: 0 }, /^connectTimeout must be a number of milliseconds above zero, not 0/],
    [{ connectTimeout: '5' }, /^connectTimeout must be/],
    [{ maxConnections: 0 }, /^maxConnections must be an integer of 1 or more, not 0/],
    [{ maxConnections: 1.5 }, /^maxConnections must be/],
    [{ maxBodyBytes: 0 }, /^maxBodyBytes must be an integer of 1 or more/],
    [{ maxBodyBytes: -1 }, /^maxBodyBytes must be/],
    [{ headers: 'x: y' }, /^headers must be an object of strings or a list of pairs, not a string/],
    [{ headers: { 'x-a': 5 } }, /^headers must be .* but x-a is an integer/],
    [{ headers: [['x-a']] }, /^headers must be/],
    [{ headers: { 'x a': 'b' } }, /"x a" is no name of a header/],
    [
      { headers: { Authorization: 'b' } },
      /`Authorization` is set by the client itself; give a `token` instead/,
    ],
    [{ headers: { 'user-agent': 'b' } }, /give `appInfo` instead/],
    [{ headers: { 'x-a': 'b\r\nc: d' } }, /line break/],
    [{ appInfo: 5 }, /^appInfo must be a string/],
    [{ appInfo: 'bot\n' }, /^`appInfo` must be printable ASCII/],
    [{ proxy: 'no url' }, /`proxy`/],
    [{ proxy: true }, /^proxy must be a string/],
    [{ caFile: '/nowhere/ca.pem' }, /`caFile`/],
    [{ systemRoots: 'yes' }, /^systemRoots must be a boolean/],
    [{ clientCertFile: '/nowhere/cert.pem' }, /`clientCertFile` and `clientKeyFile` must be given together/],
    [{ logger: {} }, /^logger must be an object with the function debug/],
    [{ logger: { debug() {}, warn: 5 } }, /^logger must be/],
    [{ token: 5 }, /^token must be a string or a function that gives one, not an integer/],
    [{ token: '' }, /`token` is empty/],
    [{ token: 'a b' }, /`token` contains a blank/],
    [{ token: 'a\ud800' }, /^token must be a string .*, not one with half of a surrogate pair/],
    [{ headers: { 'x-a': '\ud800' } }, /^headers must be .* but x-a is one with half of a surrogate pair/],
    [{ headers: { '\ud800': 'a' } }, /^headers must be /],
    [{ baseUrl: 'http://\ud800' }, /^baseUrl must be a string, not one with half/],
    [{ caFile: '\ud800' }, /^caFile must be a string, not one with half/],
    [{ proxy: 'http://proxy:99999' }, /`proxy` is no proxy URL/],
  ];
  for (const [options, message] of refused) {
    it(`${inspect(options)} is refused`, () => {
      const [param] = Object.keys(options);
      assert.throws(
        () => client('https://control-plane.example', options),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.match(error.message, message);
          assert.equal(error.param, param);
          return true;
        },
      );
    });
  }

  it('baseUrl may be inherited, as that of a class of settings is', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    const sdk = new AutonomiClient(Object.create({ baseUrl }));
    await sdk.getStatus();
    sdk.close();
  });

  it('undefined and null are the same as not given', async () => {
    const names = [
      'token',
      'timeout',
      'connectTimeout',
      'maxRetries',
      'pathStyle',
      'maxConnections',
      'headers',
    ];
    names.push('maxBodyBytes', 'appInfo', 'proxy', 'caFile', 'systemRoots', 'clientCertFile', 'logger');
    const baseUrl = await server.serve([{ json: {} }, { json: {} }]);
    for (const nothing of [undefined, null]) {
      await client(baseUrl, Object.fromEntries(names.map((name) => [name, nothing]))).getStatus();
    }
    assert.deepEqual(await sent('authorization'), [undefined, undefined]);
  });

  it('appInfo names the application beside the SDK and Node.js', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    await client(baseUrl, { appInfo: 'deploy-bot/2.1' }).getStatus();
    const [agent] = await sent('user-agent');
    assert.match(
      agent,
      new RegExp(`^loki-mode-sdk/\\S+ .*Node\\.js/${process.versions.node}.* deploy-bot/2\\.1$`),
    );
  });

  it('headers of the client are sent with each request, those of a call with its own', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 4 }]);
    const sdk = client(baseUrl, { headers: { 'X-Team': 'deploy', 'X-Trace': 'client' } });
    await sdk.getStatus();
    await sdk.getStatus({ headers: { 'x-trace': 'call' } });
    await sdk.getStatus({ headers: new Headers({ 'x-trace': 'headers' }) });
    await sdk.getStatus({ headers: new Map([['x-trace', 'map']]) });
    assert.deepEqual(await sent('x-team'), ['deploy', 'deploy', 'deploy', 'deploy']);
    assert.deepEqual(await sent('x-trace'), ['client', 'call', 'headers', 'map']);
  });

  it('headers of a call are checked, too', async () => {
    const sdk = client(await server.serve([]));
    for (const headers of [5, { 'x-a': 5 }, { host: 'elsewhere' }, { 'x-a': 'b\n' }, { 'x-a': '\ud800' }]) {
      await assert.rejects(sdk.getStatus({ headers }), { name: 'ConfigError', param: 'headers' });
    }
    const events = new EventStream(sdk);
    await assert.rejects(events.pollEvents(1, null, { headers: { host: 'elsewhere' } }), ConfigError);
    assert.deepEqual((await server.recorded()).requests, []);
  });

  it('maxBodyBytes bounds an answer, decompressed', async () => {
    const body = JSON.stringify({ text: 'a'.repeat(100_000) });
    const json = { 'content-type': 'application/json' };
    const packed = {
      base64: gzipSync(body).toString('base64'),
      headers: { ...json, 'content-encoding': 'gzip' },
    };
    assert.ok(packed.base64.length < 1000);
    const baseUrl = await server.serve([packed, packed, { text: body, headers: json }]);
    assert.equal((await client(baseUrl).getStatus()).text.length, 100_000);
    const small = client(baseUrl, { maxBodyBytes: 1000, maxRetries: 0 });
    for (let call = 0; call < 2; call++) {
      await assert.rejects(small.getStatus(), (error) => {
        assert.ok(error instanceof DecodeError);
        assert.match(error.message, /larger than 1000 bytes, the limit set by `maxBodyBytes`/);
        return true;
      });
    }
  });
});

describe('a token provider', () => {
  it('is asked before each attempt, retries included', async () => {
    const busy = { status: 503, headers: { 'retry-after': '0' }, json: { detail: 'busy' } };
    const baseUrl = await server.serve([busy, { json: {}, repeat: 2 }]);
    let asked = 0;
    const sdk = client(baseUrl, { token: () => `loki_${++asked}` });
    await sdk.getStatus();
    await sdk.getStatus();
    assert.deepEqual(await sent('authorization'), ['Bearer loki_1', 'Bearer loki_2', 'Bearer loki_3']);
  });

  it('may be asynchronous, and serves calls side by side', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 50 }]);
    let asked = 0;
    const sdk = client(baseUrl, {
      token: async () => {
        const number = ++asked;
        await new Promise((resolve) => setTimeout(resolve, 5));
        return `loki_${number}`;
      },
    });
    await Promise.all(Array.from({ length: 50 }, () => sdk.getStatus()));
    assert.equal(new Set(await sent('authorization')).size, 50);
  });

  it('is asked once more after a 401, and then it is one', async () => {
    const denied = { status: 401, json: { detail: 'Invalid token' } };
    const baseUrl = await server.serve([denied, { json: {} }, denied, denied]);
    let asked = 0;
    const sdk = client(baseUrl, { token: () => `loki_${++asked}`, maxRetries: 0 });
    await sdk.getStatus();
    await assert.rejects(sdk.getStatus(), { name: 'AuthenticationError', attempts: 2 });
    assert.equal(asked, 4);
  });

  it('that fails ends the call with that very error', async () => {
    const baseUrl = await server.serve([
      { status: 503, headers: { 'retry-after': '0' }, json: {} },
      { json: {} },
    ]);
    const reason = new Error('the vault is sealed');
    const sdk = client(baseUrl);
    sdk.setToken(() => {
      throw reason;
    });
    await assert.rejects(sdk.getStatus(), (error) => error === reason);
    let asked = 0;
    sdk.setToken(async () => {
      if (++asked === 2) throw undefined;
      return 'loki_x';
    });
    await assert.rejects(sdk.getStatus(), (error) => error === undefined);
    assert.equal((await server.recorded()).requests.length, 1);
    await sdk.getStatus();
  });

  it('that gives something else is told so', async () => {
    const sdk = client(await server.serve([]), { maxRetries: 0 });
    for (const [given, message] of [
      [undefined, 'the token provider must give a string, not undefined'],
      [Promise.resolve(5), 'the token provider must give a string, not an integer'],
      ['a b', /`token` contains a blank/],
    ]) {
      sdk.setToken(() => given);
      await assert.rejects(sdk.getStatus(), { name: 'ConfigError', param: 'token', message });
    }
    assert.deepEqual((await server.recorded()).requests, []);
  });

  it('has no longer than the call', async () => {
    const sdk = client(await server.serve([]), { token: () => new Promise(() => {}) });
    await assert.rejects(sdk.getStatus({ timeout: 50 }), (error) => {
      assert.ok(error instanceof APITimeoutError);
      assert.match(error.message, /token provider/);
      assert.equal(error.maybeExecuted, false);
      return true;
    });
  });

  it('does not hold up an abort or a close', async () => {
    let asked;
    const wasAsked = new Promise((resolve) => {
      asked = resolve;
    });
    const sdk = client(await server.serve([]), {
      token: () => {
        asked();
        return new Promise(() => {});
      },
    });
    const controller = new AbortController();
    const aborted = assert.rejects(sdk.getStatus({ signal: controller.signal }), { name: 'AbortError' });
    await wasAsked;
    controller.abort();
    await aborted;
    const closed = assert.rejects(sdk.getStatus(), /closed/);
    sdk.close();
    await closed;
  });

  // More calls than there are threads: each waits for its token, and each token for a call of its own. Then as many as
  // there are threads are refused at once, and wait again.
  it('may make calls with another client, also where all calls wait for it', async () => {
    const threads = 256;
    const refused = new Map();
    const answers = createServer((request, response) => {
      const isFirst = !refused.has(request.url);
      response.writeHead(isFirst ? 401 : 200, { 'content-type': 'application/json' });
      if (!isFirst) return response.end(JSON.stringify(PROJECT));
      refused.set(request.url, response);
      if (refused.size < threads) return;
      for (const waiting of refused.values()) waiting.end('{"detail":"no"}');
    });
    const tokens = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ token: 'loki_x' }));
    });
    const [baseUrl, tokenUrl] = await Promise.all([listening(answers), listening(tokens)]);
    const vault = client(tokenUrl);
    let asked = 0;
    const sdk = client(baseUrl, {
      token: async () => {
        asked++;
        return (await vault.getStatus()).token;
      },
    });
    const calls = Array.from({ length: 1200 }, (_, id) => sdk.getProject(id));
    const outcomes = await Promise.allSettled(calls);
    assert.deepEqual(outcomes.filter(({ status }) => status === 'rejected').slice(0, 3), []);
    // Before the first attempt of each, and once more after its 401.
    assert.equal(asked, 2400);
    answers.close();
    tokens.close();
  });

  it('counts as a part of the call', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true } }]);
    const token = () => new Promise((resolve) => setTimeout(resolve, 200, 'loki_x'));
    const began = performance.now();
    await assert.rejects(client(baseUrl, { token }).getStatus({ timeout: 400 }), (error) => {
      assert.ok(error instanceof APITimeoutError);
      // What was asked for is said, not what the token left of it.
      assert.match(error.message, /within 0\.4 s$/);
      return true;
    });
    assert.ok(performance.now() - began < 1400);
  });

  it('may exchange itself for a fixed token', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 2 }]);
    const sdk = client(baseUrl);
    sdk.setToken(() => {
      sdk.setToken('loki_fixed');
      return 'loki_first';
    });
    await sdk.getStatus();
    await sdk.getStatus();
    assert.deepEqual(await sent('authorization'), ['Bearer loki_first', 'Bearer loki_fixed']);
  });
});

describe('long lines', () => {
  const token = 't'.repeat(65_536);
  const long = 's'.repeat(60_000);

  for (const tls of [false, true]) {
    it(`of tokens, headers and queries are sent whole${tls ? ' over TLS' : ''}`, async () => {
      const replies = [{ json: {} }, { json: [] }, { json: PROJECT }];
      const served = tls
        ? await server.serveTls('valid', replies)
        : { base_url: await server.serve(replies) };
      const sdk = client(served.base_url, { token, headers: { 'x-long': long }, caFile: served.ca_file });
      await sdk.getStatus();
      await sdk.listRuns(undefined, long);
      await sdk.createProject('p');
      assert.ok((await sent('authorization')).every((value) => value === `Bearer ${token}`));
      assert.ok((await sent('x-long')).every((value) => value === long));
      const { requests } = await server.recorded();
      assert.deepEqual(requests[1].query, { status: long });
      assert.deepEqual(new Set(requests.map(({ connection }) => connection)), new Set([1]));
    });
  }

  it('that no server reads are refused by their names', async () => {
    const baseUrl = await server.serve([]);
    const beyond = 'canary'.repeat(11_000);
    const sdk = client(baseUrl);
    for (const [param, call] of [
      ['token', () => sdk.setToken(beyond)],
      ['token', () => client(baseUrl, { token: async () => beyond }).getStatus()],
      ['headers', () => client(baseUrl, { headers: { 'x-long': beyond } })],
      ['headers', () => sdk.getStatus({ headers: { 'x-long': beyond } })],
      ['appInfo', () => client(baseUrl, { appInfo: beyond })],
      ['baseUrl', () => client(`${baseUrl}/${beyond}`)],
      ['projectId', () => sdk.getProject(beyond)],
      ['status', () => sdk.listRuns(undefined, beyond)],
    ]) {
      await assert.rejects(
        async () => call(),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error));
          assert.equal(error.param, param);
          assert.ok(
            error.message.includes(`\`${param}\``) && !error.message.includes('canary'),
            error.message,
          );
          return true;
        },
      );
    }
    assert.deepEqual((await server.recorded()).requests, []);
  });
});

describe('Retry-After', () => {
  it('is told in seconds, also where it is a date', async () => {
    for (const status of [429, 503]) {
      const baseUrl = await server.serve([{ status, json: {}, headers: { 'retry-after': '{{date+600}}' } }]);
      await assert.rejects(client(baseUrl).getStatus(), (error) => {
        assert.equal(error.attempts, 1);
        assert.ok(error.retryAfter > 500 && error.retryAfter <= 600, String(error.retryAfter));
        return true;
      });
    }
  });
});

describe('setToken', () => {
  it('exchanges and takes away the token of a client in use', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 3 }]);
    const sdk = client(baseUrl, { token: 'loki_a' });
    await sdk.getStatus();
    sdk.setToken('loki_b');
    await sdk.getStatus();
    sdk.setToken(undefined);
    await sdk.getStatus();
    assert.deepEqual(await sent('authorization'), ['Bearer loki_a', 'Bearer loki_b', undefined]);
  });

  it('keeps the old one if the new one is no good', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    const sdk = client(baseUrl, { token: 'loki_a' });
    for (const bad of ['', 'a\n', 5, {}]) {
      assert.throws(() => sdk.setToken(bad), { name: 'ConfigError', param: 'token' });
    }
    await sdk.getStatus();
    assert.deepEqual(await sent('authorization'), ['Bearer loki_a']);
  });

  it('is seen by the retry of a call under way', async () => {
    const busy = { status: 503, headers: { 'retry-after': '1' }, json: {} };
    const baseUrl = await server.serve([busy, { json: {} }]);
    const sdk = client(baseUrl, { token: 'loki_a' });
    const call = sdk.getStatus();
    await server.arrived(1);
    sdk.setToken('loki_b');
    await call;
    assert.deepEqual(await sent('authorization'), ['Bearer loki_a', 'Bearer loki_b']);
  });
});

describe('withOptions', () => {
  it('gives a client that differs, on the same connections', async () => {
    const baseUrl = await server.serve([
      { json: {}, repeat: 2 },
      { status: 503, json: {} },
    ]);
    const sdk = client(baseUrl, { token: 'loki_a', headers: { 'x-a': '1' } });
    await sdk.getStatus();
    const derived = sdk.withOptions({ headers: { 'x-b': '2' }, maxRetries: 0 });
    assert.ok(derived instanceof AutonomiClient);
    assert.equal(derived.baseUrl, sdk.baseUrl);
    await derived.getStatus();
    await assert.rejects(derived.getStatus(), { attempts: 1 });
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map(({ connection }) => connection),
      [1, 1, 1],
    );
    assert.deepEqual(
      requests.map(({ headers }) => [headers['x-a'], headers['x-b']]),
      [
        ['1', undefined],
        [undefined, '2'],
        [undefined, '2'],
      ],
    );
    derived.close();
  });

  it('bounds its calls', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true } }]);
    await assert.rejects(client(baseUrl).withOptions({ timeout: 50 }).getStatus(), APITimeoutError);
  });

  it('shares the token unless it is given another', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 5 }]);
    const sdk = client(baseUrl, { token: 'loki_a' });
    const same = sdk.withOptions({ timeout: 5000 });
    const other = sdk.withOptions({ token: () => 'loki_other' });
    const without = sdk.withOptions({ token: null });
    same.setToken('loki_b');
    for (const caller of [sdk, same, other, without]) await caller.getStatus();
    other.setToken('loki_c');
    await sdk.getStatus();
    const tokens = ['Bearer loki_b', 'Bearer loki_b', 'Bearer loki_other', undefined, 'Bearer loki_b'];
    assert.deepEqual(await sent('authorization'), tokens);
  });

  it('outlives the client that it comes from', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    const sdk = client(baseUrl);
    const derived = sdk.withOptions({});
    sdk.close();
    await derived.getStatus();
    assert.throws(() => sdk.withOptions({}), /closed/);
    await assert.rejects(sdk.getStatus(), /closed/);
  });

  it('refuses what is no good', () => {
    const sdk = client('http://127.0.0.1:1');
    for (const changes of [{ timeout: 0 }, { maxRetries: -1 }, { token: 5 }, { headers: { host: 'b' } }]) {
      const [param] = Object.keys(changes);
      assert.throws(() => sdk.withOptions(changes), { name: 'ConfigError', param });
    }
    assert.throws(() => sdk.withOptions({ baseUrl: 'http://b' }), /withOptions has no option baseUrl/);
    assert.throws(() => sdk.withOptions(), ConfigError);
  });
});

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
    const raw = createSocketServer((socket) => socket.once('data', () => socket.end(answer, 'latin1')));
    const baseUrl = await listening(raw);
    const sdk = new AutonomiClient({ baseUrl });
    const [{ headers }, fetched] = await Promise.all([sdk.raw.getStatus(), fetch(`${baseUrl}/api/status`)]);
    assert.deepEqual([headers.get('x-bytes'), fetched.headers.get('x-bytes')], ['grün', 'grün']);
    sdk.close();
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
