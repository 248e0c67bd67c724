// How a client is set up: its options, and clients that are derived from another.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { gzipSync } from 'node:zlib';
import { APITimeoutError, AutonomiClient, ConfigError, DecodeError, EventStream } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { client, PROJECT, sent, server } from './support/served.mjs';

clearEnvironment();

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
