// Results are plain objects that lose nothing, and that can do no harm.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();

function assertPlain(value) {
  assert.deepEqual(structuredClone(value), value);
  assert.deepEqual(JSON.parse(JSON.stringify(value)), value);
  for (const each of [value].flat()) assert.equal(Object.getPrototypeOf(each), Object.prototype);
}

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  it(`results of ${profile} are plain objects`, async () => {
    const server = await startControlPlane(profile);
    try {
      const client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
      const [runs, projects, tasks, keys, audit] = await Promise.all([
        client.listRuns(),
        client.listProjects(),
        client.listTasks(),
        client.listApiKeys(),
        client.queryAudit(),
      ]);
      for (const list of [runs, projects, tasks, keys, audit]) {
        assert.ok(list.length > 0);
        assertPlain(list);
      }
      assertPlain(await client.getRun(runs[0].id));
    } finally {
      await server.stop();
    }
  });
}

describe('an answer', () => {
  let server;
  before(() => {
    server = new FaultServer();
  });
  after(() => server.stop());

  async function answer(text) {
    const baseUrl = await server.serve([{ text, headers: { 'content-type': 'application/json' } }]);
    return await new AutonomiClient({ baseUrl }).getProject(1);
  }

  it('with a key `__proto__` changes no prototype', async () => {
    const project = await answer(
      '{"id": 1, "__proto__": {"polluted": true}, "x": {"__proto__": 1, "constructor": 2}}',
    );
    assert.equal(Object.getPrototypeOf(project), Object.prototype);
    assert.equal(project.polluted, undefined);
    assert.equal({}.polluted, undefined);
    assert.deepEqual(Object.keys(project), ['id', '__proto__', 'x']);
    assert.deepEqual(Object.keys(project.x), ['__proto__', 'constructor']);
  });

  it('keeps unknown fields, their order, null and missing apart', async () => {
    const text = '{"id":1,"z":[1,0.1,null,{"b":[]}],"description":null,"a":"é"}';
    const project = await answer(text);
    assert.equal(JSON.stringify(project), text);
    assert.ok('description' in project && !('status' in project));
  });

  it('keeps integers up to 2^53 and identifiers that are text', async () => {
    assert.equal((await answer('{"id": 9007199254740991}')).id, Number.MAX_SAFE_INTEGER);
    assert.equal((await answer('{"id": "1234567890123456789012"}')).id, '1234567890123456789012');
    assert.equal((await answer('{"id": 9007199254740993}')).id, 9007199254740992);
  });
});
