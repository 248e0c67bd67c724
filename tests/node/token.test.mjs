// The token of a client, and whoever provides it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { APITimeoutError } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { listening } from './support/plane.mjs';
import { client, PROJECT, sent, server } from './support/served.mjs';

clearEnvironment();

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
