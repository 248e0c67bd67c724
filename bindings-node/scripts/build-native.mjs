// Builds the native module for this machine and puts it where the loader looks for it.
//
//   node bindings-node/scripts/build-native.mjs [--profile release|dev] [--target TRIPLE]
//
// --target is for cross builds: the name of the file follows the triple.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values } = parseArgs({
  options: { profile: { type: 'string', default: 'release' }, target: { type: 'string' } },
});

const ARCHITECTURES = { x86_64: 'x64', aarch64: 'arm64', armv7: 'arm', i686: 'ia32' };

function platformOf(triple) {
  const architecture = ARCHITECTURES[triple.split('-')[0]] ?? triple.split('-')[0];
  if (triple.includes('apple-darwin'))
    return { name: `darwin-${architecture}`, prefix: 'lib', suffix: '.dylib' };
  if (triple.includes('windows')) return { name: `win32-${architecture}`, prefix: '', suffix: '.dll' };
  const libc = triple.includes('musl') ? 'musl' : 'gnu';
  return { name: `linux-${architecture}-${libc}`, prefix: 'lib', suffix: '.so' };
}

function hostTriple() {
  const version = execFileSync('rustc', ['-vV'], { encoding: 'utf8' });
  const host = /^host: (.+)$/m.exec(version);
  if (!host) throw new Error(`rustc does not say for what it builds:\n${version}`);
  return host[1];
}

const triple = values.target ?? hostTriple();
const build = ['build', '--quiet', '--package', 'loki-mode-node', '--profile', values.profile];
if (values.target) build.push('--target', values.target);
const env = { ...process.env };
if (triple.includes('musl')) {
  // A Node addon has to share musl with its Node: linked statically it cannot be loaded.
  env.RUSTFLAGS = `${env.RUSTFLAGS ?? ''} -C target-feature=-crt-static`.trim();
}
execFileSync('cargo', build, { cwd: root, env, stdio: 'inherit' });

const metadata = execFileSync('cargo', ['metadata', '--format-version=1', '--no-deps'], {
  cwd: root,
  encoding: 'utf8',
});
const platform = platformOf(triple);
const built = join(
  JSON.parse(metadata).target_directory,
  values.target ?? '',
  values.profile === 'dev' ? 'debug' : values.profile,
  `${platform.prefix}loki_mode_node${platform.suffix}`,
);
const native = join(root, 'bindings-node', 'native', `loki-mode-sdk.${platform.name}.node`);
mkdirSync(dirname(native), { recursive: true });
// Renamed into place: a process that has the old one loaded keeps it.
copyFileSync(built, `${native}.new`);
renameSync(`${native}.new`, native);
