// Following runs of the local control plane, also over one that is killed and over a bad line.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { AutonomiClient, EventStream, NotFoundError } from 'loki-mode-sdk';
import { Line } from './support/bad-line.mjs';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { add, all, DONE, ids, next, QUICK } from './support/following.mjs';
import { program } from './support/program.mjs';

clearEnvironment();

describe('following runs of the local control plane', () => {
  for (const profile of ['guide', 'v5.51', 'v9.22']) {
    describe(`as ${profile}`, () => {
      let server;
      let client;
      let project;
      let run;
      before(async () => {
        server = await startControlPlane(profile);
        client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
        project = (await client.listProjects())[0].id;
      });
      after(async () => {
        client.close();
        await server.stop();
      });
      // A run that goes on, with three events.
      const started = async () => {
        run = await client.createRun(project);
        await add(client, run, 3);
      };

      it('gives each event once, to the end', async () => {
        await started();
        const expected = ids(await client.getRunTimeline(run.id));
        const goOn = async () => {
          for (let round = 0; round < 5; round++) {
            await pause(50);
            expected.push(...ids(await add(client, run, 4)));
          }
          expected.push(...ids(await add(client, run, 1, 'run_completed')));
        };
        const going = goOn();
        const follower = new EventStream(client).follow(run.id, { pollInterval: QUICK });
        assert.equal(follower[Symbol.asyncIterator](), follower);
        const events = await all(follower);
        await going;
        assert.deepEqual(ids(events), expected);
        assert.deepEqual(events, await client.getRunTimeline(run.id));
        assert.equal(follower.status, (await client.getRun(run.id)).status);
        assert.deepEqual(await follower.next(), DONE);
      });

      it('gives a run that has ended as a whole', async () => {
        await started();
        await client.cancelRun(run.id);
        const follower = new EventStream(client).follow(String(run.id));
        assert.equal(follower.status, null);
        assert.deepEqual(await all(follower), await client.getRunTimeline(run.id));
        assert.equal(follower.status, 'cancelled');
      });

      it('sees twenty events of one second once in the loop of the guide', async () => {
        await started();
        // As in the guide, but for the number of rounds and the length of the sleep.
        const events = new EventStream(client);
        const seen = [];
        let lastTimestamp;
        for (const count of [7, 0, 6, 1, 6, 0]) {
          await add(client, run, count);
          for (const event of await events.pollEvents(run.id, lastTimestamp)) {
            seen.push(event);
            lastTimestamp = event.timestamp;
          }
          await pause(10);
        }
        assert.equal(seen.length, 23);
        assert.deepEqual(seen, await client.getRunTimeline(run.id));
      });

      it('begins at a date', async () => {
        await started();
        await client.cancelRun(run.id);
        const timeline = await client.getRunTimeline(run.id);
        const hour = 3_600_000;
        for (const since of [new Date(Date.now() - hour), timeline[0].timestamp]) {
          assert.deepEqual(await all(new EventStream(client).follow(run.id, { since })), timeline);
          assert.deepEqual(await new EventStream(client).pollEvents(run.id, since), timeline);
        }
        const since = new Date(Date.now() + hour);
        assert.deepEqual(await all(new EventStream(client).follow(run.id, { since })), []);
        assert.deepEqual(await new EventStream(client).pollEvents(run.id, since), []);
      });

      it('follows many runs at once', async () => {
        const runs = [];
        for (let n = 0; n < 4; n++) runs.push(await client.createRun(project));
        const goOn = async () => {
          for (let round = 0; round < 4; round++) for (const each of runs) await add(client, each);
          for (const each of runs) await add(client, each, 1, 'run_completed');
        };
        const going = goOn();
        const runIds = new Set(ids(runs));
        const follower = new EventStream(client).followMany(runIds, { pollInterval: QUICK });
        const events = await all(follower);
        await going;
        for (const each of runs) {
          const own = events.filter((event) => event.run_id === each.id);
          assert.deepEqual(own, await client.getRunTimeline(each.id));
          assert.equal(follower.statusOf(each.id), 'completed');
          assert.equal(follower.statusOf(String(each.id)), 'completed');
        }
        assert.equal(follower.status, null);
        assert.equal(follower.statusOf('nobody'), null);
      });

      it('takes up the runs of a project as they start', async () => {
        for (const each of await client.listRuns(project, 'running')) await client.cancelRun(each.id);
        const first = await client.createRun(project);
        await add(client, first);
        const options = { projectId: project, pollInterval: QUICK };
        const follower = new EventStream(client).followMany([], options);
        assert.equal((await next(follower)).run_id, first.id);
        const second = await client.createRun(project);
        await add(client, second);
        assert.equal((await next(follower)).run_id, second.id);
        follower.close();
        await client.cancelRun(first.id);
        // Another one goes on where this one stopped, also with a run that it has not heard of.
        const third = await client.createRun(project);
        await add(client, third);
        const other = new EventStream(client).followMany(undefined, { ...options, cursor: follower.cursor });
        assert.equal((await next(other)).run_id, third.id);
        await other.return();
        await client.cancelRun(second.id);
        await client.cancelRun(third.id);
      });

      it('says that there is no such run', async () => {
        const follower = new EventStream(client).follow(987654, { pollInterval: QUICK });
        const loop = async () => {
          for await (const event of follower) assert.fail(`there is no event ${event.id}`);
        };
        await assert.rejects(loop(), (error) => {
          assert.ok(error instanceof NotFoundError);
          assert.match(error.stack, /at (?:async )?loop .*follow\.test\.mjs/);
          return true;
        });
      });

      it('goes on in a new process where the last one stopped', async () => {
        await started();
        await add(client, run, 20);
        const code = `
          const [baseUrl, token, runId, cursor, count] = process.argv.slice(1);
          const client = new sdk.AutonomiClient({ baseUrl, token });
          const follower = new sdk.EventStream(client).follow(runId, { cursor: cursor || null, pollInterval: 20 });
          let left = Number(count);
          for await (const event of follower) {
            console.log(event.id);
            if (--left === 0) break;
          }
          console.log(follower.cursor);`;
        const seen = [];
        let cursor = '';
        for (const count of [5, 1, 8, 20]) {
          if (count === 20) await add(client, run, 3, 'run_completed');
          const told = (await program(code, server.baseUrl, TOKEN, run.id, cursor, count)).split('\n');
          cursor = told.pop();
          seen.push(...told.map(Number));
        }
        assert.deepEqual(seen, ids(await client.getRunTimeline(run.id)));
        assert.equal(seen.length, 26);
      });
    });
  }
});

