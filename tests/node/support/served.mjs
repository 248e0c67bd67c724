// A fault server for the tests of a file, and clients of it that are closed after each test.

import { after, afterEach } from 'node:test';
import { AutonomiClient } from 'loki-mode-sdk';
import { FaultServer } from './fault-server.mjs';

export const server = new FaultServer();
after(() => server.stop());

const clients = [];
afterEach(() => {
  for (const made of clients.splice(0)) made.close();
});

export function client(baseUrl, options = {}) {
  const made = new AutonomiClient({ baseUrl, ...options });
  clients.push(made);
  return made;
}

/** The values of this header in the requests that have arrived. */
export async function sent(name) {
  return (await server.recorded()).requests.map((request) => request.headers[name]);
}

/** A project as servers give it. */
export const PROJECT = { id: 1, name: 'a', status: 'active', created_at: '', updated_at: '' };
