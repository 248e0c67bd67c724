// examples/express-webhook.mjs, run as it says, against all three profiles.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient, TaskManager } from 'loki-mode-sdk';
import { sign } from 'loki-mode-sdk/webhooks';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();
const ROOT = process.cwd();
const SECRET = 'a secret of both sides';
const OLD_SECRET = 'the one before it';

describe('the Express example', () => {
  let folder;

  before(() => {
    // A project that has installed both packages.
    folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
    mkdirSync(join(folder, 'node_modules'));
    symlinkSync(ROOT, join(folder, 'node_modules', 'loki-mode-sdk'));
    symlinkSync(
      join(ROOT, 'tests', 'peers', 'node_modules', 'express'),
      join(folder, 'node_modules', 'express'),
    );
    cpSync(join(ROOT, 'examples', 'express-webhook.mjs'), join(folder, 'express-webhook.mjs'));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const profile of ['guide', 'v5.51', 'v9.22']) {
    it(`completes the task of a signed webhook (${profile})`, async () => {
      const plane = await startControlPlane(profile);
      let app;
      try {
        app = await startExample(folder, plane.baseUrl);
        const client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
        const tasks = new TaskManager(client);
        const [project] = await client.listProjects();
        for (const [scheme, secret] of [
          ['loki', SECRET],
          ['standard', OLD_SECRET],
          ['github', SECRET],
        ]) {
          const { id } = await tasks.createTask(project.id, `a task, ${scheme}`);
          const body = JSON.stringify({ event: 'task_complete', metadata: { task_id: id } });
          assert.equal((await app.post(body, {}))[0], 401);
          assert.equal((await app.post(body, sign(body, 'another', { scheme })))[0], 401);
          assert.equal((await app.post(`${body} `, sign(body, secret, { scheme })))[0], 401);
          assert.equal((await client.getTask(id)).status, 'pending');
          assert.deepEqual(await app.post(body, sign(body, secret, { scheme })), [200, { ok: true }]);
          assert.ok(['completed', 'done'].includes((await client.getTask(id)).status));
        }
        for (const [body, status] of [
          ['{"event": "session_start"}', 200],
          ['{"type": "task_completed"}', 200],
          ['{"type": "task_completed", "task_id": 999999}', 404],
          ['[]', 400],
          ['', 400],
        ]) {
          assert.equal((await app.post(body, sign(body, SECRET)))[0], status, body);
        }
      } finally {
        await app?.stop();
        await plane.stop();
      }
    });
  }
});

async function startExample(cwd, controlPlane) {
  const env = {
    ...process.env,
    PORT: '0',
    LOKI_BASE_URL: controlPlane,
    LOKI_API_TOKEN: TOKEN,
    LOKI_WEBHOOK_SECRET: SECRET,
    LOKI_WEBHOOK_OLD_SECRET: OLD_SECRET,
  };
  const child = spawn(process.execPath, ['express-webhook.mjs'], { cwd, env });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let problems = '';
  child.stderr.on('data', (data) => {
    problems += data;
  });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    ended.then((code) => reject(new Error(`ended with status ${code}: ${problems}`)));
  });
  const url = `${line.replace('listening at ', '')}/webhook`;
  return {
    async post(body, headers) {
      const answer = await fetch(url, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', ...headers },
      });
      return [answer.status, await answer.json()];
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}
