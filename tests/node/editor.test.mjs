// What editors offer: the known values of statuses, roles and priorities.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const FILE = fileURLToPath(new URL('./program.mts', import.meta.url));
const START = `import { AutonomiClient, EventStream, TaskManager } from 'loki-mode-sdk';
const client = new AutonomiClient({ baseUrl: 'http://localhost:57374' });
`;
const RUN = ['cancelled', 'completed', 'failed', 'replaying', 'running'];
const ROLES = ['admin', 'auditor', 'operator', 'viewer'];
const PRIORITIES = ['critical', 'high', 'low', 'medium'];

let text = '';
let version = 0;
const service = ts.createLanguageService({
  ...ts.sys,
  useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
  getCompilationSettings: () => ({
    module: ts.ModuleKind.Node16,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    types: ['node'],
  }),
  getScriptFileNames: () => [FILE],
  getScriptVersion: (name) => (name === FILE ? String(version) : '0'),
  getScriptSnapshot: (name) =>
    name === FILE
      ? ts.ScriptSnapshot.fromString(text)
      : ts.sys.fileExists(name)
        ? ts.ScriptSnapshot.fromString(ts.sys.readFile(name))
        : undefined,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: (name) => name === FILE || ts.sys.fileExists(name),
});

function completions(program) {
  const [before, after] = (START + program).split('|');
  text = before + after;
  version += 1;
  return service
    .getCompletionsAtPosition(FILE, before.length, {})
    .entries.map((entry) => entry.name)
    .sort();
}

describe('an editor offers the known values', () => {
  for (const [program, known] of [
    ["await client.listRuns(1, '|');", RUN],
    ["client.iterRuns(1, '|');", RUN],
    ["await client.raw.listRuns(1, '|');", RUN],
    ["await client.createApiKey('ci', '|');", ROLES],
    ["await client.temporaryApiKey('ci', '|');", ROLES],
    ["await new TaskManager(client).createTask(1, 'title', '', { priority: '|' });", PRIORITIES],
    ["new EventStream(client).follow(1, { until: '|' });", RUN],
    ["if ((await client.getRun(1)).status === '|') {}", RUN],
    ["switch ((await client.getTask(1)).priority) { case '|': }", PRIORITIES],
  ]) {
    it(program, () => assert.deepEqual(completions(program), known));
  }
});
