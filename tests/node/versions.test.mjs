// The runtimes that the package promises to run in: the oldest and the newest Node.js beside the one that runs the tests, and
// that one with flags that change what JavaScript may do.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const SMOKE = file('support/smoke.mjs');

const EXPECTED = `calls: 100
errors: true
signals: enough
timeouts: true
token providers: 7
live events: task 1,task 2
followed events: 1,2
waits: completed
pages: 0
workers: 7
close: the client is closed
`;

describe('the package', () => {
  const skip =
    process.platform !== 'linux' || process.arch !== 'x64' ? 'there are none of this platform' : false;
  const programOf = (name) => file(`../peers/node_modules/${name}/bin/node`);
  const versionOf = async (name) => (await run(programOf(name), ['--version'])).stdout.trim().slice(1);

  it('does its work in the Node.js that runs the tests', async () => {
    assert.equal((await run(process.execPath, [SMOKE])).stdout, EXPECTED);
  });

  for (const flags of [
    ['--frozen-intrinsics'],
    ['--disallow-code-generation-from-strings', '--disable-proto=throw'],
    ['--unhandled-rejections=strict', '--pending-deprecation', '--throw-deprecation'],
    ['--stack-trace-limit=3'],
  ]) {
    it(`does its work with ${flags.join(' ')}`, async () => {
      assert.equal((await run(process.execPath, [...flags, SMOKE])).stdout, EXPECTED);
    });
  }

  it('does its work where calls have threads', async () => {
    const env = { ...process.env, LOKI_SDK_THREADS: '1' };
    assert.equal((await run(process.execPath, [SMOKE], { env })).stdout, EXPECTED);
  });

  for (const name of ['node-oldest', 'node-newest']) {
    it(`does its work in ${name}`, { skip }, async () => {
      assert.equal((await run(programOf(name), [SMOKE])).stdout, EXPECTED);
    });
  }

  it('promises no older Node.js than is tested', { skip }, async () => {
    const { engines } = JSON.parse(readFileSync(file('../../package.json'), 'utf8'));
    assert.equal(engines.node, `>=${(await versionOf('node-oldest')).replace(/(\.0)+$/, '')}`);
    const newest = Number.parseInt(await versionOf('node-newest'), 10);
    assert.ok(newest > Number.parseInt(process.versions.node, 10));
  });
});
