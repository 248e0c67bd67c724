// What the tests of following runs have in common.

import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { AutonomiClient, EventStream } from 'loki-mode-sdk';
import { Plane } from './plane.mjs';

export const QUICK = 20;
export const DONE = { done: true, value: undefined };

export const ids = (events) => events.map(({ id }) => id);

export async function all(follower) {
  const events = [];
  for await (const event of follower) events.push(event);
  return events;
}

export async function next(follower) {
  const { value, done } = await follower.next();
  assert.ok(!done, 'the follower has ended');
  return value;
}

export async function add(client, run, count = 1, type = 'phase_start') {
  const added = [];
  for (let n = 0; n < count; n++) added.push(await client.createRunEvent(run.id, type, 'ACT', { n }));
  return added;
}

const made = [];
afterEach(async () => {
  for (const end of made.splice(0)) await end();
});

/** A plane and a client of it, what follows its run, and the rest of a follower's events, once the run has ended. */
export async function opened(options = {}) {
  const plane = await new Plane().start();
  made.push(plane.stop.bind(plane));
  const client = new AutonomiClient({
    baseUrl: plane.baseUrl,
    pathStyle: 'guide',
    timeout: 5000,
    ...options,
  });
  made.push(client.close.bind(client));
  const followed = (more = {}) => new EventStream(client).follow(7, { pollInterval: QUICK, ...more });
  const rest = async (follower) => {
    plane.status = 'completed';
    const events = await all(follower);
    plane.status = 'running';
    return ids(events);
  };
  return { plane, client, followed, rest };
}
