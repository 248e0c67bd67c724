// What the package does at its simplest, in a process of its own: it may be that of any runtime.

import { createServer } from 'node:http';
import { Worker } from 'node:worker_threads';
import { APITimeoutError, AutonomiClient, EventStream, NotFoundError } from 'loki-mode-sdk';
import { event, listening } from './plane.mjs';
import { frame } from './sse.mjs';

const told = [];
/** Keeps what the caller may look at; `name` is that of a step. */
const tell = (name, outcome) => told.push(`${name}: ${outcome}`);

const server = createServer((request, response) => {
  const [path] = request.url.split('?');
  if (path === '/api/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`${frame(1)}${frame(2)}`);
  } else if (path.endsWith('/timeline')) {
    response.end(JSON.stringify([event(1), event(2)]));
  } else if (path === '/api/runs/7') {
    response.end('{"id":7,"project_id":1,"status":"completed"}');
  } else if (path === '/api/projects/404') {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail":"Project not found"}');
  } else if (path === '/api/projects/7') {
    setTimeout(() => response.end('{"id":7,"name":"seven"}'), 20);
  } else if (path !== '/api/status') {
    response.end('[]');
  }
});
const baseUrl = await listening(server);
const client = new AutonomiClient({ baseUrl, pathStyle: 'guide' });

const projects = await Promise.all(Array.from({ length: 100 }, () => client.getProject(7)));
tell('calls', projects.filter(({ name }) => name === 'seven').length);

async function theCaller() {
  await client.getProject(404);
}
const missing = await theCaller().catch((error) => error);
tell('errors', missing instanceof NotFoundError && /theCaller .*smoke\.mjs/.test(missing.stack));

const controller = new AbortController();
setTimeout(() => controller.abort(new Error('enough')), 20);
tell('signals', await client.getStatus({ signal: controller.signal }).catch(({ message }) => message));
const late = await client.getStatus({ timeout: 50 }).catch((error) => error);
tell('timeouts', late instanceof APITimeoutError);
const provided = client.withOptions({ token: async () => 'loki_smoke' });
tell('token providers', (await provided.getProject(7)).id);

const live = [];
for await (const { data } of client.events()) if (live.push(data.title) === 2) break;
tell('live events', live.join());
const followed = [];
for await (const { id } of new EventStream(client).follow(7)) followed.push(id);
tell('followed events', followed.join());
tell('waits', (await client.waitForRun(7)).status);
const pages = [];
for await (const run of client.iterRuns(7)) pages.push(run);
tell('pages', pages.length);

const inWorker = `
  import('loki-mode-sdk').then(async ({ AutonomiClient }) => {
    const { parentPort } = await import('node:worker_threads');
    const client = new AutonomiClient({ baseUrl: ${JSON.stringify(baseUrl)} });
    client.getStatus().catch(() => {});
    client.events().next().then(() => client.getProject(7)).then(({ id }) => parentPort.postMessage(id));
  });`;
const worker = new Worker(inWorker, { eval: true });
const given = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
await worker.terminate();
tell('workers', given);

const pending = client.getStatus().catch(({ message }) => message);
client.close();
tell('close', await pending);
server.close();
server.closeAllConnections?.();
console.log(told.join('\n'));
if (!server.closeAllConnections) process.exit();
