// One call: how it is aborted, limited, refused and reported, beside what the shared cases say.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { APIConnectionError, APITimeoutError, AutonomiClient, ConfigError, EventStream } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { client, server } from './support/served.mjs';

clearEnvironment();

describe('AbortSignal', () => {
  it('one that is aborted already sends nothing', async () => {
    const baseUrl = await server.serve([]);
    const reason = new Error('changed my mind');
    await assert.rejects(
      client(baseUrl).getStatus({ signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    assert.deepEqual((await server.recorded()).requests, []);
  });

  it('ends a call that waits, with its reason, and leaves the client usable', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true } }, { json: { status: 'running' } }]);
    const sdk = client(baseUrl);
    const controller = new AbortController();
    const call = sdk.getStatus({ signal: controller.signal });
    const outcome = assert.rejects(call, { name: 'AbortError' });
    await server.arrived(1);
    controller.abort();
    await outcome;
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
    assert.deepEqual(await sdk.getStatus(), { status: 'running' });
  });

  it('ends the wait before a retry', async () => {
    const busy = { status: 503, headers: { 'retry-after': '60' }, json: { detail: 'busy' } };
    const baseUrl = await server.serve([busy]);
    const controller = new AbortController();
    const call = client(baseUrl, { timeout: 100_000 }).getStatus({ signal: controller.signal });
    const outcome = assert.rejects(call, { name: 'AbortError' });
    await server.arrived(1);
    controller.abort();
    await outcome;
  });

  it('1,000 calls on one signal leave no listener', async () => {
    const baseUrl = await server.serve([{ json: {}, repeat: 1000 }]);
    const sdk = client(baseUrl);
    const { signal } = new AbortController();
    const warned = [];
    const onWarning = (warning) => warned.push(warning);
    process.on('warning', onWarning);
    for (let batch = 0; batch < 10; batch++) {
      const calls = Array.from({ length: 100 }, () => sdk.getStatus({ signal }));
      assert.equal(getEventListeners(signal, 'abort').length, 1);
      await Promise.all(calls);
      assert.deepEqual(getEventListeners(signal, 'abort'), []);
    }
    process.off('warning', onWarning);
    assert.deepEqual(warned, []);
  });

  it('one signal ends all calls that have it, and no other', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true }, repeat: 30 }, { json: {} }]);
    const sdk = client(baseUrl);
    const controller = new AbortController();
    const calls = Array.from({ length: 29 }, () => sdk.getStatus({ signal: controller.signal }));
    const outcomes = Promise.allSettled(calls);
    const other = sdk.getStatus({ signal: new AbortController().signal });
    const others = assert.rejects(other, /closed/);
    await server.arrived(30);
    controller.abort(new Error('enough'));
    for (const { reason } of await outcomes) assert.equal(reason.message, 'enough');
    assert.deepEqual(await sdk.getStatus(), {});
    sdk.close();
    await others;
  });

  it('AbortSignal.timeout rejects with its TimeoutError', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true } }]);
    await assert.rejects(client(baseUrl).getStatus({ signal: AbortSignal.timeout(30) }), {
      name: 'TimeoutError',
    });
  });

  it('a signal of a library does, also one that gives no reason', async () => {
    class Signal extends EventTarget {
      aborted = false;
      abort() {
        this.aborted = true;
        this.dispatchEvent(new Event('abort'));
      }
    }
    const baseUrl = await server.serve([{ json: {}, repeat: 2, faults: { hold: true } }]);
    const sdk = client(baseUrl);
    const signal = new Signal();
    const outcomes = [sdk.getStatus({ signal }), sdk.watch({ signal }).next()].map((outcome) =>
      assert.rejects(outcome, { name: 'AbortError' }),
    );
    await server.arrived(2);
    signal.abort();
    await Promise.all(outcomes);
    await assert.rejects(sdk.getStatus({ signal }), { name: 'AbortError' });
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('what is no signal is refused', async () => {
    const sdk = client(await server.serve([]));
    for (const signal of [
      {},
      5,
      'x',
      new EventTarget(),
      { aborted: false, addEventListener() {} },
      AbortSignal,
    ]) {
      await assert.rejects(sdk.getStatus({ signal }), { name: 'TypeError', message: /^signal must be/ });
      assert.throws(() => sdk.events({ signal }), { name: 'TypeError', message: /^signal must be/ });
      assert.throws(() => sdk.iterRuns(1, 'x', { signal }), {
        name: 'TypeError',
        message: /^signal must be/,
      });
    }
  });
});

