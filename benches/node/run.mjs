// The Node half of `make bench`; benches/run.py starts the server and hands over its address.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import axios from 'axios';
import { Pool, request } from 'undici';

const require = createRequire(import.meta.url);
const { AutonomiClient } = require('../..');

const { LOKI_BASE_URL: baseUrl, LOKI_API_TOKEN: token, PROJECT_ID: projectId } = process.env;
const headers = { authorization: `Bearer ${token}` };
const client = new AutonomiClient({ baseUrl, token, timeout: 60_000 });

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// Times every contender in turn, round after round; medians in microseconds a call.
async function measure(contenders, { rounds, calls }) {
  const samples = new Map();
  for (const [name, call] of Object.entries(contenders)) {
    for (let i = 0; i < Math.min(calls, 20); i++) await call();
    samples.set(name, { wall: [], cpu: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const [name, call] of Object.entries(contenders)) {
      const cpu = process.cpuUsage();
      const began = process.hrtime.bigint();
      for (let i = 0; i < calls; i++) await call();
      samples.get(name).wall.push(Number(process.hrtime.bigint() - began) / 1000 / calls);
      const used = process.cpuUsage(cpu);
      samples.get(name).cpu.push((used.user + used.system) / calls);
    }
  }
  return new Map([...samples].map(([name, { wall, cpu }]) => [name, { wall: median(wall), cpu: median(cpu) }]));
}

function table(title, results, baseline) {
  console.log(`\n${title}\n  ${''.padEnd(28)}${'wall'.padStart(12)}${'ratio'.padStart(9)}${'cpu'.padStart(12)}`);
  for (const [name, { wall, cpu }] of [...results].sort(([, a], [, b]) => a.wall - b.wall)) {
    const ratio = (wall / results.get(baseline).wall).toFixed(2);
    console.log(`  ${name.padEnd(28)}${wall.toFixed(0).padStart(9)} µs${ratio.padStart(8)}x${cpu.toFixed(0).padStart(9)} µs`);
  }
}

// The least that a call can cost: one connection, one prepared request, no parsing beyond what is needed.
function rawSocket(path) {
  const { hostname, port, host } = new URL(baseUrl);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nAccept: application/json\r\n\r\n`;
  let finish;
  let data = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    data += chunk;
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/content-length: *(\d+)/i.exec(data.slice(0, end))[1]);
    if (data.length < end + 4 + length) return;
    const body = data.slice(end + 4);
    data = '';
    finish(JSON.parse(body));
  });
  const call = () =>
    new Promise((resolve) => {
      finish = resolve;
      socket.write(head);
    });
  return { call, close: () => socket.destroy() };
}

const path = `/api/projects/${projectId}`;
const url = baseUrl + path;
const raw = rawSocket(path);
const http = axios.create({ headers });
const undiciJson = async (target) => (await request(target, { headers })).body.json();

table(
  'Node: one getProject after the other',
  await measure(
    {
      'raw socket': raw.call,
      'loki-mode-sdk': () => client.getProject(projectId),
      fetch: async () => (await fetch(url, { headers })).json(),
      undici: () => undiciJson(url),
      axios: async () => (await http.get(url)).data,
    },
    { rounds: 15, calls: 300 },
  ),
  'raw socket',
);
raw.close();

for (const rows of [100, 10_000, 100_000]) {
  const target = `${baseUrl}/api/audit?limit=${rows}`;
  table(
    `Node: queryAudit of ${rows.toLocaleString('en')} rows`,
    await measure(
      {
        'loki-mode-sdk': () => client.queryAudit({ limit: rows }),
        undici: () => undiciJson(target),
        fetch: async () => (await fetch(target, { headers })).json(),
      },
      { rounds: 7, calls: Math.max(1, Math.floor(1000 / rows)) },
    ),
    'undici',
  );
}

// So many calls in flight, all the time; `undici` is its fastest form, a pool with a connection for each.
async function together(title, sdk, server, inFlight, options) {
  const pool = new Pool(server, { connections: inFlight });
  const all = (call) => () => Promise.all(Array.from({ length: inFlight }, call));
  const results = await measure(
    {
      'loki-mode-sdk': all(() => sdk.getProject(projectId)),
      undici: all(async () => (await pool.request({ path, method: 'GET', headers })).body.json()),
      'undici.request': all(() => undiciJson(server + path)),
      fetch: all(async () => (await fetch(server + path, { headers })).json()),
    },
    options,
  );
  await pool.close();
  table(title, results, 'undici');
}

await together('Node: 64 getProject at a time', client, baseUrl, 64, { rounds: 9, calls: 20 });

const slow = spawn(process.execPath, [new URL('slow-server.mjs', import.meta.url).pathname], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [slowUrl] = await once(createInterface(slow.stdout), 'line');
const patient = new AutonomiClient({ baseUrl: slowUrl, token, pathStyle: 'guide' });
await together('Node: 200 getProject at a time, of a server that takes 50 ms', patient, slowUrl, 200, {
  rounds: 9,
  calls: 20,
});
patient.close();
slow.kill();
