// Long lists of servers that have habits of their own, that fail, and whose lists change under the reader's hands.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  APITimeoutError,
  AutonomiClient,
  ConfigError,
  DecodeError,
  NotAvailableError,
  ServerError,
} from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { listening, until } from './support/plane.mjs';

clearEnvironment();

const OLD = Array.from({ length: 30 }, (_, at) => 30 - at);

/** Answers `GET /api/runs` with its rows, newest first. */
class ListServer {
  rows = [...OLD];
  /** What it takes no notice of: `limit`, `offset`. */
  ignores = [];
  /** It never gives more rows than these. */
  cap = Number.POSITIVE_INFINITY;
  /** The queries that arrived. */
  asked = [];
  /** Is called with the number of each request, from 1; what it returns is the answer, a status and a value. */
  meanwhile = () => undefined;
  isHeld = false;
  #server = createServer(async (request, response) => {
    const query = new URL(request.url, 'http://host').searchParams;
    this.asked.push(Object.fromEntries(query));
    const [status, value] = this.meanwhile(this.asked.length) ?? [200, this.#page(query)];
    await until(() => !this.isHeld);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  });

  #page(query) {
    const number = (name, otherwise) =>
      this.ignores.includes(name) ? otherwise : Number(query.get(name) ?? otherwise);
    const offset = number('offset', 0);
    const limit = Math.min(this.cap, number('limit', 1000));
    return this.rows.slice(offset, offset + limit).map((id) => ({ id, status: 'running' }));
  }

  start() {
    return listening(this.#server);
  }

  stop() {
    this.isHeld = false;
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('a pager and a server', () => {
  let server;
  let client;
  beforeEach(async () => {
    server = new ListServer();
    client = new AutonomiClient({ baseUrl: await server.start(), pathStyle: 'guide', maxRetries: 0 });
  });
  afterEach(() => {
    client.close();
    server.stop();
  });

  /** The ids that come; what it fails with is appended. */
  async function gather(pager) {
    const given = [];
    try {
      for (;;) {
        const { done, value } = await pager.next();
        if (done) return given;
        given.push(value.id);
      }
    } catch (error) {
      given.push(error);
    }
    return given;
  }
  const ids = (options, ...filters) => gather(client.iterRuns(filters[0], filters[1], options));

  for (const ignores of [[], ['limit'], ['offset'], ['limit', 'offset']]) {
    it(`that takes no notice of ${ignores.join(' and ') || 'nothing'}`, async () => {
      server.ignores = ignores;
      for (const pageSize of [1, 7, 30, undefined]) {
        const given = await ids({ pageSize });
        if (ignores.join() === 'offset' && pageSize < 30) {
          // There is more, and it is not to be had.
          assert.ok(given.pop() instanceof NotAvailableError);
          assert.deepEqual(given, OLD.slice(0, pageSize + 1));
        } else {
          assert.deepEqual(given, OLD, String(pageSize));
        }
      }
    });
  }

  it('whose pages are shorter or longer than they were asked for', async () => {
    for (const cap of [2, 3, 7, 29, 30, 31]) {
      for (const ignores of [[], ['limit']]) {
        Object.assign(server, { cap, ignores });
        for (const pageSize of [1, 3, 10, 1000]) assert.deepEqual(await ids({ pageSize }), OLD);
      }
    }
  });

  it('that gives the same page for ever', async () => {
    server.meanwhile = () => [200, [{ id: 3 }, { id: 2 }, { id: 1 }]];
    for (const pageSize of [1, 2, 3, 10]) assert.deepEqual(await ids({ pageSize }), [3, 2, 1]);
  });

  it('that gives an empty page by mistake', async () => {
    server.meanwhile = (number) => (number === 2 || number === 3 ? [200, []] : undefined);
    assert.deepEqual(await ids({ pageSize: 10 }), OLD);
  });

  it('whose rows are added and removed with every request', async () => {
    for (const cap of [3, Number.POSITIVE_INFINITY]) {
      for (const pageSize of [3, 10]) {
        const gone = [];
        let [added, requests] = [1000, 0];
        Object.assign(server, { rows: [...OLD], cap });
        server.meanwhile = () => {
          requests += 1;
          if (requests > 40) return;
          if (requests % 3 === 0) gone.push(...server.rows.splice(server.rows.length >> 1, 1));
          else server.rows.unshift(added++, added++);
        };
        const given = await ids({ pageSize });
        assert.equal(new Set(given).size, given.length);
        assert.deepEqual(
          OLD.filter((id) => !gone.includes(id) && !given.includes(id)),
          [],
        );
      }
    }
  });

  it('whose rows are removed as they are read', async () => {
    const given = [];
    for await (const run of client.iterRuns(undefined, undefined, { pageSize: 4 })) {
      given.push(run.id);
      server.rows.splice(server.rows.indexOf(run.id), 1);
    }
    assert.deepEqual(given, OLD);
  });

  it('that fails: asking again goes on where it was', async () => {
    for (const [answer, raised] of [
      [[500, 'no'], ServerError],
      [[200, { rows: [] }], DecodeError],
      [[200, [{ status: 'x' }]], DecodeError],
    ]) {
      let requests = 0;
      server.meanwhile = () => ([1, 3, 4].includes(++requests) ? answer : undefined);
      const pager = client.iterRuns(undefined, undefined, { pageSize: 10 });
      const parts = [];
      for (let part = 0; part < 4; part++) parts.push(await gather(pager));
      for (const part of parts.slice(0, 3)) assert.ok(part.pop() instanceof raised);
      assert.deepEqual(parts, [[], OLD.slice(0, 10), [], OLD.slice(10)]);
    }
  });

  it('that is slow: each page has a time of its own', async () => {
    server.isHeld = true;
    const pager = client.iterRuns(undefined, undefined, { timeout: 200 });
    assert.ok((await gather(pager))[0] instanceof APITimeoutError);
    server.isHeld = false;
    assert.deepEqual(await gather(pager), OLD);
  });

  it('that is asked with the same filters for every page', async () => {
    assert.equal((await ids({ pageSize: 7 }, 'p q', 'a&b')).length, 30);
    assert.ok(server.asked.length > 4);
    for (const query of server.asked) assert.deepEqual([query.project_id, query.status], ['p q', 'a&b']);
  });

  it('and limits at their ends', async () => {
    assert.deepEqual(await ids({ maxItems: Number.MAX_SAFE_INTEGER }), OLD);
    assert.deepEqual(await ids({ maxItems: Number.POSITIVE_INFINITY }), OLD);
    assert.deepEqual(await ids({ pageSize: 1000, maxItems: 1 }), [30]);
    assert.deepEqual(await ids({ maxItems: 0 }), []);
    for (const options of [
      { maxItems: -1 },
      { pageSize: 0 },
      { pageSize: -1 },
      { pageSize: 2 ** 53 },
      { maxItems: 2 ** 53 },
      { maxItems: Number.NEGATIVE_INFINITY },
      { pageSize: Number.POSITIVE_INFINITY },
      { pageSize: Number.NaN },
    ]) {
      assert.throws(
        () => client.iterRuns(undefined, undefined, options),
        (error) => error instanceof ConfigError && error.param === Object.keys(options)[0],
        JSON.stringify(options),
      );
    }
    assert.throws(() => client.iterRuns(undefined, undefined, 'x'), /^TypeError: options of iterRuns must/);
  });

  it('with two iterators at once, and one that is asked several times at once', async () => {
    const both = [4, 7].map((pageSize) => ids({ pageSize }));
    assert.deepEqual(await Promise.all(both), [OLD, OLD]);
    const pager = client.iterRuns(undefined, undefined, { pageSize: 3 });
    const answers = await Promise.all(Array.from({ length: 32 }, () => pager.next()));
    assert.deepEqual(
      answers.map(({ done, value }) => (done ? 'end' : value.id)),
      [...OLD, 'end', 'end'],
    );
  });

  it('and a loop that was left', async () => {
    const pager = client.iterRuns(undefined, undefined, { pageSize: 10 });
    for await (const run of pager) if (run.id === 25) break;
    assert.deepEqual(await pager.next(), { done: true, value: undefined });
    // Without `for await`, it stays open.
    const open = client.iterRuns(undefined, undefined, { pageSize: 10 });
    for (let count = 0; count < 5; count++) await open.next();
    assert.deepEqual(await gather(open), OLD.slice(5));
  });

  it('with a signal amid a page', async () => {
    const controller = new AbortController();
    const pager = client.iterRuns(undefined, undefined, { pageSize: 10, signal: controller.signal });
    assert.equal((await pager.next()).value.id, 30);
    // What has come already is not given any more either.
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(pager.next(), (error) => error === reason);
    assert.equal(server.asked.length, 1);
  });
});
