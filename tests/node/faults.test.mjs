// What holds while connections break: the short form of `make soak`.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { inParallel, KINDS, Line, writeOver } from './support/bad-line.mjs';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();

describe('a bad line', () => {
  let plane;
  before(async () => {
    plane = await startControlPlane('guide');
  });
  after(() => plane.stop());

  it('doubles no write and loses none', async () => {
    const line = new Line();
    const url = await line.to(plane.baseUrl, { seed: 20261122, rate: 0.4 });
    const tallies = await writeOver(url, plane.baseUrl, { each: 25, width: 8 });
    // Otherwise this says nothing.
    assert.ok((await line.broken()) >= 20);
    await line.stop();
    for (const kind of KINDS) {
      const { acknowledged, maybeExecuted, notExecuted, wrong } = tallies[kind];
      assert.deepEqual(wrong, [], kind);
      assert.equal(acknowledged + maybeExecuted + notExecuted, 25);
      assert.ok(acknowledged > 0);
    }
  });

  it('answers 64 calls at a time with their own answers', async () => {
    const client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
    const ids = [];
    for (let n = 0; n < 64; n++) ids.push((await client.createProject(`own ${n}`)).id);
    const asked = Array.from({ length: 1000 }, (_, n) => ids[n % ids.length]);
    await inParallel(64, asked, async (id) => {
      assert.equal((await client.getProject(id)).id, id);
    });
    client.close();
  });
});
