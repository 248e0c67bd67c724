// Servers whose events a test adds, also such that no server should have.

import { once } from 'node:events';
import { createServer } from 'node:http';

export function event(number, fields = {}) {
  return {
    id: number,
    run_id: 7,
    event_type: 'x',
    phase: 'ACT',
    details: { n: number },
    timestamp: '2026-11-21T22:50:49',
    ...fields,
  };
}

/** Listens on a free port of this machine. */
export async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

/** Waits until it is so. */
export async function until(condition) {
  for (let round = 0; round < 6000; round++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never happened');
}

/** Answers the timeline and the state of any run: all of them are the same. */
export class Plane {
  events = [];
  status = 'running';
  /** What was asked for, by method and path. */
  requests = [];
  #release = [];
  #isHeld = false;
  #server = createServer(async (request, response) => {
    const [path] = request.url.split('?');
    this.requests.push(`${request.method} ${path}`);
    if (this.#isHeld) await new Promise((resolve) => this.#release.push(resolve));
    const body = JSON.stringify(this.#answer(path));
    response.setHeader('content-type', 'application/json').end(body);
  });

  async start() {
    this.baseUrl = await listening(this.#server);
    return this;
  }

  #answer(path) {
    const id = Number(path.split('/')[3]);
    if (path.endsWith('/timeline')) return this.events.map((one) => ({ ...one, run_id: id }));
    return { id, status: this.status };
  }

  add(...numbers) {
    this.events = [...this.events, ...numbers.map((number) => event(number))];
  }

  /** Keeps all answers back. */
  hold() {
    this.#isHeld = true;
  }

  release() {
    this.#isHeld = false;
    for (const release of this.#release.splice(0)) release();
  }

  async stop() {
    this.release();
    this.#server.close();
    this.#server.closeAllConnections?.();
  }
}
