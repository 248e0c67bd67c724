// A local control plane for a test, seeded, on a port of its own.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { binary } from './binaries.mjs';

export const TOKEN = 'loki_admin_of_the_tests';

/**
 * Starts one that answers as this profile does, with further options as on its command line; gives its base URL and ways
 * to stop it, to kill it, and to start it again where it was.
 */
export async function startControlPlane(profile, ...options) {
  let child;
  async function start(port) {
    child = spawn(
      binary('loki-control-plane', 'LOKI_CONTROL_PLANE'),
      ['--port', port, '--seed', '--token', TOKEN, '--profile', profile, ...options],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const lines = createInterface({ input: child.stdout });
    return await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`loki-control-plane ended with status ${code}`)));
    });
  }
  async function end(signal) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }
  const baseUrl = await start('0');
  return {
    baseUrl,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    restart: () => start(new URL(baseUrl).port),
  };
}
