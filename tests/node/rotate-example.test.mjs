// examples/rotate-key.mjs, run as in CI: the new token is where it should be, and nowhere else.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AuthenticationError, AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();

const example = fileURLToPath(new URL('../../examples/rotate-key.mjs', import.meta.url));

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  describe(`the rotation example with ${profile}`, () => {
    let plane;
    let client;
    let count = 0;
    const folder = mkdtempSync(join(tmpdir(), 'loki-rotate-'));
    before(async () => {
      plane = await startControlPlane(profile);
      client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
    });
    after(async () => {
      client.close();
      await plane.stop();
      rmSync(folder, { recursive: true });
    });
    const newKey = () => {
      count += 1;
      return client.createApiKey(`ci-${count}`, 'operator');
    };
    const works = (token) =>
      client
        .withOptions({ token })
        .listApiKeys()
        .then(
          () => true,
          (error) => {
            assert.ok(error instanceof AuthenticationError);
            return false;
          },
        );
    const rotate = (...args) => {
      const env = { ...process.env, LOKI_BASE_URL: plane.baseUrl, LOKI_API_TOKEN: TOKEN };
      const child = spawn(process.execPath, [example, ...args], { cwd: folder, env });
      const printed = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr']) {
        child[name].on('data', (text) => {
          printed[name] += text;
        });
      }
      return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...printed })));
    };

    for (const deleteOld of [false, true]) {
      it(`stores the new token, and ${deleteOld ? 'deletes' : 'keeps'} the old key`, async () => {
        const key = await newKey();
        const file = join(folder, `${key.id}.txt`);
        const options = ['--key', key.id, '--output', file];
        const done = await rotate(...options, ...(deleteOld ? ['--delete-old'] : []));
        assert.equal(done.code, 0, done.stderr);
        const token = readFileSync(file, 'utf8').trim();
        assert.equal(statSync(file).mode & 0o777, 0o600);
        assert.deepEqual([await works(token), await works(key.token)], [true, !deleteOld]);
        assert.match(done.stdout, deleteOld ? /was deleted/ : /works until 2/);
        assert.ok(!`${done.stdout}${done.stderr}`.includes(token));
        assert.deepEqual(
          readdirSync(folder).filter((name) => name.startsWith('.')),
          [],
        );
      });
    }

    it('leaves the old key if the new token cannot be stored', async () => {
      const key = await newKey();
      process.env.GITHUB_OUTPUT = '/dev/full';
      const done = await rotate('--key', key.id, '--github-output', 'TOKEN', '--delete-old');
      delete process.env.GITHUB_OUTPUT;
      assert.equal(done.code, 1);
      assert.match(done.stderr, /storing its new token failed/);
      assert.ok(done.stderr.includes(`the old key (${key.id}) works until`), done.stderr);
      assert.ok(!`${done.stdout.replace(/^::add-mask::.*$/m, '')}${done.stderr}`.includes('loki_'));
      assert.ok(await works(key.token));
    });

    it('rotates nothing where no file can be', async () => {
      const key = await newKey();
      mkdirSync(join(folder, 'taken'), { recursive: true });
      const done = await rotate('--key', key.id, '--output', join(folder, 'taken'), '--delete-old');
      assert.deepEqual([done.code, done.stdout], [1, '']);
      assert.match(
        done.stderr,
        /nothing was rotated, the output cannot be written: .*taken is no regular file/,
      );
      assert.ok(await works(key.token));
    });
  });
}
