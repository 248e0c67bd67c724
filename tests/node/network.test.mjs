// What lies between a client and its server: certificates, proxies, and how many connections there are.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, afterEach, before, describe, it } from 'node:test';
import { APIConnectionError, ConfigError } from 'loki-mode-sdk';
import { clearEnvironment } from './support/binaries.mjs';
import { client as served, server } from './support/served.mjs';

clearEnvironment();

const UP = { json: { status: 'up' } };

const client = (baseUrl, options) => served(baseUrl, { maxRetries: 0, timeout: 20_000, ...options });
afterEach(() => clearEnvironment());

describe('TLS', () => {
  it('trusts what caFile adds, and nothing that is not vouched for', async () => {
    const { base_url, ca_file } = await server.serveTls('valid', [UP]);
    await assert.rejects(client(base_url).getStatus(), (error) => {
      assert.ok(error instanceof APIConnectionError);
      assert.match(error.message, /certificate/);
      assert.equal(error.maybeExecuted, false);
      return true;
    });
    assert.deepEqual(await client(base_url, { caFile: ca_file }).getStatus(), UP.json);
  });

  it('adds caFile to what the system trusts', async () => {
    const { base_url, ca_file } = await server.serveTls('valid', [UP]);
    const system = client(base_url, { caFile: ca_file, systemRoots: true });
    assert.deepEqual(await system.getStatus(), UP.json);
  });

  for (const [variant, reason] of [
    ['wrong_host', /not valid for|host|name/i],
    ['expired', /expired/i],
    ['self_signed', /certificate/i],
  ]) {
    it(`refuses a certificate that is ${variant}, and says so`, async () => {
      const { base_url, ca_file } = await server.serveTls(variant, [UP]);
      const options = ca_file && variant !== 'self_signed' ? { caFile: ca_file } : {};
      await assert.rejects(client(base_url, options).getStatus(), (error) => {
        assert.ok(error instanceof APIConnectionError);
        assert.match(error.message, reason);
        return true;
      });
    });
  }

  it('shows a client certificate where one is set', async () => {
    const tls = await server.serveTls('client_certificate', [UP]);
    const caFile = tls.ca_file;
    await assert.rejects(client(tls.base_url, { caFile }).getStatus(), APIConnectionError);
    const known = { caFile, clientCertFile: tls.client_cert_file, clientKeyFile: tls.client_key_file };
    assert.deepEqual(await client(tls.base_url, known).getStatus(), UP.json);
    const swapped = { caFile, clientCertFile: tls.client_key_file, clientKeyFile: tls.client_cert_file };
    assert.throws(() => client(tls.base_url, swapped), ConfigError);
  });
});

describe('a proxy', () => {
  const HOST = 'control.test';

  /** A server that only the proxy can find, and the proxy. */
  async function behindProxy(settings = {}) {
    const baseUrl = await server.serve([UP, UP]);
    const { host } = new URL(baseUrl);
    const hosts = { [`${HOST}:80`]: host, [`${HOST}:443`]: host };
    const proxy = await server.httpProxy({ hosts, ...settings }, 'proxy');
    return { baseUrl, proxy };
  }
  const arrived = async () => (await server.recorded('proxy')).requests;

  it('is taken from the option, with its credentials', async () => {
    const { proxy } = await behindProxy({ credentials: 'user:p@ss' });
    const target = `http://${HOST}`;
    await assert.rejects(client(target, { proxy }).getStatus());
    const url = new URL(proxy);
    url.username = 'user';
    url.password = 'p@ss';
    assert.deepEqual(await client(target, { proxy: url.href }).getStatus(), UP.json);
    assert.deepEqual(
      (await arrived()).map(({ refused }) => refused),
      [407, null],
    );
  });

  for (const name of ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY']) {
    it(`is taken from ${name}`, async () => {
      const { proxy } = await behindProxy();
      process.env[name] = proxy;
      assert.deepEqual(await client(`http://${HOST}`).getStatus(), UP.json);
      assert.equal((await arrived()).length, 1);
    });
  }

  it('is a tunnel for https', async () => {
    const { base_url, ca_file: caFile } = await server.serveTls('valid', [UP]);
    const hosts = { [`${HOST}:443`]: new URL(base_url).host };
    process.env.HTTPS_PROXY = await server.httpProxy({ hosts }, 'proxy');
    // TLS is spoken with the server at its end: its certificate is for another name.
    await assert.rejects(
      client(`https://${HOST}`, { caFile }).getStatus(),
      /control\.test:443: the server's certificate is for another host/,
    );
    const [request] = await arrived();
    assert.deepEqual([request.method, request.target], ['CONNECT', `${HOST}:443`]);
  });

  it('is not asked for the loopback, for hosts of NO_PROXY, and if the option says none', async () => {
    const { baseUrl, proxy } = await behindProxy();
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) process.env[name] = proxy;
    assert.deepEqual(await client(baseUrl).getStatus(), UP.json);
    assert.deepEqual(await client(baseUrl, { proxy }).getStatus(), UP.json);
    await assert.rejects(client(`http://${HOST}`, { proxy: '' }).getStatus(), APIConnectionError);
    process.env.NO_PROXY = 'elsewhere.test,control.test';
    await assert.rejects(client(`http://${HOST}`).getStatus(), APIConnectionError);
    assert.deepEqual(await arrived(), []);
  });
});

describe('connections', () => {
  let plain;
  let baseUrl;
  let open = 0;
  let most = 0;
  let opened = 0;

  before(async () => {
    // Answers with the id that it is asked for, not in the order in which it was asked.
    plain = createServer((request, response) => {
      const id = Number(request.url.split('/').at(-1));
      setTimeout(() => {
        const project = { id, name: `p${id}`, status: 'active', created_at: '', updated_at: '' };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(project));
      }, id % 7);
    });
    plain.keepAliveTimeout = 60_000;
    plain.on('connection', (socket) => {
      opened++;
      most = Math.max(most, ++open);
      socket.on('close', () => open--);
    });
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    baseUrl = `http://127.0.0.1:${plain.address().port}`;
  });
  afterEach(() => {
    most = open;
    opened = 0;
  });
  after(() => {
    plain.closeAllConnections();
    plain.close();
  });

  it('2,000 calls, 64 at a time, get their own answers on no more than maxConnections', async () => {
    const sdk = client(baseUrl, { maxConnections: 16 });
    let next = 0;
    const one = async () => {
      while (next < 2000) {
        const id = next++;
        assert.equal((await sdk.getProject(id)).id, id);
      }
    };
    await Promise.all(Array.from({ length: 64 }, one));
    assert.ok(most > 1 && most <= 16, `${most} connections at once`);
    assert.ok(opened <= 64, `${opened} connections were opened: they are not kept`);
  });

  it('200 calls at once fit in what is allowed by default', async () => {
    let waiting = 0;
    let release;
    const allThere = new Promise((resolve) => {
      release = resolve;
    });
    const gate = createServer((_request, response) => {
      if (++waiting === 200) release();
      // Nobody is answered before everybody has asked.
      allThere.then(() => response.setHeader('content-type', 'application/json').end('{}'));
    });
    gate.listen(0, '127.0.0.1');
    await once(gate, 'listening');
    const sdk = client(`http://127.0.0.1:${gate.address().port}`);
    await Promise.all(Array.from({ length: 200 }, () => sdk.getStatus()));
    assert.equal(waiting, 200);
    sdk.close();
    gate.closeAllConnections();
    gate.close();
  });
});
