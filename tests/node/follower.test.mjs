// What a follower gives, where it stands, and when it stops.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { APITimeoutError, EventStream } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { all, DONE, ids, next, opened } from './support/following.mjs';
import { until } from './support/plane.mjs';

clearEnvironment();

describe('a follower', () => {
  it('gives twenty events of one second over several polls', async () => {
    const { plane, followed, rest } = await opened();
    const follower = followed();
    const seen = [];
    for (let number = 0; number < 20; number++) {
      plane.add(number);
      seen.push((await next(follower)).id);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, n) => n),
    );
    assert.deepEqual(await rest(follower), []);
  });

  it('does not take events from polls, nor they from it', async () => {
    const { plane, client } = await opened();
    plane.add(1, 2, 3);
    const events = new EventStream(client);
    const follower = events.follow(7);
    assert.equal((await next(follower)).id, 1);
    assert.deepEqual(ids(await events.pollEvents(7)), [1, 2, 3]);
    assert.deepEqual([(await next(follower)).id, (await next(follower)).id], [2, 3]);
  });

  it('tells where its reader stands, not where the server does', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [1, 2, 3]);
    for (const left of [[2, 3], [3], []]) {
      await next(follower);
      // All three have come, but not all were given.
      assert.deepEqual(await rest(followed({ cursor: follower.cursor })), left);
    }
    assert.match(follower.cursor, /^[!-~]+$/);
    follower.close();
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), []);
  });

  it('tells so while the next event is waited for', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2);
    const follower = followed();
    await next(follower);
    await next(follower);
    plane.hold();
    const asked = plane.requests.length;
    const pending = follower.next();
    await until(() => plane.requests.length > asked);
    const { cursor } = follower;
    plane.add(3);
    plane.release();
    assert.equal((await pending).value.id, 3);
    assert.deepEqual(await rest(followed({ cursor })), [3]);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), []);
  });

  it('is closed when the loop is left, and tells where to go on', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    for await (const event of follower) if (event.id === 2) break;
    assert.deepEqual(await follower.next(), DONE);
    plane.add(4);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [3, 4]);
  });

  it('is closed when the loop fails', async () => {
    const { plane, followed } = await opened();
    plane.add(1, 2);
    const follower = followed();
    const loop = async () => {
      for await (const event of follower) throw new Error(`no use for ${event.id}`);
    };
    await assert.rejects(loop(), /no use for 1/);
    assert.deepEqual(await follower.next(), DONE);
  });

  it('can be asked for several events at once', async () => {
    const { plane, followed } = await opened();
    plane.add(1, 2, 3);
    const follower = followed();
    const asked = Array.from({ length: 6 }, () => follower.next());
    await asked[2];
    plane.add(4);
    await asked[3];
    plane.status = 'completed';
    assert.deepEqual(
      (await Promise.all(asked)).map(({ value }) => value?.id),
      [1, 2, 3, 4, undefined, undefined],
    );
  });

  it('gives more events than come at once', async () => {
    const { plane, followed, rest } = await opened();
    const numbers = Array.from({ length: 5000 }, (_, n) => n);
    plane.add(...numbers);
    assert.deepEqual(await rest(followed()), numbers);
  });

  it('stops in a state', async () => {
    const { plane, followed } = await opened();
    plane.add(1, 2);
    plane.status = 'paused';
    for (const until of ['paused', ['paused'], ['failed', 'paused'], new Set(['paused'])]) {
      const follower = followed({ until });
      assert.deepEqual(ids(await all(follower)), [1, 2]);
      assert.equal(follower.status, 'paused');
    }
    // The end of a run is an end for all of them, but for an empty collection.
    plane.status = 'completed';
    assert.deepEqual(ids(await all(followed({ until: 'paused' }))), [1, 2]);
    const follower = followed({ until: [] });
    assert.deepEqual([(await next(follower)).id, (await next(follower)).id], [1, 2]);
    const asked = plane.requests.length;
    const third = next(follower);
    await until(() => plane.requests.length > asked + 3);
    plane.add(3);
    assert.equal((await third).id, 3);
  });

  it('stops when a function says so', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1, 2, 3);
    for (const answer of [(is) => is, (is) => Promise.resolve(is)]) {
      const asked = [];
      const until = (event) => {
        asked.push(event.id);
        return answer(event.id === 2);
      };
      const follower = followed({ until });
      assert.equal((await next(follower)).id, 1);
      // It is asked once the event was dealt with.
      assert.deepEqual(asked, []);
      assert.equal((await next(follower)).id, 2);
      assert.deepEqual(asked, [1]);
      assert.deepEqual(await follower.next(), DONE);
      assert.deepEqual(asked, [1, 2]);
      assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [3]);
    }
    // One that never says so does not outlive the run.
    assert.deepEqual(await rest(followed({ until: () => false })), [1, 2, 3]);
  });

  it('loses no event when that function fails', async () => {
    const { plane, followed } = await opened();
    plane.add(1, 2, 3);
    const until = (event) => {
      if (event.id === 2) throw new RangeError('no idea');
      return false;
    };
    const follower = followed({ until });
    await next(follower);
    await next(follower);
    await assert.rejects(follower.next(), { name: 'RangeError', message: 'no idea' });
    assert.equal((await next(follower)).id, 3);
  });

  it('lasts as long as its timeout', async () => {
    const { plane, followed, rest } = await opened();
    plane.add(1);
    const follower = followed({ timeout: 300 });
    assert.equal((await next(follower)).id, 1);
    for (let round = 0; round < 2; round++) await assert.rejects(follower.next(), APITimeoutError);
    plane.add(2);
    assert.deepEqual(await rest(followed({ cursor: follower.cursor })), [2]);
  });
});
