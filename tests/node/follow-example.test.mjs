// The example that follows a run, where its output goes to a file or a pipe.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { until } from './support/plane.mjs';

clearEnvironment();

describe('examples/follow-run.mjs', () => {
  let server;
  let client;
  let run;
  before(async () => {
    server = await startControlPlane('guide');
    client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
    run = await client.createRun((await client.listProjects())[0].id);
  });
  after(async () => {
    client.close();
    await server.stop();
  });

  const add = (type, phase, details) => client.createRunEvent(run.id, type, phase, details);
  const start = (...args) => {
    const env = { ...process.env, LOKI_BASE_URL: server.baseUrl, LOKI_API_TOKEN: TOKEN };
    const child = spawn(process.execPath, ['examples/follow-run.mjs', ...args], { env });
    const told = { child, text: '', ended: once(child, 'close') };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        told.text += text;
      });
    }
    return told;
  };

  it('shows the events as lines, and goes on where Ctrl-C has stopped it', async () => {
    await add('phase_start', 'ACT', { iteration: 1 });
    await add('tool_call', 'ACT', { message: 'Edit \x1b[2J a file' });
    const first = start(String(run.id));
    await until(() => first.text.includes('tool_call'));
    first.child.kill('SIGINT');
    assert.deepEqual(await first.ended, [130, null]);
    const [heading, begin, edit, stopped, command] = first.text.trimEnd().split('\n');
    assert.equal(heading, `following run ${run.id}`);
    assert.match(begin, /^\d\d:\d\d:\d\d {2}ACT {6}phase_start {4}iteration 1$/);
    assert.match(edit, /ACT {6}tool_call {6}Edit {2}\[2J a file$/);
    assert.equal(stopped, 'stopped after 2 events; to go on from here:');

    await add('test_result', 'VERIFY', { passed: 41 });
    await add('run_completed', undefined, {});
    const [, ...args] = command.trim().split(' ').slice(1);
    const second = start(...args);
    assert.deepEqual(await second.ended, [0, null]);
    const lines = second.text.trimEnd().split('\n');
    assert.equal(lines.length, 4, second.text);
    assert.match(lines[1], /VERIFY {3}test_result {4}passed 41$/);
    assert.match(lines[3], new RegExp(`^run ${run.id} completed after \\d+:\\d\\d, 2 events$`));
  });

  it('says what is wrong in a line', async () => {
    for (const [args, problem] of [
      [['987654'], /^error: GET \/api\/runs\/987654: 404 Run not found\n$/],
      [['1', '--cursor', 'x'], /^error: `cursor` is not one that a stream of this SDK gave/],
      [['--nonsense'], /^error: Unknown option '--nonsense'/],
    ]) {
      const told = start(...args);
      assert.deepEqual(await told.ended, [1, null]);
      assert.match(told.text, problem);
    }
  });
});
