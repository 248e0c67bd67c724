// Every example in the documentation runs; the first one of a page prints what the page says, on every server.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { clearEnvironment } from './support/binaries.mjs';
import { startControlPlane, TOKEN } from './support/control-plane.mjs';

clearEnvironment();

const BLOCK = /(?:^<!-- run with:\n(?<setup>.*?)^-->\n)?^```(?<language>\w*)\n(?<code>.*?)^```$/gms;
const DOCS = new URL('../../docs/', import.meta.url);
// `api.md` is generated, and shows signatures.
const PAGES = readdirSync(DOCS).filter((name) => name.endsWith('.md') && name !== 'api.md');
// Where a real server does otherwise: it has no pages of projects; a key without a tenant sees no projects.
const ELSEWHERE = {
  'pagination.md v5.51': ['2 projects\n1 projects\n', '3 projects\n'],
  'keys.md v9.22': ['3 projects', '0 projects'],
};

// What examples print that do not end by themselves, and what becomes of them where a server does not have it.
const DASHBOARD = /^a dashboard, which has no live events: watch it, or follow runs\n$/;
const NO_ROUTE = /this server has no such route/;
const NO_EVENTS = /^no live events here: 404 \/api\/events\n$/;
const PRINTED = {
  'typing.md 2': { guide: /^a task: \w.*\n$/, 'v5.51': NO_EVENTS, 'v9.22': NO_EVENTS },
  'events.md 4': { guide: /^Read the requirements\n$/, 'v5.51': DASHBOARD, 'v9.22': DASHBOARD },
  'events.md 5': { guide: /^\w+[:.]\w+ \{/, 'v5.51': { fails: NO_ROUTE }, 'v9.22': { fails: NO_ROUTE } },
  'events.md 6': /^connected .*task_created .*'Write a page'.*task_moved .*new_status: 'done'/s,
};

function blocks(page) {
  const text = readFileSync(
    page === 'README.md' ? new URL('../../README.md', import.meta.url) : new URL(page, DOCS),
    'utf8',
  );
  return [...text.matchAll(BLOCK)].map(({ groups }) => groups);
}

const isProgram = ({ language }) => language === 'javascript' || language === 'typescript';

async function run(program, { baseUrl }) {
  const ours = program
    // The guide's own words stand for the address and the token of a server.
    .replaceAll('http://localhost:57374', baseUrl)
    .replaceAll('loki_your_token_here', TOKEN)
    .replace(/new LokiClient\('([^']*)'\)/, `new LokiClient('$1', { token: '${TOKEN}' })`);
  // `await using` is for newer releases of Node.js, or for TypeScript.
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  const { outputText } = ts.transpileModule(ours, { compilerOptions });
  const env = { ...process.env, LOKI_BASE_URL: baseUrl, LOKI_API_TOKEN: TOKEN };
  const argv = ['--input-type=module', '-e', outputText];
  return (await promisify(execFile)(process.execPath, argv, { env, timeout: 60_000 })).stdout;
}

for (const profile of ['guide', 'v5.51', 'v9.22']) {
  describe(`on ${profile}`, () => {
    for (const page of ['README.md', ...PAGES]) {
      const all = blocks(page);
      const said = all.find(({ language }) => language === 'text')?.code;
      for (const [number, { setup = '', code }] of all.filter(isProgram).entries()) {
        it(`example ${number + 1} of ${page}`, async () => {
          const server = await startControlPlane(profile);
          try {
            const told = PRINTED[`${page} ${number + 1}`];
            const expected = told instanceof RegExp ? told : told?.[profile];
            if (expected?.fails) {
              await assert.rejects(run(setup + code, server), ({ stderr }) => expected.fails.test(stderr));
              return;
            }
            const printed = await run(setup + code, server);
            if (expected) assert.match(printed, expected);
            if (number > 0 || page === 'README.md') return;
            assert.equal(printed, said.replace(...(ELSEWHERE[`${page} ${profile}`] ?? ['', ''])));
          } finally {
            await server.stop();
          }
        });
      }
    }
  });
}
