// Programs in a process of their own.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs one that has the SDK as `sdk` and must end by itself; gives what it prints. */
export async function program(code, ...args) {
  const { stdout } = await run(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import * as sdk from 'loki-mode-sdk';\n${code}`,
      '--',
      ...args.map(String),
    ],
    { cwd: new URL('..', import.meta.url), timeout: 60_000 },
  );
  return stdout.trim();
}
