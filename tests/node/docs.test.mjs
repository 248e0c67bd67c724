// The first example of a page in `docs/` runs and prints what the page says.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();

function block(page, language) {
  const text = readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8');
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(text)[1];
}

describe('the first example of', () => {
  for (const page of ['configuration', 'time', 'webhooks']) {
    it(`docs/${page}.md`, () => {
      const program = ['--input-type=module', '-e', block(page, 'javascript')];
      assert.equal(execFileSync(process.execPath, program, { encoding: 'utf8' }), block(page, 'text'));
    });
  }

  for (const page of ['events', 'pagination', 'waiting']) {
    it(`docs/${page}.md`, async () => {
      const server = await startControlPlane('guide');
      const env = { ...process.env, LOKI_BASE_URL: server.baseUrl, LOKI_API_TOKEN: TOKEN };
      const program = ['--input-type=module', '-e', block(page, 'javascript')];
      const { stdout } = await promisify(execFile)(process.execPath, program, { env });
      await server.stop();
      assert.equal(stdout, block(page, 'text'));
    });
  }
});
