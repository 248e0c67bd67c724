// Clients that are made from environment variables.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { AutonomiClient, ConfigError } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { FaultServer } from './support/fault-server.mjs';

describe('fromEnv', () => {
  let server;
  let folder;

  const set = (variables) => {
    for (const [name, value] of Object.entries(variables)) process.env[`LOKI_${name}`] = value;
  };
  const sent = async () => {
    const { requests } = await server.recorded();
    assert.equal(requests.length, 1);
    return requests[0];
  };
  const refusal = (variables, overrides) => {
    set(variables);
    let caught;
    assert.throws(
      () => AutonomiClient.fromEnv(overrides),
      (error) => {
        caught = error;
        return error instanceof ConfigError;
      },
    );
    assert.ok(!caught.stack.includes('canary'), caught.stack);
    return caught;
  };

  before(() => {
    clearEnvironment();
    server = new FaultServer();
    folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
  });
  afterEach(clearEnvironment);
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.stop();
  });

  it('reads base URL, token and path style', async () => {
    set({ BASE_URL: `${await server.serve([{ json: [] }])}/prefix`, API_TOKEN: 'loki_x', PATH_STYLE: 'v2' });
    assert.deepEqual(await AutonomiClient.fromEnv().listRuns(), []);
    const { path, headers } = await sent();
    assert.equal(path, '/prefix/api/v2/runs');
    assert.equal(headers.authorization, 'Bearer loki_x');
  });

  it('has the local server without variables, and with empty ones', () => {
    const printed = "AutonomiClient { baseUrl: 'http://localhost:57374' }";
    assert.equal(String(AutonomiClient.fromEnv()[Symbol.for('nodejs.util.inspect.custom')]()), printed);
    set({ BASE_URL: '', API_TOKEN: '', API_TOKEN_FILE: '', TIMEOUT: '', CA_FILE: '' });
    assert.equal(String(AutonomiClient.fromEnv()[Symbol.for('nodejs.util.inspect.custom')]()), printed);
  });

  it('is the only one that reads them', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    for (const name of ['BASE_URL', 'API_TOKEN', 'API_TOKEN_FILE', 'TIMEOUT', 'PATH_STYLE', 'CA_FILE']) {
      set({ [name]: '/no good' });
    }
    await new AutonomiClient({ baseUrl }).getStatus();
    assert.equal((await sent()).headers.authorization, undefined);
  });

  it('takes the token from a file, without its line break', async () => {
    const path = join(folder, 'token');
    writeFileSync(path, 'loki_x\r\n');
    set({ BASE_URL: await server.serve([{ json: {} }]), API_TOKEN_FILE: path });
    await AutonomiClient.fromEnv().getStatus();
    assert.equal((await sent()).headers.authorization, 'Bearer loki_x');
  });

  it('takes the timeout in seconds, and the retries', async () => {
    set({ BASE_URL: await server.serve([{ status: 503, repeat: 9 }]), MAX_RETRIES: '0' });
    await assert.rejects(AutonomiClient.fromEnv().getStatus(), (error) => error.attempts === 1);
    set({ BASE_URL: await server.serve([{ json: {}, faults: { delay_ms: 20_000 } }]), TIMEOUT: '0.2' });
    await assert.rejects(AutonomiClient.fromEnv().getStatus(), /^APITimeoutError: /);
  });

  it('trusts a certificate file', async () => {
    const { base_url, ca_file } = await server.serveTls('valid', [{ json: { ok: 1 } }]);
    set({ BASE_URL: base_url, CA_FILE: ca_file });
    assert.deepEqual(await AutonomiClient.fromEnv().getStatus(), { ok: 1 });
  });

  for (const [name, value, overrides] of [
    ['BASE_URL', 'localhost:57374', { baseUrl: 'http://localhost' }],
    ['BASE_URL', 'http://user:canary@localhost', { baseUrl: 'http://localhost' }],
    ['API_TOKEN', 'canary and more', { token: 'loki_x' }],
    ['API_TOKEN', 'canary and more', { token: null }],
    ['API_TOKEN_FILE', '/nowhere/token', { token: () => 'loki_x' }],
    ['TIMEOUT', 'soon', { timeout: 1 }],
    ['TIMEOUT', '30s', { timeout: 1 }],
    ...['-1', '0', 'inf', 'NaN', '1e400', '5,5'].map((value) => ['TIMEOUT', value, { timeout: 1 }]),
    ...['many', '-1', '1.5', '4294967296'].map((value) => ['MAX_RETRIES', value, { maxRetries: 1 }]),
    ['PATH_STYLE', 'v3', { pathStyle: 'v2' }],
    ['PATH_STYLE', 'V2', { pathStyle: 'v2' }],
    ['BASE_URL', 'ftp://localhost', { baseUrl: 'http://localhost' }],
    ['BASE_URL', 'http://localhost?token=canary', { baseUrl: 'http://localhost' }],
    ['API_TOKEN', ' ', { token: 'loki_x' }],
    ['API_TOKEN_FILE', tmpdir(), { token: 'loki_x' }],
    ['CA_FILE', tmpdir(), { caFile: null }],
    ['CA_FILE', '/nowhere/ca.pem', { caFile: null }],
    ['CA_FILE', fileURLToPath(import.meta.url), { caFile: null }],
  ]) {
    it(`names LOKI_${name} if it is wrong: ${value}`, () => {
      const error = refusal({ [name]: value }, { appInfo: 'a/1', timeout: undefined });
      assert.equal(error.param, `LOKI_${name}`);
      assert.ok(error.message.includes(`LOKI_${name}`), error.message);
      if (name.endsWith('FILE')) assert.ok(error.message.includes(value), error.message);
      // What is given otherwise does not matter.
      AutonomiClient.fromEnv(overrides);
    });
  }

  it('names both the token and its file, and what is in the file', () => {
    const path = join(folder, 'token');
    writeFileSync(path, 'canary two');
    const { message } = refusal({ API_TOKEN_FILE: path });
    assert.ok(message.includes('LOKI_API_TOKEN_FILE') && message.includes(path), message);
    assert.match(refusal({ API_TOKEN: 'canary' }).message, /LOKI_API_TOKEN and LOKI_API_TOKEN_FILE/);
  });

  it('takes the options of the constructor, and no others', async () => {
    set({ BASE_URL: await server.serve([{ json: {} }]), API_TOKEN: 'loki_x' });
    await AutonomiClient.fromEnv({ token: null, headers: { 'x-team': 'a' } }).getStatus();
    const { headers } = await sent();
    assert.deepEqual([headers.authorization, headers['x-team']], [undefined, 'a']);
    assert.equal(refusal({}, { tokne: 'x' }).param, 'tokne');
    assert.match(refusal({}, null).message, /fromEnv needs an object/);
  });

  it('makes a client of the subclass', () => {
    class Ours extends AutonomiClient {}
    assert.ok(Ours.fromEnv() instanceof Ours);
  });

  it('reads the variables of a worker, which are its own', async () => {
    const baseUrl = await server.serve([{ json: {} }]);
    const program = `
      import('loki-mode-sdk').then(({ AutonomiClient }) => {
        process.env.LOKI_API_TOKEN = 'loki_of_the_worker';
        return AutonomiClient.fromEnv().getStatus();
      });`;
    const worker = new Worker(program, { eval: true, env: { ...process.env, LOKI_BASE_URL: baseUrl } });
    await new Promise((resolve, reject) => {
      worker.once('exit', resolve);
      worker.once('error', reject);
    });
    assert.equal((await sent()).headers.authorization, 'Bearer loki_of_the_worker');
  });
});
