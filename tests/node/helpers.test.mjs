// What is made of several calls: the end of a run, rotations that lose no token, keys that do not stay.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import {
  APIConnectionError,
  APITimeoutError,
  AuthenticationError,
  AutonomiClient,
  ConfigError,
  ConflictError,
  KeyRotationError,
  NotFoundError,
  ServerError,
} from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { FaultServer } from './support/fault-server.mjs';
import { listening } from './support/plane.mjs';

clearEnvironment();

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  describe(`helpers with ${profile}`, () => {
    let plane;
    let client;
    let count = 0;
    before(async () => {
      plane = await startControlPlane(profile);
      client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
    });
    after(async () => {
      client.close();
      await plane.stop();
    });
    const newKey = () => {
      count += 1;
      return client.createApiKey(`key-${count}`, 'viewer');
    };
    const works = async (token) => {
      const other = client.withOptions({ token });
      try {
        await other.listApiKeys();
        return true;
      } catch (error) {
        if (error instanceof AuthenticationError) return false;
        throw error;
      } finally {
        other.close();
      }
    };
    const keyIds = async () => (await client.listApiKeys()).map((key) => key.id);

    it('the end of a run is waited for', async () => {
      const run = await client.createRun(1);
      const waiting = client.waitForRun(run.id, { pollInterval: 20, timeout: 20_000 });
      await client.cancelRun(run.id);
      const ended = await waiting;
      assert.deepEqual([ended.id, ended.status], [run.id, 'cancelled']);
      assert.equal((await client.waitForRun(run.id)).status, 'cancelled');
      await assert.rejects(client.waitForRun(987_654), NotFoundError);
      const other = await client.createRun(1);
      await assert.rejects(
        client.waitForRun(other.id, { pollInterval: 20, timeout: 200 }),
        (error) =>
          error instanceof APITimeoutError &&
          // What was being waited for may stand behind it.
          error.message.startsWith(
            `run ${other.id} has not ended within 0.2 s; its last known state is running`,
          ) &&
          // No more digits than anybody wants to read.
          !/\d\.\d{4}/.test(error.message),
      );
    });

    it('what a run is not in the state for is a conflict, and what is not there is not found', async () => {
      const run = await client.createRun(1);
      await assert.rejects(client.replayRun(run.id), ConflictError);
      await client.cancelRun(run.id);
      await assert.rejects(client.cancelRun(run.id), (error) => {
        assert.ok(error instanceof ConflictError);
        assert.equal(error.statusCode, 409);
        assert.match(error.message, /already ended/);
        return true;
      });
      for (const method of ['cancelRun', 'replayRun']) {
        await assert.rejects(client[method](987_654), (error) => {
          assert.ok(error instanceof NotFoundError);
          assert.doesNotMatch(error.message, /state/);
          return true;
        });
      }
    });

    it('a rotated token is stored before the old key is deleted, by its id', async () => {
      const key = await newKey();
      let stored;
      const rotation = await client.rotateAndStore(
        key.name,
        async (token) => {
          await new Promise((resolve) => setTimeout(resolve, 10));
          assert.ok(await works(key.token), 'the old key works until the new one is stored');
          stored = token;
        },
        { deleteOld: true },
      );
      assert.equal(rotation.token, stored);
      assert.deepEqual([rotation.oldKeyId, rotation.oldKeyDeleted], [key.id, true]);
      assert.deepEqual([await works(stored), await works(key.token)], [true, false]);
      const left = await keyIds();
      assert.ok(left.includes(rotation.newKeyId) && !left.includes(key.id));
      assert.ok(!inspect(rotation).includes(stored));
    });

    it('without deleteOld, the old key is left to its grace period', async () => {
      const key = await newKey();
      const rotation = await client.rotateAndStore(key.id, () => {}, { gracePeriodHours: 2 });
      assert.equal(rotation.oldKeyDeleted, false);
      const hours = (new Date(rotation.oldKeyExpiresAt) - Date.now()) / 3_600_000;
      assert.ok(hours > 1.9 && hours < 2.1, `${hours}`);
      assert.ok(await works(key.token));
    });

    it('a token that cannot be stored is in the error, and the old key works', async () => {
      const key = await newKey();
      const cause = new Error('the vault is sealed');
      const failing = client.rotateAndStore(key.id, () => Promise.reject(cause), { deleteOld: true });
      const error = await failing.then(
        () => assert.fail('it went well'),
        (error) => error,
      );
      assert.ok(error instanceof KeyRotationError);
      assert.deepEqual([error.cause, error.stored, error.oldKeyId], [cause, false, key.id]);
      assert.match(error.message, /storing its new token failed: the vault is sealed/);
      assert.match(
        error.message,
        new RegExp(`the old key \\(${key.id}\\) works until ${error.oldKeyExpiresAt.slice(0, 13)}`),
      );
      assert.deepEqual([await works(key.token), await works(error.token)], [true, true]);
      for (const print of [inspect(error, { depth: 9 }), `${error}`, error.stack, JSON.stringify(error)]) {
        assert.ok(!print.includes(error.token), print);
      }
    });

    it('a temporary key is deleted, also after an error', async () => {
      const key = await client.temporaryApiKey(`temporary-${profile}`, 'viewer');
      assert.ok((await key.client.listApiKeys()).some((listed) => listed.id === key.id));
      const days = (new Date(key.key.expires_at) - Date.now()) / 86_400_000;
      assert.ok(days > 0.9 && days < 1.1, `${days}`);
      for (const print of [inspect(key), inspect({ key }), JSON.stringify(key), `${key}`]) {
        assert.ok(!print.includes(key.token), print);
      }
      // What `await using` does at the end of its block.
      await key[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
      assert.ok(!(await keyIds()).includes(key.id));
      assert.equal(await works(key.token), false);
      await key.dispose();
      await assert.rejects(key.client.listApiKeys(), /closed/);
      const gone = await client.temporaryApiKey(`temporary-${profile}`, undefined, {
        scopes: ['read'],
        expiresDays: 3,
      });
      await client.deleteApiKey(gone.id);
      await gone.dispose();
    });
  });
}

