// A server whose answers are scripted: tests/support/README.md.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { binary } from './binaries.mjs';

export class FaultServer {
  #child = spawn(binary('loki-fault-server', 'LOKI_FAULT_SERVER'), { stdio: ['pipe', 'pipe', 'inherit'] });
  #lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  #last = Promise.resolve();

  /** Commands are answered in order, also when they are sent side by side. */
  #command(command) {
    const answer = this.#last.then(async () => {
      this.#child.stdin.write(`${JSON.stringify(command)}\n`);
      const { value, done } = await this.#lines.next();
      if (done) throw new Error('the fault server has ended');
      const parsed = JSON.parse(value);
      if (parsed.error) throw new Error(`the fault server refuses: ${parsed.error}`);
      return parsed;
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Serves these replies; gives the base URL. */
  async serve(replies, name) {
    return (await this.#command({ serve: replies, ...(name ? { name } : {}) })).base_url;
  }

  /** The same over TLS; gives `base_url` and the paths of the files that its variant comes with. */
  serveTls(tls, replies) {
    return this.#command({ serve: replies, tls });
  }

  /** Starts an HTTP proxy; gives its URL. */
  async httpProxy(settings, name) {
    return (await this.#command({ http_proxy: settings, name })).proxy_url;
  }

  /** The base URL of a port where nobody listens. */
  async refuse() {
    return (await this.#command({ refuse: true })).base_url;
  }

  /** What has arrived, and how many replies nobody has asked for. */
  recorded(name) {
    return this.#command({ recorded: true, ...(name ? { name } : {}) });
  }

  /** Waits until this many requests have arrived. */
  async arrived(count) {
    for (;;) {
      const { requests } = await this.recorded();
      if (requests.length >= count) return requests;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await ended;
  }
}
