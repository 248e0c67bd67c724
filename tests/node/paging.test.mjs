// Long lists: every row once, on each of the servers there are, while rows are added and removed.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import {
  AutonomiClient,
  ConfigError,
  LokiClient,
  NotAvailableError,
  PermissionDeniedError,
  SessionManager,
  TaskManager,
} from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();

async function all(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

const ids = (items) => items.map((item) => item.id);

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  describe(`lists of ${profile}`, () => {
    let plane;
    let client;
    let project;
    before(async () => {
      plane = await startControlPlane(profile);
      client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
      project = await client.createProject('paged', undefined, { tenantId: 1 });
      for (let count = 0; count < 55; count += 1) await client.createRun(project.id);
    });
    after(async () => {
      client.close();
      await plane.stop();
    });

    it('runs come one by one and page by page, with their filters', async () => {
      const expected = ids(await client.listRuns(project.id, undefined, { limit: 1000 }));
      assert.equal(expected.length, 55);
      assert.deepEqual(ids(await all(client.iterRuns(project.id))), expected);
      assert.deepEqual(ids(await all(client.iterRuns(project.id, 'running', { pageSize: 7 }))), expected);
      assert.deepEqual(await all(client.iterRuns(project.id, 'failed')), []);
      const pages = await all(client.iterRuns(project.id, undefined, { pageSize: 20 }).pages());
      assert.deepEqual(
        pages.map((page) => page.length),
        [20, 20, 15],
      );
      assert.deepEqual(ids(pages.flat()), expected);
      const few = await all(client.iterRuns(project.id, undefined, { pageSize: 4, maxItems: 10 }));
      assert.deepEqual(ids(few), expected.slice(0, 10));
      const every = { maxItems: Number.POSITIVE_INFINITY };
      assert.deepEqual(ids(await all(client.iterRuns(project.id, undefined, every))), expected);
    });

    it('runs that are started meanwhile repeat none', async () => {
      const before = ids(await client.listRuns(project.id, undefined, { limit: 1000 }));
      const given = [];
      for await (const page of client.iterRuns(project.id, undefined, { pageSize: 10 }).pages()) {
        given.push(...ids(page));
        await client.createRun(project.id);
        await client.createRun(project.id);
      }
      assert.equal(new Set(given).size, given.length);
      assert.deepEqual(
        before.filter((id) => !given.includes(id)),
        [],
      );
    });

    it('runs that leave the list as they are dealt with hide none', async () => {
      const other = await client.createProject('to be cancelled', undefined, { tenantId: 1 });
      for (let count = 0; count < 23; count += 1) await client.createRun(other.id);
      let cancelled = 0;
      for await (const run of client.iterRuns(other.id, 'running', { pageSize: 5 })) {
        await client.cancelRun(run.id);
        cancelled += 1;
      }
      assert.equal(cancelled, 23);
      assert.deepEqual(await client.listRuns(other.id, 'running'), []);
    });

    it('projects come whole, whatever the server makes of a limit', async () => {
      for (let count = 0; count < 60; count += 1) {
        await client.createProject(`p${count}`, undefined, { tenantId: 1 });
      }
      const names = (await all(client.iterProjects())).map((found) => found.name);
      assert.deepEqual(
        Array.from({ length: 60 }, (_, at) => `p${at}`).filter((name) => !names.includes(name)),
        [],
      );
      assert.equal((await all(client.iterProjects({ pageSize: 7 }))).length, names.length);
      assert.equal((await all(client.iterProjects({ status: 'active' }))).length, names.length);
      assert.deepEqual(await all(client.iterProjects({ status: 'archived', pageSize: 2 })), []);
    });

    it('the audit log comes whole, newest first, while it grows', async () => {
      const entries = [];
      let added = 0;
      for await (const page of client.iterAudit({ action: 'create' }, { pageSize: 25 }).pages()) {
        entries.push(...page.map((entry) => JSON.stringify(entry)));
        await client.createRun(project.id);
        added += 1;
      }
      assert.ok(added > 2);
      assert.equal(new Set(entries).size, entries.length);
      const now = await client.queryAudit({ action: 'create', limit: 10_000 });
      assert.deepEqual(
        entries,
        now.slice(added).map((entry) => JSON.stringify(entry)),
      );
    });

    it('tasks come whole, wherever they are listed', async () => {
      const expected = ids(await client.listTasks());
      assert.deepEqual(ids(await all(client.iterTasks())), expected);
      const tasks = new TaskManager(client);
      const pages = await all(tasks.iterTasks(undefined, undefined, { pageSize: 2 }).pages());
      assert.deepEqual(ids(pages.flat()), expected);
      const loki = new LokiClient(plane.baseUrl, { token: TOKEN });
      assert.deepEqual(ids(await all(loki.iterTasks(undefined, undefined, { pageSize: 1 }))), expected);
      const pending = ids(await loki.listTasks(undefined, 'pending'));
      assert.deepEqual(ids(await all(loki.iterTasks(undefined, 'pending'))), pending);
      loki.close();
    });
  });
}