describe('limits of one call', () => {
  it('timeout', async () => {
    const baseUrl = await server.serve([{ faults: { hold: true } }]);
    await assert.rejects(client(baseUrl, { maxRetries: 0 }).getStatus({ timeout: 50 }), APITimeoutError);
  });

  it('maxRetries', async () => {
    const baseUrl = await server.serve([{ status: 503, json: { detail: 'busy' } }]);
    await assert.rejects(client(baseUrl).getStatus({ maxRetries: 0 }), { statusCode: 503, attempts: 1 });
  });

  for (const options of [
    { timeout: 0 },
    { timeout: Number.NaN },
    { timeout: '5' },
    { maxRetries: -1 },
    { maxRetries: 1.5 },
    { maxRetries: 2 ** 40 },
  ]) {
    it(`${inspect(options)} is refused, for a call and for a client`, async () => {
      const baseUrl = await server.serve([]);
      const [param] = Object.keys(options);
      const expected = { name: 'ConfigError', param, message: new RegExp(`^${param} must be`) };
      await assert.rejects(client(baseUrl).getStatus(options), expected);
      assert.throws(() => new AutonomiClient({ baseUrl, ...options }), expected);
      assert.deepEqual((await server.recorded()).requests, []);
    });
  }
});

describe('what is wrong with the arguments', () => {
  const cycle = {};
  cycle.self = cycle;
  const refusals = [
    ['getProject', [Number.NaN], 'projectId must be an integer or a string, not the number NaN'],
    ['getProject', [1.5], 'projectId must be an integer or a string, not the number 1.5'],
    ['getProject', [[1]], 'projectId must be an integer or a string, not an array'],
    ['getProject', [1n], 'projectId must be an integer or a string, not a bigint'],
    [
      'getProject',
      [2 ** 53],
      'projectId must be an integer or a string, not 9007199254740992, which a number cannot hold exactly',
    ],
    ['getProject', [], 'projectId is missing: getProject needs it'],
    ['getProject', [null], 'projectId is missing: getProject needs it'],
    ['createProject', ['\ud800'], 'name must be a string, not one with half of a surrogate pair'],
    [
      'createTenant',
      ['a', undefined, { settings: cycle }],
      /^settings cannot be written as JSON: Converting circular/,
    ],
    [
      'createApiKey',
      ['k', undefined, { scopes: 'read' }],
      'scopes must be an array of strings, not a string',
    ],
    [
      'listRuns',
      [1, 'running', { limti: 5 }],
      'listRuns has no option limti; it has limit, offset, signal, timeout, maxRetries, headers',
    ],
    [
      'listRuns',
      [{ limit: 5 }],
      'projectId must be an integer or a string, not an object; options come last: listRuns(projectId, status, options)',
    ],
    ['listRuns', [1, 'running', 5], 'options of listRuns must be an object, not an integer'],
    ['createTenant', ['a', undefined, { settings: new Map() }], 'settings must be an object, not a Map'],
    ['queryAudit', [{ startDate: '2026-02-01' }], /^queryAudit has no field startDate; it has start_date, /],
    ['queryAudit', ['2026-02-01'], 'params of queryAudit must be an object, not a string'],
    ['deleteApiKey', [{}], 'identifier must be an integer or a string, not an object'],
  ];
  for (const [method, args, message] of refusals) {
    it(`${method}(${args.map((value) => inspect(value, { depth: 0 })).join(', ')})`, async () => {
      const baseUrl = await server.serve([]);
      await assert.rejects(client(baseUrl)[method](...args), { name: 'TypeError', message });
      assert.deepEqual((await server.recorded()).requests, []);
    });
  }

  it('options of a client that are unknown or missing', () => {
    assert.throws(() => new AutonomiClient(), { name: 'ConfigError', message: /baseUrl/ });
    assert.throws(() => new AutonomiClient({}), ConfigError);
    assert.throws(() => new AutonomiClient({ baseUrl: 'http://h', timeOut: 5 }), /no option timeOut/);
  });

  it('EventStream wants a client', () => {
    assert.throws(() => new EventStream({}), { name: 'TypeError', message: /^client must be/ });
  });

  it('EventStream names its parameters', async () => {
    const events = new EventStream(client(await server.serve([])));
    await assert.rejects(events.pollEvents(1.5), { name: 'TypeError', message: /^runId must be/ });
    await assert.rejects(events.pollEvents(1, 5), { name: 'TypeError', message: /^since must be/ });
  });
});

