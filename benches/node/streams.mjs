// The Node half of the part of `make bench` about events; benches/streams.py starts the server.

import { createRequire } from 'node:module';
import { createParser } from 'eventsource-parser';
import { request } from 'undici';

const require = createRequire(import.meta.url);
const { AutonomiClient } = require('../..');

const { FIREHOSE: baseUrl } = process.env;
const [liveEvents, timeline] = [Number(process.env.LIVE_EVENTS), Number(process.env.TIMELINE)];
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function rates(title, contenders, events) {
  const samples = new Map(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round < 5; round++) {
    for (const [name, read] of Object.entries(contenders)) {
      const began = performance.now();
      const count = await read();
      samples.get(name).push(count / (performance.now() - began));
      if (count !== events) throw new Error(`${name} read ${count} of ${events} events`);
    }
  }
  console.log(`\n${title}, thousands of events a second`);
  const ours = median([...samples.values()][0]);
  for (const [name, taken] of samples) {
    const ratio = (ours / median(taken)).toFixed(2);
    console.log(`  ${name.padEnd(44)}${median(taken).toFixed(0).padStart(10)}${ratio.padStart(8)}x`);
  }
}

await rates(
  'Node: live events',
  {
    'client.events()': async () => {
      const client = new AutonomiClient({ baseUrl });
      let count = 0;
      for await (const event of client.events()) {
        if (event.id) count++;
        if (count === liveEvents) break;
      }
      client.close();
      return count;
    },
    'undici + eventsource-parser + JSON.parse': async () => {
      let count = 0;
      const parser = createParser({
        onEvent: ({ data }) => {
          if (JSON.parse(data).id) count++;
        },
      });
      const { body } = await request(`${baseUrl}/api/events`);
      const decoder = new TextDecoder();
      for await (const chunk of body) {
        parser.feed(decoder.decode(chunk, { stream: true }));
        if (count >= liveEvents) break;
      }
      return count;
    },
  },
  liveEvents,
);

await rates(
  'Node: a timeline',
  {
    'client.getRunTimeline()': async () => {
      const client = new AutonomiClient({ baseUrl });
      const { length } = await client.getRunTimeline(timeline);
      client.close();
      return length;
    },
    'undici + JSON.parse': async () => {
      const { body } = await request(`${baseUrl}/api/runs/${timeline}/timeline`);
      return (await body.json()).events.length;
    },
  },
  timeline,
);
