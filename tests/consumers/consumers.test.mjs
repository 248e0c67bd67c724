// The package as its users get it: packed, installed into a folder of its own, without Rust and without the checkout.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clearEnvironment } from '../node/support/binaries.mjs';
import { FaultServer } from '../node/support/fault-server.mjs';

clearEnvironment();
delete process.env.LOKI_SDK_NATIVE_PATH;
const here = dirname(fileURLToPath(import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const esbuild = createRequire(join(here, '..', 'peers', 'package.json'))('esbuild');

const REPLIES = [
  { json: [{ id: 1, project_id: 1, title: 'Write migration', status: 'pending', priority: 'high' }] },
  { status: 404, json: { detail: 'Project not found' } },
];

describe('projects that use the package', () => {
  let server;
  let folder;
  let tarball;
  let env;

  before(() => {
    server = new FaultServer();
    folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
    // Node and what npm needs, nothing else: no cargo, no rustc.
    const tools = join(folder, 'bin');
    mkdirSync(tools);
    symlinkSync(process.execPath, join(tools, 'node'));
    env = { ...process.env, PATH: `${tools}:/usr/bin:/bin` };
    const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
    execFileSync('npm', pack, { cwd: join(here, '..', '..') });
    [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.stop();
  });

  for (const [name, compiled] of [
    ['cjs', false],
    ['mjs', false],
    ['ts-cjs', true],
    ['ts-esm', true],
  ]) {
    it(name, async () => {
      const project = install(name);
      if (compiled) execFileSync(process.execPath, [tsc, '-p', project], { env, stdio: 'inherit' });
      await check(project, join(project, 'main.js'));
    });
  }

  // As docs/node.md says.
  for (const [name, options] of [
    ['left out', { external: ['loki-mode-sdk'] }],
    ['with a copy of the native module', { loader: { '.node': 'copy' } }],
  ]) {
    it(`bundled by esbuild, ${name}`, async () => {
      const project = install('cjs', name);
      const bundle = join(project, 'dist', 'bundle.js');
      const entryPoints = [join(project, 'main.js')];
      await esbuild.build({ entryPoints, outfile: bundle, bundle: true, platform: 'node', ...options });
      if (!options.external) rmSync(join(project, 'node_modules'), { recursive: true });
      await check(project, bundle);
    });
  }

  function install(name, as = name) {
    const project = join(folder, as);
    cpSync(join(here, name), project, { recursive: true });
    // npm itself may stand outside of the short path.
    const command = ['install', '--silent', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    execFileSync('npm', [...command, join(folder, tarball)], { cwd: project });
    return project;
  }

  async function check(project, program) {
    const baseUrl = await server.serve(REPLIES);
    const argv = [program, baseUrl];
    const printed = execFileSync(process.execPath, argv, { cwd: project, env, encoding: 'utf8' });
    assert.equal(printed, 'Write migration, then 404, then task_completed\n');
  }
});
