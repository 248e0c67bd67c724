// A server of live events that sends what a test wants, when it wants.

import { createServer } from 'node:http';
import { listening } from './plane.mjs';

/** The frame of an event, as servers of the HTTP/SSE API write it. */
export function frame(number, type = 'task:completed', data = { title: `task ${number}` }) {
  const id = `evt_${number}_1795301856149`;
  const event = { id, type, timestamp: '2026-11-21T22:57:36.149Z', sessionId: 'session-1', data };
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export class LiveServer {
  /** The requests that have come. */
  requests = [];
  /** The answers that are still open. */
  open = new Set();
  /** What each connection begins with. */
  greeting = '';
  /** The status to refuse with. */
  refusal;
  #server = createServer((request, response) => {
    this.requests.push(request);
    if (this.refusal) {
      response.writeHead(this.refusal, { 'content-type': 'application/json' }).end('{"detail":"no"}');
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`: connected\n\n${this.greeting}`);
    this.open.add(response);
    response.once('close', () => this.open.delete(response));
  });

  async start() {
    this.baseUrl = await listening(this.#server);
    return this;
  }

  send(...numbers) {
    for (const response of this.open) response.write(numbers.map((number) => frame(number)).join(''));
  }

  /** Loses all connections. */
  drop() {
    for (const response of this.open) response.destroy();
  }

  stop() {
    this.drop();
    this.#server.close();
    this.#server.closeAllConnections?.();
  }
}
