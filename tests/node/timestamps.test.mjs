// Timestamps of servers as dates, and dates where a timestamp is to be given.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { AutonomiClient, ConfigError, EventStream, parseTimestamp } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';
import { FaultServer } from './support/fault-server.mjs';

clearEnvironment();

describe('parseTimestamp', () => {
  for (const [text, expected] of [
    ['2026-11-21T22:49:47', '2026-11-21T22:49:47.000Z'],
    ['2026-11-21T22:50:49.642180', '2026-11-21T22:50:49.642Z'],
    ['2026-11-21T22:50:49.642999Z', '2026-11-21T22:50:49.642Z'],
    ['2026-11-21T22:50:49.642180+00:00', '2026-11-21T22:50:49.642Z'],
    ['2026-11-21T23:50:49.642180+01:00', '2026-11-21T22:50:49.642Z'],
    ['2026-11-21 22:50:49', '2026-11-21T22:50:49.000Z'],
    ['2026-11-21', '2026-11-21T00:00:00.000Z'],
    ['1969-12-31T23:59:59.999999Z', '1969-12-31T23:59:59.999Z'],
    ['2026-11-21t22:49:47z', '2026-11-21T22:49:47.000Z'],
    ['2026-11-21T22:50:49.642180999Z', '2026-11-21T22:50:49.642Z'],
    ['2026-11-21T22:50:49-00:00', '2026-11-21T22:50:49.000Z'],
    ['2026-11-21T22:50:49+2359', '2026-11-20T22:51:49.000Z'],
    // Clocks of computers have no leap seconds.
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.000Z'],
    ['0000-01-01T00:00:00Z', '0000-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
    ['9999-12-31T23:59:59+00:00', '9999-12-31T23:59:59.000Z'],
    ['9999-12-31', '9999-12-31T00:00:00.000Z'],
  ]) {
    it(`reads ${text}`, () => assert.equal(parseTimestamp(text).toISOString(), expected));
  }

  it('refuses what is none, and shows it', () => {
    for (const text of [
      ...['yesterday', '', '2026-02-30', '2026-11-21T25:00:00', '1795301387', '2026-11', '2026-W47-6'],
      ...['2026-11-21T22:50:49[Europe/Berlin]', '2026-11-21T22:50:49+26:00', '+010000-01-01T00:00:00Z'],
    ]) {
      assert.throws(() => parseTimestamp(text), {
        name: 'RangeError',
        message: `not a timestamp: "${text}"`,
      });
    }
    for (const value of [5, {}, new Date()]) {
      assert.throws(() => parseTimestamp(value), /^TypeError: text must be a string/);
    }
  });

  it('gives nothing for a field without a value', () => {
    const run = { id: 1, ended_at: null };
    assert.equal(parseTimestamp(run.ended_at), undefined);
    assert.equal(parseTimestamp(run.started_at), undefined);
  });
});

/** As that of Temporal, which the Node.js of the tests does not have. */
class Instant {
  epochMilliseconds = 0;
}

describe('dates as arguments', () => {
  let server;
  before(() => {
    server = new FaultServer();
  });
  after(() => server.stop());

  it('are sent as text', async () => {
    const baseUrl = await server.serve([{ json: [], repeat: 2 }]);
    const client = new AutonomiClient({ baseUrl, pathStyle: 'guide' });
    const moment = new Date('2026-11-21T22:50:49.642Z');
    const elsewhere = runInNewContext('new Date("2026-11-22")');
    await client.queryAudit({ start_date: moment, end_date: elsewhere });
    await client.getRunTimeline(1, { since: moment });
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map(({ query }) => [query.start_date, query.end_date, query.since]),
      [
        ['2026-11-21', '2026-11-22', undefined],
        [undefined, undefined, '2026-11-21T22:50:49.642Z'],
      ],
    );
  });

  it('are read as they are, whatever has been made of their methods', async () => {
    const date = new Date('2026-11-21T22:50:49.642Z');
    date.toISOString = () => 'Saturday';
    date.getTime = () => Number.NaN;
    const client = new AutonomiClient({ baseUrl: await server.serve([{ json: [] }]), pathStyle: 'guide' });
    await client.queryAudit({ start_date: date });
    client.close();
    assert.equal((await server.recorded()).requests[0].query.start_date, '2026-11-21');
  });

  it('say from when on events are wanted', async () => {
    const times = ['2026-11-21T22:50:48', '2026-11-21T22:50:49', '2026-11-21T22:50:49.642180Z'];
    const events = times.map((timestamp, index) => ({ id: index + 1, timestamp }));
    for (const since of ['2026-11-21T22:50:49', new Date('2026-11-21T22:50:49Z')]) {
      const baseUrl = await server.serve([{ json: { events } }]);
      const stream = new EventStream(new AutonomiClient({ baseUrl, pathStyle: 'guide' }));
      const found = await stream.pollEvents(1, since);
      assert.deepEqual(
        found.map(({ id }) => id),
        [2, 3],
      );
    }
  });

  it('may be the last ones of the calendar, which stand for no end', async () => {
    const baseUrl = await server.serve([{ json: [], repeat: 4 }]);
    const client = new AutonomiClient({ baseUrl, pathStyle: 'guide' });
    for (const last of ['9999-12-31', new Date('9999-12-31T23:59:59Z')]) {
      await client.queryAudit({ end_date: last });
      assert.deepEqual(await new EventStream(client).pollEvents(1, last), []);
    }
    const { requests } = await server.recorded();
    assert.deepEqual(
      requests.map(({ query }) => query.end_date),
      ['9999-12-31', undefined, '9999-12-31', undefined],
    );
  });

  it('are refused if they are none, by the name that the caller knows', async () => {
    const client = new AutonomiClient({ baseUrl: await server.serve([]) });
    const stream = new EventStream(client);
    /** Every way of giving one. */
    const ways = (value) => [
      ['start_date', () => client.queryAudit({ start_date: value })],
      ['end_date', () => client.raw.queryAudit({ end_date: value })],
      ['start_date', async () => client.iterAudit({ start_date: value }).next()],
      ['since', () => client.getRunTimeline(1, { since: value })],
      ['since', () => stream.pollEvents(1, value)],
      ['since', async () => stream.follow(1, { since: value }).next()],
      ['since', async () => stream.followMany([1], { since: value }).next()],
    ];
    const number = 'an integer; a Date is made of milliseconds by new Date(milliseconds)';
    for (const [value, got] of [
      [1795301387000, number],
      [{}, 'an object'],
      [new Instant(), 'an Instant; give new Date(value.epochMilliseconds)'],
      [new Date('x'), 'one that is invalid'],
      [new Date(Number.NaN), 'one that is invalid'],
      [new Date(8.64e15), 'one beyond the years 0 to 9999'],
      [new Date(-8.64e15), 'one beyond the years 0 to 9999'],
    ]) {
      for (const [name, call] of ways(value)) {
        const message = `${name} must be a string or a Date, not ${got}`;
        await assert.rejects(call, { name: 'TypeError', message });
      }
    }
    for (const value of ['last week', '', '2026-13-01', '9999-12-31T23:00:00-01:00']) {
      for (const [name, call] of ways(value)) {
        await assert.rejects(call, (error) => {
          assert.ok(error instanceof ConfigError, error.stack);
          assert.equal(error.param, name);
          assert.ok(error.message.startsWith(`\`${name}\` must be a`), error.message);
          return true;
        });
      }
    }
    assert.equal((await server.recorded()).requests.length, 0);
  });
});

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  it(`the audit log between two moments (${profile})`, async () => {
    const plane = await startControlPlane(profile);
    try {
      const client = new AutonomiClient({ baseUrl: plane.baseUrl, token: TOKEN });
      for (let number = 0; number < 30; number++) await client.createApiKey(`of the log ${number}`);
      const entries = await client.queryAudit({ limit: 10_000 });
      const first = parseTimestamp(entries[20].timestamp);
      const last = parseTimestamp(entries[4].timestamp);
      // A bound has milliseconds, an entry has microseconds: both as text of one length.
      const fine = (text) =>
        `${parseTimestamp(text).toISOString().slice(0, 23)}${text.slice(23, 26).replace(/\D.*/, '').padEnd(3, '0')}`;
      const bound = (date) => `${date.toISOString().slice(0, 23)}000`;
      const within = entries.filter(
        ({ timestamp }) => fine(timestamp) >= bound(first) && fine(timestamp) <= bound(last),
      );
      assert.ok(within.length > 0 && within.length < entries.length);
      const found = await client.queryAudit({ start_date: first, end_date: last, limit: 10_000 });
      assert.deepEqual(found, within);
      const some = await client.queryAudit({ start_date: first, end_date: last, limit: 3, offset: 2 });
      assert.deepEqual(some, within.slice(2, 5));
      const day = entries[0].timestamp.slice(0, 10);
      assert.deepEqual(await client.queryAudit({ start_date: day, limit: 3 }), entries.slice(0, 3));
    } finally {
      await plane.stop();
    }
  });
}
