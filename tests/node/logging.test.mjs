// What a client tells about itself, and what it never tells.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect, promisify } from 'node:util';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();
const run = promisify(execFile);
const CANARY = 'loki_canary_7f3a';

let server;
const clients = [];
before(() => {
  server = new FaultServer();
});
afterEach(() => {
  for (const made of clients.splice(0)) made.close();
});
after(() => server.stop());

/** A client, and the lines that it logs. */
function logged(baseUrl, options = {}) {
  const lines = [];
  const logger = { debug: (line) => lines.push(line), warn: (line) => lines.push(`WARN ${line}`) };
  const sdk = new AutonomiClient({ baseUrl, logger, ...options });
  clients.push(sdk);
  return { sdk, lines };
}

/** Runs a program in a process of its own; gives what it prints. */
function program(code, env = {}, ...args) {
  const whole = `import { AutonomiClient } from 'loki-mode-sdk';\n${code}`;
  return run(process.execPath, ['--input-type=module', '-e', whole, '--', ...args], {
    cwd: new URL('.', import.meta.url),
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
}

describe('a logger', () => {
  it('gets one line for each attempt', async () => {
    const busy = { status: 503, headers: { 'retry-after': '0' }, json: {} };
    const baseUrl = await server.serve([busy, { json: [] }, { status: 404, json: {} }]);
    const { sdk, lines } = logged(baseUrl, { pathStyle: 'guide' });
    await sdk.listRuns(1, 'secret-status');
    await assert.rejects(sdk.getProject(7));
    const expected = [
      /^loki-mode-sdk: GET \/api\/runs -> 503 in \d+\.\d ms \(attempt 1, new connection\)$/,
      /^loki-mode-sdk: GET \/api\/runs -> 200 in \d+\.\d ms \(attempt 2, new connection\)$/,
      /^loki-mode-sdk: GET \/api\/projects\/7 -> 404 in \d+\.\d ms \(attempt 1\)$/,
    ];
    assert.equal(lines.length, expected.length, inspect(lines));
    expected.forEach((line, index) => {
      assert.match(lines[index], line);
    });
  });

  it('is told why there was no answer', async () => {
    const { sdk, lines } = logged(await server.refuse(), { maxRetries: 1 });
    await assert.rejects(sdk.getStatus());
    assert.equal(lines.length, 2);
    for (const line of lines) assert.match(line, /GET \/api\/status -> APIConnectionError: .* in \d+\.\d ms/);
  });

  it('goes with a derived client, and with an answer that is no good', async () => {
    const { sdk, lines } = logged(await server.serve([{ json: [] }]));
    await assert.rejects(sdk.withOptions({ timeout: 1000 }).getStatus(), { name: 'DecodeError' });
    assert.equal(lines.length, 1, inspect(lines));
  });

  it('that throws what has no text does not take the result either', async () => {
    const baseUrl = await server.serve([{ json: { status: 'up' } }]);
    const code = `
      process.on('warning', (warning) => console.log(warning.message));
      const logger = { debug() { throw Object.create(null); } };
      const client = new AutonomiClient({ baseUrl: process.argv[1], logger });
      console.log((await client.getStatus()).status);`;
    const { stdout } = await program(code, {}, baseUrl);
    assert.equal(stdout.trim(), 'up\nthe logger failed: something without a text');
  });

  it('that fails to warn has the process warned', async () => {
    const code = `
      process.on('warning', (warning) => console.log(warning.message));
      const logger = { debug() {}, warn() { throw new Error('disk full'); } };
      const baseUrl = 'http://control-plane.example.com';
      const client = new AutonomiClient({ baseUrl, token: 'loki_canary', logger });
      console.log(client.baseUrl);`;
    const { stdout } = await program(code, {});
    assert.match(
      stdout,
      /^http.+\nthe logger failed: disk full\n.*in clear text; use https:.* in `baseUrl`\n$/,
    );
  });

  it('that fails does not take the result', async () => {
    const baseUrl = await server.serve([{ json: { status: 'up' } }]);
    const code = `
      process.on('warning', (warning) => console.log(warning.name, warning.message));
      const logger = { debug() { throw new Error('disk full'); } };
      const client = new AutonomiClient({ baseUrl: process.argv[1], logger });
      console.log((await client.getStatus()).status);`;
    const { stdout } = await program(code, {}, baseUrl);
    assert.match(stdout, /^up\nLokiModeSdkWarning the logger failed: disk full/);
  });
});

describe('LOKI_LOG', () => {
  const code = `
    const client = new AutonomiClient({ baseUrl: process.argv[1], token: '${CANARY}' });
    console.log((await client.getStatus()).status);`;

  it('=debug writes the lines to the standard error', async () => {
    const baseUrl = await server.serve([{ json: { status: 'up' } }]);
    const { stdout, stderr } = await program(code, { LOKI_LOG: 'debug' }, baseUrl);
    assert.equal(stdout, 'up\n');
    assert.match(stderr, /^loki-mode-sdk: GET \/api\/status -> 200 in .*\n$/);
  });

  for (const level of ['', 'info']) {
    it(`=${level} writes nothing`, async () => {
      const baseUrl = await server.serve([{ json: { status: 'up' } }]);
      const { stdout, stderr } = await program(code, { LOKI_LOG: level }, baseUrl);
      assert.deepEqual([stdout, stderr], ['up\n', '']);
    });
  }
});

describe('a token in clear text', () => {
  it('warns once, and not on the loopback', async () => {
    const code = `
      const options = { baseUrl: 'http://control-plane.example:1', token: '${CANARY}' };
      new AutonomiClient({ baseUrl: 'http://127.0.0.1:1', token: '${CANARY}' });
      new AutonomiClient({ baseUrl: 'https://control-plane.example:1', token: '${CANARY}' });
      new AutonomiClient({ baseUrl: options.baseUrl });
      new AutonomiClient(options);
      new AutonomiClient(options).setToken(() => '${CANARY}');`;
    const { stderr } = await program(code);
    assert.equal(stderr.match(/clear text/g)?.length, 1, stderr);
    assert.match(
      stderr,
      /LokiModeSdkWarning: the token is sent to control-plane\.example in clear text; use https/,
    );
    assert.ok(!stderr.includes(CANARY));
  });

  it('is told when the token comes later, to the logger if there is one', () => {
    const { sdk, lines } = logged('http://other.example:1');
    assert.deepEqual(lines, []);
    sdk.setToken(CANARY);
    sdk.setToken(`${CANARY}2`);
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^WARN loki-mode-sdk: the token is sent to other\.example in clear text/);
  });
});

describe('a token is nowhere to be seen', () => {
  /** Every way in which a value gets into a log. */
  function shown(value) {
    const options = { depth: Number.POSITIVE_INFINITY, showHidden: true };
    const texts = [
      inspect(value, options),
      inspect(value, { ...options, customInspect: false }),
      String(value),
    ];
    texts.push(JSON.stringify(value) ?? '', `${value?.stack}`, `${value?.message}`);
    return texts;
  }

  function hidden(value, what) {
    for (const text of shown(value)) assert.ok(!text.includes('canary'), `${what}: ${text}`);
  }

  for (const [kind, token] of [
    ['fixed', CANARY],
    ['provided', async () => CANARY],
  ]) {
    it(`when it is ${kind}`, async () => {
      const echo = { detail: `bad token ${CANARY}`, authorization: `Bearer ${CANARY}` };
      const replies = [
        ...[400, 403, 404, 409, 410, 422, 418, 501].map((status) => ({ status, json: echo })),
        { status: 500, json: echo },
        { status: 302, headers: { location: `http://elsewhere.example/?token=${CANARY}` }, json: {} },
        { text: CANARY, headers: { 'content-type': 'text/html' } },
        { text: `[${CANARY}`, headers: { 'content-type': 'application/json' } },
        { faults: { garbage: CANARY } },
        { json: { status: 'up' } },
      ];
      const baseUrl = await server.serve(replies);
      const { sdk, lines } = logged(baseUrl, { token, maxRetries: 0, timeout: 5000 });
      hidden(sdk, 'client');
      for (const reply of replies.slice(0, -1)) {
        const error = await sdk.getStatus().then(
          () => assert.fail(`no error from ${inspect(reply)}`),
          (error) => error,
        );
        hidden(error, inspect(reply));
      }
      const answer = await sdk.raw.getStatus();
      assert.equal(answer.status, 200);
      hidden(answer, 'raw answer');
      hidden(sdk, 'used client');
      hidden(sdk.withOptions({ timeout: 1 }), 'derived client');
      assert.ok(lines.length >= replies.length);
      hidden(lines, 'log');
      const { requests } = await server.recorded();
      assert.ok(requests.every(({ headers }) => headers.authorization === `Bearer ${CANARY}`));
      assert.ok(requests.every((request) => !request.raw_target.includes('canary')));
    });
  }

  it('when the server is not there, or too slow', async () => {
    for (const baseUrl of [await server.refuse(), await server.serve([{ faults: { hold: true } }])]) {
      const { sdk, lines } = logged(baseUrl, { token: CANARY, maxRetries: 0, timeout: 100 });
      hidden(await sdk.getStatus().catch((error) => error), 'error');
      assert.equal(lines.length, 1);
      hidden(lines, 'log');
    }
  });

  it('when an option is no good', () => {
    const proxy = 'http://user:canary@ no proxy';
    for (const options of [{ token: `canary\n` }, { proxy }, { headers: { 'x-a': 'canary\n' } }]) {
      try {
        new AutonomiClient({ baseUrl: 'https://control-plane.example', ...options });
        assert.fail('no error');
      } catch (error) {
        assert.equal(error.name, 'ConfigError');
        hidden(error, inspect(options));
      }
    }
  });

  it('when it arrives in a header of the answer that nobody prints', async () => {
    const { sdk, lines } = logged(await server.serve([{ json: {}, headers: { 'x-secret': CANARY } }]));
    assert.equal((await sdk.raw.getStatus()).headers.get('x-secret'), CANARY);
    hidden(lines, 'log');
  });
});
