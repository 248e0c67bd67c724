// Signatures of webhooks and what webhooks say: the shared cases, and what is JavaScript's own about them.

import assert from 'node:assert/strict';
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import * as sdk from 'loki-mode-sdk';
import * as webhooks from 'loki-mode-sdk/webhooks';

const { isApprovalRequest, parse, sign, unwrap, verify, WebhookVerificationError } = webhooks;
const require = createRequire(import.meta.url);
const peer = createRequire(new URL('../peers/package.json', import.meta.url));
const { Webhook } = peer('standardwebhooks');
const express = peer('express');

const BODY = '{"event": "task_complete", "metadata": {"task_id": 7}}';
const SECRET = 'a secret of both sides';
const lokiSignature = (body = BODY, secret = SECRET) =>
  createHmac('sha256', secret).update(body).digest('hex');

function load(name) {
  const url = new URL(`../cases/webhooks/${name}.json`, import.meta.url);
  const { cases, ...shared } = JSON.parse(readFileSync(url, 'utf8'));
  return cases.map((test) => ({ ...shared, ...test }));
}

function checkFailure(action, test) {
  assert.throws(action, (error) => {
    if (test.refused) {
      assert.equal(error.constructor, WebhookVerificationError, String(error));
      assert.equal(error.reason, test.refused);
    } else {
      assert.equal(error.constructor.name, test.error, String(error));
    }
    for (const text of test.message_contains ?? []) {
      assert.ok(error.message.includes(text), `${text} is not in: ${error.message}`);
    }
    for (const secret of test.secrets ?? []) {
      if (!secret || secret === 'whsec_') continue;
      const told = `${error.stack} ${JSON.stringify(error)}`;
      assert.ok(!told.includes(secret.trim()) && !told.includes(lokiSignature(test.body, secret)), told);
    }
    return true;
  });
}

const reasonOf = (action) => {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof WebhookVerificationError, String(error));
    return error.reason;
  }
};

describe('shared cases: verify', () => {
  for (const test of load('verify')) {
    it(test.name, () => {
      const secrets = test.secrets.map((secret) =>
        secret?.base64 === undefined ? secret : Buffer.from(secret.base64, 'base64'),
      );
      const options = { now: test.now * 1e3 };
      if (test.tolerance_seconds !== undefined) options.tolerance = test.tolerance_seconds * 1e3;
      const action = () => verify(Buffer.from(test.body), test.headers, secrets, options);
      if (test.accepted) assert.equal(action(), undefined);
      else checkFailure(action, test);
    });
  }
});

describe('shared cases: events', () => {
  for (const test of load('events')) {
    it(test.name, () => {
      if (test.error) return checkFailure(() => parse(test.body), test);
      const { payload, createdAt, ...fields } = parse(test.body);
      const event = createdAt === undefined ? fields : { ...fields, created_at: createdAt };
      assert.deepEqual(event, test.event);
      assert.deepEqual(payload, JSON.parse(test.body.replace('\ufeff', '')));
      assert.equal(isApprovalRequest(fields), test.event.type === 'approval_request');
    });
  }
});

describe('shared cases: sign', () => {
  for (const test of load('sign')) {
    it(test.name, () => {
      const { scheme, id, timestamp } = test;
      const action = () => sign(test.body, test.secret, { scheme, id, timestamp: timestamp * 1e3 });
      if (test.error) checkFailure(action, test);
      else assert.deepEqual(action(), test.headers);
    });
  }
});

