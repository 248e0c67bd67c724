// Every TypeScript program of the SDK guide, against a control plane of each kind: same calls, same arguments, same
// order. Identifiers that do not exist there are replaced by some that do; where the guide prints, this checks.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  AuthenticationError,
  AutonomiClient,
  AutonomiError,
  EventStream,
  ForbiddenError,
  NotFoundError,
  type Project,
  type Run,
  type RunEvent,
  SessionManager,
  TaskManager,
  ValidationError,
} from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();

function first<T>(items: T[]): T {
  const [item] = items;
  assert.ok(item !== undefined, 'the list is empty');
  return item;
}

/** What a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => assert.fail(`gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** The guide's handler, with its answer instead of its prints. */
function handled(err: unknown): string {
  if (err instanceof NotFoundError) {
    return `Project not found: ${err.message}`;
  } else if (err instanceof AuthenticationError) {
    return `Auth failed: ${err.message}`;
  } else if (err instanceof ForbiddenError) {
    return `Access denied: ${err.message}`;
  } else if (err instanceof AutonomiError) {
    return `API error: ${err.message} ${err.statusCode} ${err.responseBody}`;
  }
  throw err;
}

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  describe(`the guide's programs, profile ${profile}`, () => {
    let server: Awaited<ReturnType<typeof startControlPlane>>;
    let client: AutonomiClient;

    before(async () => {
      server = await startControlPlane(profile);
      client = new AutonomiClient({ baseUrl: server.baseUrl, token: TOKEN });
    });
    after(() => server.stop());

    it('quick start', async () => {
      const status = await client.getStatus();
      assert.equal(typeof status.version, 'string');
      const projects = await client.listProjects();
      assert.ok(projects.length > 0);
      for (const p of projects) {
        assert.match(`  ${p.id}: ${p.name} (${p.status})`, /^ {2}\d+: .+ \(\w+\)$/);
      }
    });

    it('projects', async () => {
      const projects: Project[] = await client.listProjects();
      const project = await client.getProject(first(projects).id);
      assert.deepEqual([project.id, project.name], [first(projects).id, first(projects).name]);
      if (profile === 'v9.22') {
        // These servers want to know the tenant, and the error says how to name it.
        const error = await failure(client.createProject('New project', 'From the guide'));
        assert.ok(error instanceof ValidationError);
        assert.match(error.message, /tenant/i);
        const tenantId = first(await client.listTenants()).id;
        const made = await client.createProject('New project', 'From the guide', { tenantId });
        assert.equal(made.tenant_id, tenantId);
      } else {
        const made = await client.createProject('New project', 'From the guide');
        assert.deepEqual([made.name, made.description], ['New project', 'From the guide']);
      }
    });

    it('tasks', async () => {
      const project = first(await client.listProjects());
      assert.ok((await client.listTasks()).length > 0);
      for (const task of await client.listTasks(project.id, 'pending')) assert.equal(task.status, 'pending');
      const task = await client.createTask(project.id, 'Implement auth module', 'Add JWT authentication');
      assert.deepEqual([task.project_id, task.title], [project.id, 'Implement auth module']);
      assert.equal((await client.getTask(task.id)).title, 'Implement auth module');
    });

    it('runs', async () => {
      const project = first(await client.listProjects());
      const started = await client.createRun(project.id);
      const runs: Run[] = await client.listRuns(project.id, 'running');
      assert.ok(runs.some((run) => run.id === started.id));
      assert.equal((await client.getRun(started.id)).status, 'running');
      const cancelled = await client.cancelRun(started.id);
      assert.deepEqual([cancelled.id, cancelled.status], [started.id, 'cancelled']);
      const replayed = await client.replayRun(started.id);
      assert.notEqual(replayed.id, started.id);
      const done = first(await client.listRuns(undefined, 'completed'));
      const timeline: RunEvent[] = await client.getRunTimeline(done.id);
      assert.ok(timeline.length > 0);
      for (const event of timeline) assert.equal(event.run_id, done.id);
    });

    it('tenants', async () => {
      const made = await client.createTenant(`Tenant of ${profile}`, 'From the guide');
      assert.ok(made.slug.length > 0);
      assert.ok((await client.listTenants()).some((tenant) => tenant.id === made.id));
      assert.equal((await client.getTenant(made.id)).name, made.name);
      assert.equal(await client.deleteTenant(made.id), undefined);
      assert.ok((await failure(client.getTenant(made.id))) instanceof NotFoundError);
    });

    it('API keys', async () => {
      const made = await client.createApiKey('guide-key', 'operator');
      assert.match(made.token, /^loki_/);
      assert.deepEqual([made.name, made.role], ['guide-key', 'operator']);
      assert.ok((await client.listApiKeys()).some((key) => key.id === made.id && !('token' in key)));
      const viewer = await client.createApiKey('guide-viewer');
      assert.equal(viewer.role, 'viewer');
      assert.equal(await client.deleteApiKey(viewer.id), undefined);
      const gone = new AutonomiClient({ baseUrl: server.baseUrl, token: viewer.token });
      assert.ok((await failure(gone.listApiKeys())) instanceof AuthenticationError);
    });

    it('audit, pagination and filtering', async () => {
      const entries = await client.queryAudit({ limit: 5 });
      assert.equal(entries.length, 5);
      for (const entry of entries) assert.equal(typeof entry.success, 'boolean');
      assert.ok((await client.queryAudit()).length >= entries.length);
      for (const run of await client.listRuns(1, 'running')) {
        assert.deepEqual([run.project_id, run.status], [1, 'running']);
      }
    });

    it('error handling', async () => {
      const missing = await failure(client.getProject(999));
      assert.match(handled(missing), /^Project not found: .+/);
      assert.ok(missing instanceof AutonomiError);
      assert.equal(missing.statusCode, 404);
      assert.equal(typeof missing.responseBody, 'string');
      const stranger = new AutonomiClient({ baseUrl: server.baseUrl, token: 'loki_xxx' });
      assert.match(handled(await failure(stranger.listRuns())), /^Auth failed: .+/);
      const { token } = await client.createApiKey('guide-reader', 'viewer');
      const reader = new AutonomiClient({ baseUrl: server.baseUrl, token });
      assert.match(handled(await failure(reader.createRun(1))), /^Access denied: .+/);
    });

    it('API key rotation', async () => {
      const result = await client.rotateApiKey('ci-pipeline', 24);
      assert.match(result.token, /^loki_/);
      const rotated = new AutonomiClient({ baseUrl: server.baseUrl, token: result.token });
      assert.ok((await rotated.listRuns()) !== undefined);
    });

    it('audit chain verification', async () => {
      const result = await client.verifyAudit();
      assert.equal(result.valid, true, 'AUDIT CHAIN COMPROMISED');
      assert.ok(result.entries_checked > 0);
    });

    it('the helper classes, which the guide has in Python', async () => {
      const project = first(await client.listProjects());
      const sessions = new SessionManager(client);
      for (const session of await sessions.listSessions(project.id)) {
        assert.equal((await sessions.getSession(session.id)).id, session.id);
      }
      const tasks = new TaskManager(client);
      const task = await tasks.createTask(project.id, 'Implement auth module', 'Add JWT', {
        priority: 'high',
      });
      assert.equal(task.priority, 'high');
      assert.equal((await tasks.updateTask(task.id, 'in_progress')).status, 'in_progress');
      const done = await tasks.updateTask(task.id, 'completed');
      assert.match(done.status, /^(completed|done)$/);
    });

    it('following a run: every event once, also those that share a second', async () => {
      const running = first(await client.listRuns(undefined, 'running'));
      const all = await client.getRunTimeline(running.id);
      const events = new EventStream(client);
      const seen: number[] = [];
      let lastTimestamp: string | undefined;
      for (let polls = 0; polls < 3; polls++) {
        for (const event of await events.pollEvents(running.id, lastTimestamp)) {
          seen.push(event.id);
          lastTimestamp = event.timestamp;
        }
      }
      assert.ok(all.length > 0);
      assert.deepEqual(seen, [...new Set(seen)]);
      assert.deepEqual(
        seen.slice(0, all.length),
        all.map((event) => event.id),
      );
    });
  });
}
