// The package itself: its two entrances, its types, its native module.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import * as esm from 'loki-mode-sdk';

const require = createRequire(import.meta.url);
const cjs = require('loki-mode-sdk');

describe('the package', () => {
  it('gives modules and CommonJS the same classes, all of them', () => {
    assert.deepEqual(Object.keys(esm).sort(), Object.keys(cjs).sort());
    const ours = new Map(Object.entries(esm));
    for (const [name, value] of Object.entries(cjs)) assert.equal(ours.get(name), value, name);
  });

  it('has both names of the guide for one class', () => {
    assert.equal(esm.ForbiddenError, esm.PermissionDeniedError);
    assert.equal(esm.NotAvailableOnControlPlaneError, esm.NotAvailableError);
    assert.equal(esm.Client, esm.AutonomiClient);
    assert.ok(new esm.APITimeoutError('late') instanceof esm.APIConnectionError);
    assert.equal(new esm.ForbiddenError('no', { requiredScope: 'admin' }).requiredScope, 'admin');
  });

  it('is what require of the checkout gives', () => {
    const code = "console.log(typeof require('.').AutonomiClient)";
    assert.equal(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }).trim(), 'function');
  });

  it('names the module of each platform in a way that bundlers understand', () => {
    const loader = readFileSync(new URL('../../bindings-node/dist/native.js', import.meta.url), 'utf8');
    const required = [...loader.matchAll(/require\(([^)]*)\)/g)].map((match) => match[1]);
    const platforms = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl'];
    platforms.push('darwin-x64', 'darwin-arm64', 'win32-x64', 'win32-arm64');
    const literal = platforms.map((name) => `'../native/loki-mode-sdk.${name}.node'`);
    assert.deepEqual(required.sort(), [...literal, 'override'].sort());
  });

  it('says what to do when the native module cannot be loaded', () => {
    const env = { ...process.env, LOKI_SDK_NATIVE_PATH: '/nowhere/at-all.node' };
    const { status, stderr } = spawnSync(process.execPath, ['-e', "require('.')"], { encoding: 'utf8', env });
    assert.equal(status, 1);
    assert.match(
      stderr,
      /native module for LOKI_SDK_NATIVE_PATH=\/nowhere\/at-all\.node could not be loaded/,
    );
    assert.ok(stderr.includes(process.version));
    assert.match(stderr, /npm install loki-mode-sdk/);
  });

  it('knows the errors of a copy of itself that was loaded again', async () => {
    const loaded = Object.keys(require.cache);
    const kept = loaded.map((name) => [name, require.cache[name]]);
    for (const name of loaded) delete require.cache[name];
    const copy = require('loki-mode-sdk');
    for (const [name, module] of kept) require.cache[name] = module;
    assert.notEqual(copy.AutonomiClient, cjs.AutonomiClient);
    const client = new copy.AutonomiClient({ baseUrl: 'http://127.0.0.1:1', maxRetries: 0 });
    const error = await client.getStatus().catch((error) => error);
    assert.ok(error instanceof copy.APIConnectionError);
    assert.ok(error instanceof cjs.APIConnectionError);
    assert.ok(error instanceof cjs.AutonomiError);
    assert.ok(!(error instanceof cjs.NotFoundError));
    for (const other of [null, undefined, 5, new Error('x'), {}])
      assert.ok(!(other instanceof cjs.AutonomiError));
    class Mine extends cjs.APIConnectionError {}
    assert.ok(!(error instanceof Mine));
    assert.ok(new Mine('x') instanceof Mine && new Mine('x') instanceof copy.APIConnectionError);
    assert.throws(() => new cjs.EventStream(client), {
      name: 'TypeError',
      message: /another copy of loki-mode-sdk/,
    });
    client.close();
  });

  it('works where a test runner has replaced the timers', () => {
    const code = `
      for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout']) globalThis[name] = () => 5;
      const { AutonomiClient } = require('.');
      const token = () => new Promise(() => {});
      new AutonomiClient({ baseUrl: 'http://127.0.0.1:1', timeout: 50, token })
        .getStatus()
        .catch((error) => console.log(error.name));`;
    assert.equal(
      execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }).trim(),
      'APITimeoutError',
    );
  });

  it('is disposable where the runtime has it', async () => {
    const client = new esm.AutonomiClient({ baseUrl: 'http://127.0.0.1:1' });
    const dispose = client[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')];
    await dispose.call(client);
    await assert.rejects(client.getStatus(), /closed/);
  });
});