describe('webhooks', () => {
  it('are one module, with the error class of the package', () => {
    assert.deepEqual(
      Object.keys(webhooks).sort(),
      Object.keys(require('loki-mode-sdk/webhooks'))
        .filter((name) => name !== '__esModule')
        .sort(),
    );
    assert.equal(webhooks.verify, require('loki-mode-sdk/webhooks').verify);
    assert.equal(WebhookVerificationError, sdk.WebhookVerificationError);
    assert.ok(new WebhookVerificationError('x') instanceof sdk.AutonomiError);
  });

  it('have their body in every raw form', () => {
    const bytes = Buffer.from(BODY);
    const arrayBuffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const elsewhere = runInNewContext('new Uint8Array(bytes)', { bytes: [...bytes] });
    const part = Buffer.from(`x${BODY}x`).subarray(1, -1);
    const bodies = [BODY, bytes, new Uint8Array(bytes), arrayBuffer, new DataView(arrayBuffer)];
    for (const body of [...bodies, shared, shared.buffer, elsewhere, part]) {
      const event = unwrap(body, { 'x-loki-signature': lokiSignature() }, SECRET);
      assert.deepEqual([event.type, event.task_id], ['task_completed', 7]);
    }
  });

  it('refuse a body that was parsed, by name', async () => {
    for (const body of [{}, [], 5, null, undefined, Promise.resolve(BODY), new Date()]) {
      for (const action of [
        () => verify(body, {}, SECRET),
        () => parse(body),
        () => unwrap(body, {}, SECRET),
        () => sign(body, SECRET),
      ]) {
        assert.throws(
          action,
          (error) => error instanceof TypeError && /express\.raw\({type: '\*\/\*'}\)/.test(error),
        );
      }
    }
  });

  it('take the headers of Node, of fetch, and pairs', () => {
    const value = lokiSignature();
    const elsewhere = runInNewContext('[["x-loki-signature", value]]', { value });
    for (const headers of [
      { host: 'a', cookie: ['a'], 'x-loki-signature': value, 'x-none': undefined },
      { 'X-Loki-Signature': ['0'.repeat(64), value] },
      new Headers({ 'X-Loki-Signature': value }),
      new Map([['X-Loki-Signature', value]]),
      elsewhere,
    ]) {
      verify(BODY, headers, SECRET);
      assert.equal(
        reasonOf(() => verify(`${BODY} `, headers, SECRET)),
        'bad_signature',
      );
    }
    for (const headers of [null, undefined, 'x-loki-signature: a', 5, ['a'], [['a', 'b', 'c']], [[5, 'a']]]) {
      assert.throws(() => verify(BODY, headers, SECRET), /^TypeError: headers must be/);
    }
    // Next.js gives a promise of them; nothing of it must look like a webhook that nobody has signed.
    assert.throws(
      () => verify(BODY, Promise.resolve({}), SECRET),
      /^TypeError: headers must be .* not a Promise/,
    );
    for (const options of [new Map([['tolerance', 5]]), AbortSignal.abort(), Promise.resolve({})]) {
      assert.throws(
        () => verify(BODY, {}, SECRET, options),
        /^TypeError: options of verify must be an object/,
      );
    }
  });

  it('come through Express and through Request', async () => {
    const seen = {};
    const app = express();
    const check = (name, bodyOf) => (request, response) => {
      try {
        const event = unwrap(bodyOf(request), request.headers, SECRET);
        verify(bodyOf(request), request.headersDistinct ?? request.headers, SECRET);
        seen[name] = event.task_id;
      } catch (error) {
        seen[name] = error;
      }
      response.end();
    };
    const keep = (request, _response, bytes) => {
      request.rawBody = bytes;
    };
    app.post(
      '/raw',
      express.raw({ type: '*/*' }),
      check('raw', ({ body }) => body ?? ''),
    );
    app.post(
      '/text',
      express.text({ type: '*/*' }),
      check('text', ({ body }) => body),
    );
    app.post(
      '/kept',
      express.json({ verify: keep }),
      check('kept', ({ rawBody }) => rawBody),
    );
    app.post(
      '/json',
      express.json(),
      check('json', ({ body }) => body),
    );
    app.post(
      '/none',
      check('none', ({ body }) => body),
    );
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const body = '{"event": "task_complete", "title": "Grüße ✓", "task_id": 7}';
      const headers = { 'content-type': 'application/json', ...sign(body, SECRET) };
      for (const name of ['raw', 'text', 'kept', 'json', 'none']) {
        await fetch(`http://127.0.0.1:${server.address().port}/${name}`, { method: 'POST', body, headers });
      }
      assert.deepEqual([seen.raw, seen.text, seen.kept], [7, 7, 7]);
      for (const error of [seen.json, seen.none]) assert.match(String(error), /^TypeError: .*express\.raw/);

      const request = () => new Request('http://host/', { method: 'POST', body, headers });
      const one = request();
      assert.equal(unwrap(await one.arrayBuffer(), one.headers, SECRET).task_id, 7);
      const entries = Object.fromEntries(one.headers);
      assert.equal(unwrap(await request().text(), entries, SECRET).task_id, 7);
      assert.equal(unwrap(await (await request().blob()).arrayBuffer(), entries, SECRET).task_id, 7);
      for (const wrong of [request(), await request().json(), request().text(), await request().blob()]) {
        assert.throws(() => unwrap(wrong, entries, SECRET), /^TypeError: .*await request\.arrayBuffer\(\)/);
      }
      for (const wrong of [request(), { headers: entries }]) {
        assert.throws(() => verify(body, wrong, SECRET), /^TypeError: headers must be .*request\.headers/);
      }
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('take secrets of every kind', () => {
    const headers = { 'x-loki-signature': lokiSignature() };
    const key = new TextEncoder().encode(SECRET);
    const ofBytes = [Buffer.from(SECRET), key, key.buffer, new DataView(key.buffer)];
    for (const secrets of [SECRET, [null, 'x', undefined, '', SECRET], ...ofBytes, ofBytes]) {
      verify(BODY, headers, secrets);
    }
    for (const secret of ofBytes) assert.equal(sign(BODY, secret)['X-Loki-Signature'], lokiSignature());
    for (const secrets of [undefined, null, '', [], [null, ''], new Uint8Array(0), new ArrayBuffer(0)]) {
      const unsigned = { 'x-loki-signature': lokiSignature(BODY, '') };
      assert.equal(
        reasonOf(() => verify(BODY, unsigned, secrets)),
        'no_secret',
      );
    }
    for (const secrets of [5, {}, [5], new Set([SECRET])]) {
      assert.throws(() => verify(BODY, headers, secrets), /^TypeError: secrets must be/);
    }
  });

  it('are accepted within the tolerance', (context) => {
    const sent = new Date('2026-11-21T22:49:47.642Z');
    const headers = sign(BODY, SECRET, { scheme: 'standard', timestamp: sent });
    assert.equal(headers['webhook-timestamp'], '1795301387');
    assert.match(headers['webhook-id'], /^msg_[0-9a-f]{32}$/);
    verify(BODY, headers, SECRET, { now: sent });
    if (context.mock.timers?.setTime) {
      context.mock.timers.enable({ apis: ['Date'], now: sent.getTime() + 301_000 });
      assert.equal(
        reasonOf(() => verify(BODY, headers, SECRET)),
        'too_old',
      );
      context.mock.timers.reset();
    }
    const options = { now: sent.getTime() - 301_000 };
    assert.equal(
      reasonOf(() => verify(BODY, headers, SECRET, options)),
      'too_new',
    );
    verify(BODY, headers, SECRET, { tolerance: Number.POSITIVE_INFINITY });
    for (const wrong of [
      { tolerance: -1 },
      { tolerance: '5' },
      { tolerance: Number.NaN },
      { now: new Date('x') },
      { now: Number.POSITIVE_INFINITY },
      { toleranceSeconds: 5 },
    ]) {
      assert.throws(
        () => verify(BODY, headers, SECRET, wrong),
        (error) => error instanceof sdk.ConfigError && error.param === Object.keys(wrong)[0],
      );
    }
  });

  it('are not signed with what cannot be sent', () => {
    const wrong = [
      ...['', 'a b', 'a\r\nb', '\0', 'ä'].map((id) => ({ id })),
      ...[Number.NaN, Number.POSITIVE_INFINITY, -1, 1e30, new Date(Number.NaN), '5', null].map(
        (timestamp) => ({
          timestamp,
        }),
      ),
    ];
    for (const options of wrong) {
      assert.throws(
        () => sign(BODY, SECRET, { scheme: 'standard', ...options }),
        (error) => error instanceof sdk.ConfigError && error.param === Object.keys(options)[0],
        JSON.stringify(options),
      );
    }
    for (const id of [5, null, '\ud800']) {
      assert.throws(() => sign(BODY, SECRET, { scheme: 'standard', id }), /^TypeError: id must be a string/);
    }
  });

  it('have no text with half of a surrogate pair', () => {
    const torn = '\ud800';
    for (const action of [
      () => sign(torn, SECRET),
      () => verify(torn, {}, SECRET),
      () => parse(torn),
      () => sign(BODY, torn),
      () => verify(BODY, {}, [torn]),
    ]) {
      assert.throws(action, /^TypeError: (body|secrets?) must be .* not one with half of a surrogate pair/);
    }
    assert.equal(
      reasonOf(() => verify(BODY, { 'x-loki-signature': torn }, SECRET)),
      'malformed_signature',
    );
    verify(BODY, { 'x-other': torn, [torn]: 'a', 'x-loki-signature': lokiSignature() }, SECRET);
    assert.throws(() => parse('{"title": "\\ud800"}'), sdk.DecodeError);
  });

  it('give an identifier of any size', () => {
    for (const [digits, expected] of [
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
      ['-9007199254740991', -Number.MAX_SAFE_INTEGER],
      ['9007199254740993', '9007199254740993'],
      ['-12345678901234567890123', '-12345678901234567890123'],
    ]) {
      const event = parse(
        `{"type": "approval_request", "id": ${digits}, "metadata": {"task_id": ${digits}}}`,
      );
      assert.deepEqual([event.task_id, event.id], [expected, expected]);
    }
  });

  it('nested without end are an error', () => {
    const body = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    assert.throws(() => parse(body), sdk.DecodeError);
  });

  it('agree with the library of Standard Webhooks, in both directions', () => {
    for (let round = 0; round < 50; round++) {
      const secret = `whsec_${randomBytes(randomInt(1, 65)).toString('base64')}`;
      const body = JSON.stringify({ round, text: randomBytes(randomInt(50)).toString('latin1') });
      const theirs = new Webhook(secret);
      const now = new Date();
      const headers = {
        'webhook-id': `msg_${round}`,
        'webhook-timestamp': String(Math.floor(now.getTime() / 1e3)),
        'webhook-signature': theirs.sign(`msg_${round}`, now, body),
      };
      verify(body, headers, secret);
      assert.deepEqual(theirs.verify(body, sign(body, secret, { scheme: 'standard' })), JSON.parse(body));
    }
  });

  it('notice any flipped bit of the body and of the signature', () => {
    const body = randomBytes(40);
    const secret = randomBytes(32);
    const signature = createHmac('sha256', secret).update(body).digest();
    const flipped = (bytes, bit) => {
      const other = Buffer.from(bytes);
      other[bit >> 3] ^= 1 << (bit & 7);
      return other;
    };
    const check = (body, signature) =>
      reasonOf(() => verify(body, { 'x-hub-signature-256': `sha256=${signature.toString('hex')}` }, secret));
    assert.equal(check(body, signature), undefined);
    for (let bit = 0; bit < body.length * 8; bit++) {
      assert.equal(check(flipped(body, bit), signature), 'bad_signature');
    }
    for (let bit = 0; bit < 256; bit++) assert.equal(check(body, flipped(signature, bit)), 'bad_signature');
  });
});