describe('a pager', () => {
  let server;
  const clients = [];
  function client(baseUrl, options = {}) {
    const made = new AutonomiClient({ baseUrl, pathStyle: 'guide', ...options });
    clients.push(made);
    return made;
  }
  const page = (...numbers) => ({ json: numbers.map((id) => ({ id, status: 'running' })) });
  before(() => {
    server = new FaultServer();
  });
  afterEach(() => {
    for (const made of clients.splice(0)) made.close();
  });
  after(() => server.stop());

  it('asks for nothing before it is wanted, and for no more', async () => {
    const sdk = client(await server.serve([page(5, 4, 3)]));
    const pager = sdk.iterRuns(7, 'running', { pageSize: 3 });
    assert.deepEqual((await server.recorded()).requests, []);
    for await (const run of pager) if (run.id === 3) break;
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map(({ path, query }) => [path, query]),
      [['/api/runs', { project_id: '7', status: 'running', limit: '3' }]],
    );
    assert.deepEqual(await pager.next(), { done: true, value: undefined });
  });

  it('goes on after an error where it stood, with the retries and headers of a call', async () => {
    const baseUrl = await server.serve([
      page(5, 4),
      { status: 403, json: { detail: 'no' } },
      { status: 503, headers: { 'retry-after': '0' }, json: {} },
      page(4, 3),
      page(3),
    ]);
    const pager = client(baseUrl).iterRuns(undefined, undefined, { pageSize: 2, headers: { 'x-a': 'b' } });
    assert.equal((await pager.next()).value.id, 5);
    assert.equal((await pager.next()).value.id, 4);
    await assert.rejects(pager.next(), PermissionDeniedError);
    assert.deepEqual(ids(await all(pager)), [3]);
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map((request) => request.headers['x-a']),
      ['b', 'b', 'b', 'b', 'b'],
    );
  });

  it('says so when only the beginning of a list is to be had', async () => {
    const cut = (count) => page(...[9, 8, 7].slice(0, count));
    const sdk = client(await server.serve([cut(2), cut(3), cut(3), cut(2)]));
    const given = [];
    await assert.rejects(
      async () => {
        for await (const run of sdk.iterRuns(undefined, undefined, { pageSize: 2 })) given.push(run.id);
      },
      (error) =>
        error instanceof NotAvailableError && /no notice of `offset`.*only the first 3/.test(error.message),
    );
    assert.deepEqual(given, [9, 8, 7]);
  });

  it('is ended by its signal and by its client', async () => {
    const controller = new AbortController();
    const sdk = client(await server.serve([{ faults: { hold: true } }]));
    const waiting = sdk.iterRuns(1, undefined, { signal: controller.signal }).next();
    const outcome = assert.rejects(waiting, { name: 'AbortError' });
    await server.arrived(1);
    controller.abort();
    await outcome;
    sdk.close();
    assert.throws(() => sdk.iterRuns(), /closed/);
  });

  it('is offered by whoever lists', () => {
    const own = (face) => Object.getOwnPropertyNames(face.prototype);
    const pagers = own(AutonomiClient).filter((name) => name.startsWith('iter'));
    assert.ok(pagers.length >= 5);
    const lists = (name) => (name === 'iterAudit' ? 'queryAudit' : name.replace('iter', 'list'));
    let counted = 0;
    // The operations of `LokiClient` are one class above.
    for (const face of [TaskManager, SessionManager, Object.getPrototypeOf(LokiClient)]) {
      const offered = pagers.filter((name) => own(face).includes(lists(name)));
      assert.deepEqual(
        own(face).filter((name) => name.startsWith('iter')),
        offered,
        face.name,
      );
      counted += offered.length;
    }
    assert.ok(counted >= 3);
  });

  it('hands everything on, as a method of a helper class', async () => {
    const list = { json: { tasks: [{ id: 'a' }, { id: 'b' }], pagination: { total: 2 } } };
    const baseUrl = await server.serve([{ json: [{ id: 1 }, { id: 2 }] }, list]);
    const options = { maxItems: 1, pageSize: 5, maxRetries: 0, headers: { 'x-a': 'b' } };
    const pager = new TaskManager(client(baseUrl)).iterTasks('p', 'done', options);
    assert.equal(typeof pager.pages, 'function');
    assert.deepEqual(ids(await all(pager)), [1]);
    const loki = new LokiClient(baseUrl);
    assert.deepEqual(ids(await all(loki.iterSessionTasks('s', 'failed', options))), ['a']);
    loki.close();
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map(({ path, query, headers }) => [path, query, headers['x-a']]),
      [
        ['/api/tasks', { project_id: 'p', status: 'done', limit: '1' }, 'b'],
        ['/api/sessions/s/tasks', { status: 'failed', limit: '1' }, 'b'],
      ],
    );
    const tasks = new TaskManager(client(baseUrl));
    assert.throws(() => tasks.iterTasks(1, 'done', { limit: 5 }), /iterTasks has no option limit/);
  });

  it('refuses what is no good', async () => {
    const sdk = client(await server.serve([]));
    const config = (param) => (error) => error instanceof ConfigError && error.param === param;
    assert.throws(() => sdk.iterRuns(1, 'running', { pageSize: 0 }), config('pageSize'));
    assert.throws(() => sdk.iterRuns(1, 'running', { pageSize: 1001 }), config('pageSize'));
    assert.throws(
      () => sdk.iterRuns(1, 'running', { pageSize: 1001 }),
      /`pageSize` of `iterRuns` must be from 1/,
    );
    assert.throws(() => sdk.iterRuns(1, 'running', { maxItems: -1 }), config('maxItems'));
    assert.throws(() => sdk.iterRuns(1, 'running', { timeout: 0 }), config('timeout'));
    assert.throws(() => sdk.iterRuns(1, 'running', { limit: 5 }), /iterRuns has no option limit/);
    assert.throws(() => sdk.iterAudit({ offset: 5 }), /iterAudit has no field offset/);
    assert.throws(() => sdk.iterSessionTasks(), /sessionId is missing: iterSessionTasks needs it/);
    assert.throws(() => sdk.iterSessionTasks('../x'), ConfigError);
    assert.throws(() => sdk.iterRuns({}), TypeError);
    assert.deepEqual(await all(sdk.iterRuns(1, 'running', { maxItems: 0 })), []);
    assert.deepEqual((await server.recorded()).requests, []);
  });
});