describe('a follower', () => {
  for (const profile of ['guide', 'v9.22']) {
    it(`outlives the server, as ${profile}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-'));
      const server = await startControlPlane(profile, '--data', join(folder, 'plane.db'));
      const client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
      try {
        const run = await client.createRun((await client.listProjects())[0].id);
        const goOn = async () => {
          for (let round = 0; round < 3; round++) {
            await add(client, run, 5);
            await pause(100);
            await server.kill();
            await pause(100);
            await server.restart();
          }
          await add(client, run, 5);
          await add(client, run, 1, 'run_completed');
        };
        const going = goOn();
        const events = await all(new EventStream(client).follow(run.id, { pollInterval: QUICK }));
        await going;
        assert.equal(events.length, 21);
        assert.deepEqual(events, await client.getRunTimeline(run.id));
      } finally {
        client.close();
        await server.stop();
        rmSync(folder, { recursive: true });
      }
    });
  }

  for (const profile of ['guide', 'v5.51']) {
    it(`loses nothing over a bad line, as ${profile}`, async () => {
      const server = await startControlPlane(profile);
      const line = new Line();
      const client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
      const baseUrl = await line.to(server.baseUrl, { seed: 7, rate: 0.2 });
      const over = new AutonomiClient({ baseUrl, token: TOKEN, timeout: 1000 });
      try {
        const run = await client.createRun((await client.listProjects())[0].id);
        const goOn = async () => {
          for (let round = 0; round < 20; round++) {
            await add(client, run, 2);
            await pause(50);
          }
          await add(client, run, 1, 'run_completed');
        };
        const going = goOn();
        const events = await all(new EventStream(over).follow(run.id, { pollInterval: QUICK }));
        await going;
        assert.deepEqual(events, await client.getRunTimeline(run.id));
        assert.equal(events.length, 41);
        assert.ok((await line.broken()) > 0);
      } finally {
        over.close();
        client.close();
        await line.stop();
        await server.stop();
      }
    });
  }
});
