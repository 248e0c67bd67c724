// A server that takes 50 ms for each answer, whatever is asked. Its first line on stdout is its address.

import { createServer } from 'node:http';

const DELAY = 50;
const BODY = JSON.stringify({ id: 1, name: 'slow', status: 'active', created_at: '', updated_at: '' });
const HEADERS = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(BODY) };

const server = createServer({ keepAliveTimeout: 60_000 }, (_, response) => {
  setTimeout(() => response.writeHead(200, HEADERS).end(BODY), DELAY);
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
