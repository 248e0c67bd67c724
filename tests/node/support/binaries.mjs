// The servers that the tests start: by environment variable, or as cargo built them in this checkout.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

// From the top of the checkout, where npm runs its scripts.
const ROOT = process.cwd();

export function binary(name, variable) {
  const candidates = [
    process.env[variable],
    join(ROOT, 'target', 'debug', name),
    join(ROOT, 'target', 'release', name),
  ];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error(`${name} is not built: cargo build --bin ${name}, or set ${variable}`);
  return found;
}

/** Removes what would change how a client behaves. */
export function clearEnvironment() {
  for (const name of Object.keys(process.env)) {
    const isBinary = name === 'LOKI_FAULT_SERVER' || name === 'LOKI_CONTROL_PLANE';
    const isPath = name === 'LOKI_SDK_NATIVE_PATH' || name === 'LOKI_SDK_THREADS';
    const isOption = name.startsWith('LOKI_') && !isBinary && !isPath;
    if (isOption || /^(https?|all|no)_proxy$/i.test(name)) delete process.env[name];
  }
}