describe('helpers, when the server fails', () => {
  let server;
  const clients = [];
  function client(baseUrl, options = {}) {
    const made = new AutonomiClient({ baseUrl, pathStyle: 'guide', maxRetries: 0, ...options });
    clients.push(made);
    return made;
  }
  const rotated = { new_key: { id: 'new' }, old_key_id: 'old', token: 'loki_new' };
  before(() => {
    server = new FaultServer();
  });
  afterEach(() => {
    for (const made of clients.splice(0)) made.close();
  });
  after(() => server.stop());
  const sent = async () => (await server.recorded()).requests.map(({ method, path }) => `${method} ${path}`);

  it('a run is waited for through 5xx and lost connections', async () => {
    const run = (status) => ({ json: { id: 7, status } });
    const replies = [
      run('running'),
      { status: 500, text: 'no' },
      { faults: { read_then_close: true } },
      run('completed'),
    ];
    const ended = await client(await server.serve(replies)).waitForRun(7, { pollInterval: 10 });
    assert.equal(ended.status, 'completed');
  });

  it('a wait is ended by its signal', async () => {
    const sdk = client(await server.serve([{ faults: { hold: true } }]));
    const controller = new AbortController();
    const outcome = assert.rejects(sdk.waitForRun(7, { signal: controller.signal }), { name: 'AbortError' });
    await server.arrived(1);
    controller.abort();
    await outcome;
    await assert.rejects(sdk.waitForRun(7, { signal: AbortSignal.abort(new Error('not now')) }), /not now/);
  });

  it('a wait is without end where its timeout is Infinity, as where it has none', async () => {
    let looks = 0;
    const server = createServer((_, response) => {
      looks += 1;
      response.end(JSON.stringify({ id: 7, project_id: 1, status: looks < 5 ? 'running' : 'completed' }));
    });
    const client = new AutonomiClient({
      baseUrl: await listening(server),
      pathStyle: 'guide',
      timeout: 1000,
    });
    for (const timeout of [Number.POSITIVE_INFINITY, undefined, null]) {
      looks = 0;
      const run = await client.waitForRun(7, { timeout, pollInterval: 20 });
      assert.deepEqual([run.status, looks], ['completed', 5]);
    }
    await assert.rejects(
      client.getRun(7, { timeout: Number.POSITIVE_INFINITY }),
      /timeout must be a finite number/,
    );
    client.close();
    server.close();
  });

  it('a wait refuses what is no good', async () => {
    const sdk = client(await server.serve([]));
    await assert.rejects(sdk.waitForRun(), TypeError);
    await assert.rejects(sdk.waitForRun('../x'), ConfigError);
    await assert.rejects(sdk.waitForRun(7, { timeout: 0 }), ConfigError);
    await assert.rejects(sdk.waitForRun(7, { until: 'x' }), /waitForRun has no option until/);
    assert.deepEqual(await sent(), []);
  });

  it('a key is not rotated twice, and nothing is stored, if the answer is lost', async () => {
    const sdk = client(await server.serve([{ faults: { read_then_close: true } }]), { maxRetries: 5 });
    const stored = [];
    await assert.rejects(
      sdk.rotateAndStore('k', (token) => stored.push(token), { deleteOld: true }),
      (error) => error instanceof APIConnectionError && error.maybeExecuted,
    );
    assert.deepEqual(stored, []);
    assert.deepEqual(await sent(), ['POST /api/keys/k/rotate']);
  });

  it('a token is in the error, and not in its message, whatever the store throws', async () => {
    const fail = () => {
      throw new Error('a trap');
    };
    const unreadable = new Proxy({}, { get: fail, getPrototypeOf: fail });
    const odd = [undefined, null, 'no', Symbol('no'), Object.create(null), unreadable];
    odd.push(Object.assign(new Error(), { message: Symbol('no') }));
    odd.push((token) => new Error(`cannot store ${token}`));
    for (const thrown of odd) {
      const sdk = client(await server.serve([{ json: rotated }]));
      const store = (token) => {
        throw typeof thrown === 'function' ? thrown(token) : thrown;
      };
      const error = await sdk.rotateAndStore('ci', store).catch((error) => error);
      assert.ok(error instanceof KeyRotationError, error);
      assert.deepEqual([error.token, error.stored], [rotated.token, false]);
      assert.match(error.message, /storing its new token failed: .+ Nothing was deleted/);
      assert.ok(!error.message.includes(rotated.token) && !error.stack.includes(rotated.token));
    }
  });

  it('a store that hangs is not waited for once the signal is aborted', async () => {
    const sdk = client(await server.serve([{ json: rotated }, { json: rotated }]));
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('enough');
    const hang = () => {
      setTimeout(() => controller.abort(reason), 20);
      return new Promise(() => {});
    };
    const error = await sdk.rotateAndStore('ci', hang, { signal }).catch((error) => error);
    assert.ok(error instanceof KeyRotationError, error);
    assert.deepEqual([error.token, error.stored, error.cause], [rotated.token, false, reason]);
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
    // One that is done when it aborts is done.
    const another = new AbortController();
    const done = await sdk.rotateAndStore('ci', () => another.abort(), { signal: another.signal });
    assert.equal(done.token, rotated.token);
    assert.deepEqual(getEventListeners(another.signal, 'abort'), []);
  });

  it('null stands for "not given" in a rotation, too', async () => {
    const sdk = client(await server.serve([{ json: rotated }]));
    const rotation = await sdk.rotateAndStore('ci', () => {}, { deleteOld: null, gracePeriodHours: null });
    assert.equal(rotation.oldKeyDeleted, false);
    const [{ body }] = (await server.recorded()).requests;
    assert.match(body, /"grace_period_hours":24/);
  });

  it('an old key that cannot be deleted is an error that says that all the rest went well', async () => {
    const sdk = client(await server.serve([{ json: rotated }, { status: 500, text: 'no' }]));
    const stored = [];
    await assert.rejects(
      sdk.rotateAndStore('k', (token) => stored.push(token), { deleteOld: true, gracePeriodHours: 5 }),
      (error) => {
        assert.ok(error instanceof KeyRotationError && error.cause instanceof ServerError);
        assert.deepEqual([error.stored, error.token], [true, 'loki_new']);
        assert.match(
          error.message,
          /stored, but the old key \(old\) could not be deleted.*works until 5 h from now, on deployed servers longer: delete it$/,
        );
        return true;
      },
    );
    assert.deepEqual(stored, ['loki_new']);
    assert.deepEqual(await sent(), ['POST /api/keys/k/rotate', 'DELETE /api/keys/old']);
  });

  it('an old key that is gone is deleted: the answer of an attempt before was lost', async () => {
    const answers = [
      { json: rotated },
      { faults: { read_then_close: true } },
      { status: 404, json: { detail: 'gone' } },
    ];
    const sdk = client(await server.serve(answers), { maxRetries: 1 });
    const rotation = await sdk.rotateAndStore('k', () => {}, { deleteOld: true });
    assert.deepEqual([rotation.oldKeyDeleted, rotation.oldKeyExpiresAt], [true, undefined]);
    assert.deepEqual((await sent()).slice(1), ['DELETE /api/keys/old', 'DELETE /api/keys/old']);
  });

  it('an old key of which the id is not known is not deleted by its name', async () => {
    const sdk = client(await server.serve([{ json: { token: 'loki_new' } }]));
    await assert.rejects(
      sdk.rotateAndStore('k', () => {}, { deleteOld: true }),
      (error) =>
        error instanceof KeyRotationError &&
        error.stored &&
        /did not give its identifier/.test(error.message),
    );
    assert.deepEqual(await sent(), ['POST /api/keys/k/rotate']);
  });

  it('a rotation that could leave no working key is refused', async () => {
    const sdk = client(await server.serve([]));
    await assert.rejects(
      sdk.rotateAndStore('k', () => {}, { gracePeriodHours: 0 }),
      (error) => error instanceof ConfigError && error.param === 'gracePeriodHours',
    );
    await assert.rejects(sdk.rotateAndStore('k', 'file.txt'), /store must be a function, not a string/);
    await assert.rejects(
      sdk.rotateAndStore('k', () => {}, { deleteold: true }),
      /no option deleteold/,
    );
    assert.deepEqual(await sent(), []);
  });

  it('a temporary key refuses what is no good to delete it with, and can be deleted all the same', async () => {
    const made = { id: 'k1', name: 'ci', token: 'loki_new', role: 'viewer' };
    const sdk = client(await server.serve([{ json: made }, { status: 204 }]));
    const key = await sdk.temporaryApiKey('ci');
    for (const options of [5, AbortSignal.abort(), { timeuot: 1 }, { timeout: -1 }]) {
      await assert.rejects(key.dispose(options), /options of dispose|timeuot|timeout/);
    }
    await key.dispose({ timeout: 5000 });
    await key.dispose();
    assert.equal((await server.recorded()).requests.length, 2);
  });

  it('a temporary key that could not be deleted can be tried again', async () => {
    const created = { id: 'tmp', name: 'n', token: 'loki_tmp', scopes: [] };
    const replies = [{ status: 201, json: created }, { status: 500, text: 'no' }, { status: 204 }];
    const sdk = client(await server.serve(replies));
    const key = await sdk.temporaryApiKey('n', 'operator', { description: 'd' });
    await assert.rejects(key.dispose(), ServerError);
    await key.dispose();
    const { requests } = await server.recorded();
    const { description, ...wanted } = JSON.parse(requests[0].body);
    assert.match(description, /^d \[/);
    assert.deepEqual(wanted, { name: 'n', role: 'operator', expires_days: 1 });
    assert.deepEqual(await sent(), ['POST /api/keys', 'DELETE /api/keys/tmp', 'DELETE /api/keys/tmp']);
  });
});