describe('errors', () => {
  it('show the line of the caller', async () => {
    const baseUrl = await server.serve([{ status: 404, json: { detail: 'Project not found' } }]);
    const sdk = client(baseUrl);
    async function theCaller() {
      await sdk.getProject(7);
    }
    await assert.rejects(theCaller(), (error) => {
      assert.match(error.stack, /^NotFoundError: .*Project not found/);
      assert.match(error.stack, /at theCaller .*calls\.test\.mjs/);
      return true;
    });
  });

  it('show the line of each caller among many that are under way', async () => {
    const sdk = client(await server.serve([{ status: 404, json: { detail: 'Project not found' } }]));
    async function theCaller(id) {
      await sdk.getProject(id);
    }
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, id) => theCaller(id)));
    for (const { reason } of outcomes) assert.match(reason.stack, /at (async )?theCaller .*calls\.test\.mjs/);
  });

  it('leave names in what the server says as they are, and put those of ours as we write them', async () => {
    const detail = 'the field `tenant_id` must be set, see `some_page`';
    const sdk = client(await server.serve([{ status: 409, json: { detail } }]));
    await assert.rejects(sdk.createProject('a'), (error) => {
      assert.ok(error.message.endsWith(`409 ${detail}`), error.message);
      return true;
    });
    const page = await server.serve([
      { status: 200, text: '<html>`base_path`</html>', headers: { 'content-type': 'text/html' } },
    ]);
    await assert.rejects(client(page, { maxRetries: 0 }).getProject(7), /`baseUrl`/);
  });

  it('list what is known and nothing else when they are printed', async () => {
    const baseUrl = await server.serve([{ status: 404, json: { detail: 'Project not found' } }]);
    const error = await client(baseUrl)
      .getProject(7)
      .catch((error) => error);
    assert.deepEqual(Object.keys(error).sort(), ['attempts', 'method', 'path', 'responseBody', 'statusCode']);
    assert.ok(error instanceof Error);
  });

  it('of a server that is not there name the address', async () => {
    const baseUrl = await server.refuse();
    await assert.rejects(client(baseUrl, { maxRetries: 0 }).getStatus(), (error) => {
      assert.ok(error instanceof APIConnectionError);
      assert.equal(error.maybeExecuted, false);
      assert.ok(error.message.includes(new URL(baseUrl).host), error.message);
      return true;
    });
  });
});

describe('secrets', () => {
  const CANARY = 'loki_canary';

  it('of a client are not printed', () => {
    const sdk = client('http://127.0.0.1:1', { token: CANARY });
    for (const text of [inspect(sdk, { depth: 9, showHidden: true }), JSON.stringify(sdk), String(sdk)]) {
      assert.ok(!text.includes('canary'), text);
    }
    assert.equal(inspect(sdk), "AutonomiClient { baseUrl: 'http://127.0.0.1:1', token: '[redacted]' }");
  });

  it('of a new key are fields, but masked in print', async () => {
    const key = {
      id: 'a',
      name: 'ci',
      scopes: [],
      created_at: 'now',
      token: CANARY,
      hash: 'canary',
      salt: 'canary',
    };
    const sdk = client(await server.serve([{ status: 201, json: key }]));
    const made = await sdk.createApiKey('ci');
    assert.deepEqual(made, key);
    assert.equal(JSON.parse(JSON.stringify(made)).token, CANARY);
    for (const text of [inspect(made), inspect([{ made }], { depth: 5 })]) {
      assert.ok(!text.includes('canary') && text.includes("token: '[redacted]'"), text);
    }
  });

  it('of a rotation are masked within, too', async () => {
    const answer = { token: CANARY, new_key: { id: 'b', hash: 'canary', salt: 'canary' }, old_key_id: 'a' };
    const sdk = client(await server.serve([{ json: answer }]));
    const result = await sdk.rotateApiKey('ci');
    assert.equal(result.token, CANARY);
    assert.ok(!inspect(result, { depth: 5 }).includes('canary'));
  });
});

describe('answers', () => {
  it('hold what is not ASCII, and large ones too', async () => {
    const long = 'ü€😀'.repeat(200_000);
    const sdk = client(await server.serve([{ json: { text: 'grün' } }, { json: { text: long } }]));
    assert.deepEqual(await sdk.getStatus(), { text: 'grün' });
    assert.equal((await sdk.getStatus()).text, long);
  });

  it('are not crossed when 500 calls are made at once', async () => {
    const answers = Array.from({ length: 500 }, (_, id) => ({
      json: { id, name: `p${id}`, status: 'active' },
    }));
    const sdk = client(await server.serve(answers));
    const projects = await Promise.all(answers.map((_, id) => sdk.getProject(id)));
    const ids = new Set(projects.map((project) => project.id));
    assert.equal(ids.size, 500);
    const { requests } = await server.recorded();
    assert.equal(new Set(requests.map((request) => request.path)).size, 500);
  });
});
