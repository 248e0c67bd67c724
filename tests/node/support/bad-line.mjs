// Writes over a bad line, and what the server says about them afterwards.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { APIConnectionError, AutonomiClient, AutonomiError } from 'loki-mode-sdk';
import { binary } from './binaries.mjs';
import { TOKEN } from './control-plane.mjs';

export const KINDS = ['create', 'rotate', 'replay', 'cancel'];

/** A proxy that breaks a share of the exchanges, by chance: tests/support/README.md. */
export class Line {
  #child = spawn(binary('loki-fault-server', 'LOKI_FAULT_SERVER'), { stdio: ['pipe', 'pipe', 'inherit'] });
  #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();

  async #ask(command) {
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the fault server has ended');
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(`the fault server refuses: ${answer.error}`);
    return answer;
  }

  /** The base URL of a bad line to the server at `to`. */
  async to(to, { seed, rate }) {
    return (await this.#ask({ proxy: { to, seed, rate } })).base_url;
  }

  /** How many exchanges were broken. */
  async broken() {
    const { faults } = await this.#ask({ recorded: true });
    return Object.values(faults).reduce((sum, count) => sum + count, 0);
  }

  async stop() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}

/** Works through the items with so many at a time. */
export async function inParallel(width, items, work) {
  const queue = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

async function attempt(call) {
  try {
    await call();
    return 'acknowledged';
  } catch (error) {
    if (error instanceof APIConnectionError) {
      if (typeof error.maybeExecuted !== 'boolean') throw error;
      return error.maybeExecuted ? 'maybeExecuted' : 'notExecuted';
    }
    // A refusal. No call here gives a reason for one, unless it was executed before.
    if (error instanceof AutonomiError && error.statusCode) return 'notExecuted';
    throw error;
  }
}

async function allRuns(client, projectId) {
  const runs = [];
  for (;;) {
    const page = await client.listRuns(projectId, undefined, { limit: 500, offset: runs.length });
    if (page.length === 0) return runs;
    runs.push(...page);
  }
}

function counted(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Makes `each` calls of each kind over the line, then compares with the server. */
export async function writeOver(lineUrl, planeUrl, { each, width }) {
  const direct = new AutonomiClient({ baseUrl: planeUrl, token: TOKEN });
  const client = new AutonomiClient({ baseUrl: lineUrl, token: TOKEN, timeout: 500 });
  const indexes = Array.from({ length: each }, (_, n) => n);
  const project = (await direct.createProject('bad line')).id;
  const ended = [];
  const running = [];
  const keys = [];
  for (const n of indexes) {
    ended.push((await direct.createRun(project, 'to-replay')).id);
    await direct.cancelRun(ended[n]);
    running.push((await direct.createRun(project, 'to-cancel')).id);
    keys.push((await direct.createApiKey(`line-${lineUrl}-${n}`)).id);
  }
  const calls = {
    create: (n) => [`create-${n}`, () => client.createRun(project, `create-${n}`)],
    rotate: (n) => [keys[n], () => client.rotateApiKey(keys[n])],
    replay: (n) => [ended[n], () => client.replayRun(ended[n])],
    cancel: (n) => [running[n], () => client.cancelRun(running[n])],
  };
  const told = [];
  const items = indexes.flatMap((n) => KINDS.map((kind) => ({ kind, n })));
  await inParallel(width, items, async ({ kind, n }) => {
    const [name, call] = calls[kind](n);
    told.push({ kind, name, outcome: await attempt(call) });
  });
  const runs = await allRuns(direct, project);
  const counts = {
    create: counted(runs.map((run) => run.trigger)),
    rotate: counted((await direct.listApiKeys()).map((key) => key.rotating_from)),
    replay: counted(runs.map((run) => run.parent_run_id)),
    cancel: counted(runs.filter((run) => run.status === 'cancelled').map((run) => run.id)),
  };
  client.close();
  direct.close();
  const allowed = { acknowledged: [1], maybeExecuted: [0, 1], notExecuted: [0] };
  const tallies = {};
  for (const kind of KINDS) {
    tallies[kind] = { acknowledged: 0, maybeExecuted: 0, notExecuted: 0, executed: 0, wrong: [] };
  }
  for (const { kind, name, outcome } of told) {
    const count = counts[kind].get(name) ?? 0;
    tallies[kind][outcome] += 1;
    tallies[kind].executed += count;
    if (!allowed[outcome].includes(count)) {
      tallies[kind].wrong.push(`${name}: told ${outcome}, executed ${count} times`);
    }
  }
  return tallies;
}
