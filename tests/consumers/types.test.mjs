// The types of the packed package, under the settings that its users have, and what the judges of packages say.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const peers = join(root, 'tests', 'peers');
const fromPeers = createRequire(join(peers, 'package.json'));
const TYPES = {
  18: join(root, 'node_modules', '@types', 'node'),
  newest: join(peers, 'node_modules', 'types-node-newest'),
};

describe('the types of the package', () => {
  let folder;
  let tarball;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'loki-mode-sdk-types-'));
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: root,
    });
    [tarball] = readdirSync(folder).map((name) => join(folder, name));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A project that has the package, these types of Node.js, and what `types.mts` says types with. */
  function project(node) {
    const made = mkdtempSync(join(folder, 'project-'));
    writeFileSync(join(made, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
    const install = ['install', '--silent', '--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    execFileSync('npm', [...install, tarball], { cwd: made });
    if (node) {
      mkdirSync(join(made, 'node_modules', '@types'), { recursive: true });
      symlinkSync(TYPES[node], join(made, 'node_modules', '@types', 'node'));
      symlinkSync(join(root, 'node_modules', 'expect-type'), join(made, 'node_modules', 'expect-type'));
    }
    return made;
  }

  function complaints(file, settings) {
    const { options, errors } = ts.convertCompilerOptionsFromJson(
      { strict: true, skipLibCheck: false, noEmit: true, target: 'es2022', ...settings },
      dirname(file),
    );
    const program = ts.createProgram([file], options);
    const from = program.getSourceFiles().map((source) => source.fileName);
    // The packed ones, and not those of the checkout.
    assert.ok(
      from.some((name) => name.includes('node_modules/loki-mode-sdk/bindings-node/dist/')),
      from.join('\n'),
    );
    return [...errors, ...ts.getPreEmitDiagnostics(program)].map((found) => {
      const line = found.file?.getLineAndCharacterOfPosition(found.start).line;
      return `${found.file?.fileName}:${line + 1}: ${ts.flattenDiagnosticMessageText(found.messageText, '\n')}`;
    });
  }

  for (const [name, node, module, moduleResolution, exactOptionalPropertyTypes] of [
    ['program.mts', 18, 'node16', 'node16', true],
    ['program.cts', 'newest', 'node16', 'node16', false],
    ['program.mts', 'newest', 'nodenext', 'nodenext', false],
    ['program.cts', 18, 'nodenext', 'nodenext', true],
    ['program.mts', 'newest', 'esnext', 'bundler', true],
    ['program.ts', 18, 'preserve', 'bundler', false],
  ]) {
    const exactly = exactOptionalPropertyTypes ? ', optional properties taken exactly' : '';
    it(`${name}, ${module}, ${moduleResolution}, Node.js ${node}${exactly}`, () => {
      const made = project(node);
      const file = join(made, name);
      cpSync(join(root, 'tests', 'node', 'types.mts'), file);
      const settings = {
        module,
        moduleResolution,
        exactOptionalPropertyTypes,
        lib: ['es2022'],
        types: ['node'],
      };
      assert.deepEqual(complaints(file, settings), []);
    });
  }

  for (const [name, flags] of [
    ['typescript-oldest', []],
    ['typescript-newest', ['--verbatimModuleSyntax', '--noUncheckedIndexedAccess']],
  ]) {
    it(`program.mts by ${name}`, () => {
      const made = project(18);
      const file = join(made, 'program.mts');
      cpSync(join(root, 'tests', 'node', 'types.mts'), file);
      const compiler = join(peers, 'node_modules', name, 'bin', 'tsc');
      const settings = ['--module', 'nodenext', '--target', 'es2022', '--types', 'node', ...flags];
      const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false'];
      const told = spawnSync(process.execPath, [compiler, ...settings, ...strict, file], {
        cwd: made,
        encoding: 'utf8',
      });
      assert.deepEqual([told.status, told.stdout], [0, '']);
    });
  }

  for (const module of ['node16', 'nodenext', 'esnext']) {
    const moduleResolution = module === 'esnext' ? 'bundler' : module;
    it(`main.mts, ${module}, ${moduleResolution}, without the types of Node.js`, () => {
      const file = join(project(), 'main.mts');
      cpSync(join(here, 'ts-esm', 'main.ts'), file);
      assert.deepEqual(complaints(file, { module, moduleResolution, lib: ['es2022', 'dom'], types: [] }), []);
    });
  }

  it('are what are-the-types-wrong wants them to be', async () => {
    const { checkPackage, createPackageFromTarballData } = await import(
      pathToFileURL(fromPeers.resolve('@arethetypeswrong/core'))
    );
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
    assert.deepEqual(Object.keys(analysis.entrypoints), ['.', './webhooks', './package.json']);
    assert.deepEqual(analysis.problems, []);
    for (const entrance of ['.', './webhooks']) {
      for (const [mode, found] of Object.entries(analysis.entrypoints[entrance].resolutions)) {
        assert.ok(found.resolution?.isTypeScript, `${entrance} ${mode}`);
      }
    }
  });

  it('and the package itself are what publint wants them to be', async () => {
    const { publint } = await import(pathToFileURL(fromPeers.resolve('publint')));
    const data = readFileSync(tarball);
    const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    const { messages } = await publint({ pack: { tarball: bytes }, strict: true, level: 'suggestion' });
    assert.deepEqual(messages, []);
  });
});
