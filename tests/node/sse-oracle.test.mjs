// Server-sent events as eventsource-parser reads them, byte for byte and however they are cut.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';

clearEnvironment();
const { createParser } = createRequire(new URL('../peers/package.json', import.meta.url))(
  'eventsource-parser',
);

/** A generator of numbers that gives the same ones each time (mulberry32). */
function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const VALUES = ['', 'a', ' b', '  c', 'x:y', 'é', '😀', '\u{feff}', '\u0001', '{"a":', 'z'.repeat(300)];
const FIELDS = ['data', 'data', 'data', 'event', 'id', 'x', 'DATA', ' data', ''];

/** Anything that may come: fields, comments, blank lines, all three ends of a line. */
function stream(random) {
  const end = ['\n', '\r\n', '\r'][random(3)];
  let ids = 0;
  const line = () => {
    if (random(5) === 0) return '';
    const field = FIELDS[random(FIELDS.length)];
    // An id that comes again is taken for a replay, which the oracle knows nothing of.
    const value = VALUES[random(VALUES.length)] + (field === 'id' ? `-${ids++}` : '');
    return random(8) === 0 ? field : `${field}:${random(2) ? ' ' : ''}${value}`;
  };
  const lines = Array.from({ length: 5 + random(60) }, line);
  const start = random(4) === 0 ? '\u{feff}' : '';
  return Buffer.from(`${start}${lines.join(end)}${end}${end}event: last${end}data: end${end}${end}`);
}

/** What the oracle reads. */
function expected(bytes) {
  const events = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => events.push({ id: id || null, name: event || 'message', data }),
  });
  parser.feed(new TextDecoder().decode(bytes));
  // It waits after a carriage return, for the line feed that may follow.
  parser.feed(':\n');
  return events;
}

/** Sends the bytes in pieces, and then nothing. */
async function serve(bytes, random) {
  const server = createServer(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random(random(3) === 0 ? 400 : 7);
      response.write(bytes.subarray(at, at + size));
      at += size;
      if (random(20) === 0) await new Promise(setImmediate);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe('server-sent events', () => {
  it('are read as eventsource-parser reads them', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = numbers(seed);
      const bytes = stream(random);
      const server = await serve(bytes, random);
      const client = new AutonomiClient({ baseUrl: `http://127.0.0.1:${server.address().port}` });
      const seen = [];
      for await (const { id, type, data } of client.events()) {
        // What is no event of the API is kept as text under the name of its frame.
        seen.push({ id: id ?? null, name: type, data: data.text });
        if (type === 'last') break;
      }
      client.close();
      server.closeAllConnections?.();
      server.close();
      assert.deepEqual(seen, expected(bytes), `seed ${seed}: ${JSON.stringify(bytes.toString())}`);
    }
  });
});
