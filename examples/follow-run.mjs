// Follows a run live: its events as they happen and, in a terminal, a line with phase, progress and time below them.
//
//   node examples/follow-run.mjs [RUN_ID] [--cursor CURSOR]      without an id: the newest run that is still running
//
// Ctrl-C says how to go on later where this one stopped. LOKI_BASE_URL and LOKI_API_TOKEN come from the environment.

import { parseArgs } from 'node:util';
import { AutonomiClient, AutonomiError, EventStream, parseTimestamp } from 'loki-mode-sdk';

const PHASES = ['REASON', 'ACT', 'REFLECT', 'VERIFY'];
const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
const BAR = 20;

const isTerminal = process.stdout.isTTY === true;
const hasColours = isTerminal && !process.env.NO_COLOR;
const paint = (code) => (text) => (hasColours ? `\x1b[${code}m${text}\x1b[0m` : text);
const [bold, dim, red, green, yellow, cyan] = [1, 2, 31, 32, 33, 36].map(paint);

/** Text of a run may hold anything, also what moves the cursor. */
const printable = (text) => text.replace(/\p{Cc}+/gu, ' ');

function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, rest] = [Math.floor(seconds / 3600), seconds % 3600];
  const minutes = `${Math.floor(rest / 60)}`.padStart(hours ? 2 : 1, '0');
  return `${hours ? `${hours}:` : ''}${minutes}:${`${rest % 60}`.padStart(2, '0')}`;
}

function described(details) {
  if (details == null) return '';
  if (typeof details.message === 'string') return details.message;
  const pairs = Object.entries(details).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return pairs.join(', ');
}

/** What is known of the run, and the line that says so. */
class View {
  #run;
  #phase;
  #done = 0;
  #iteration = 1;
  #count = 0;
  #turn = 0;
  #timer;

  constructor(run) {
    this.#run = run;
    if (isTerminal) this.#timer = setInterval(() => this.#draw(), 100);
  }

  show(event) {
    this.#count += 1;
    const { event_type: type, phase, details } = event;
    if (phase) this.#phase = phase;
    if (typeof details?.iteration === 'number') this.#iteration = details.iteration;
    const at = PHASES.indexOf(phase);
    if (at >= 0) this.#done = type === 'phase_end' ? at + 1 : at;
    const tone = /fail|error/.test(type) ? red : /completed|phase_end/.test(type) ? green : (text) => text;
    const when = dim(parseTimestamp(event.timestamp).toLocaleTimeString('en-GB'));
    const what = `${cyan(printable(phase ?? '').padEnd(8))} ${tone(printable(type).padEnd(14))}`;
    this.#print(`${when}  ${what} ${printable(described(details))}`.trimEnd());
  }

  end(line) {
    clearInterval(this.#timer);
    this.#print(line, false);
  }

  get elapsed() {
    return clock((this.#run.ended_at ? parseTimestamp(this.#run.ended_at) : new Date()) - parseTimestamp(this.#run.started_at));
  }

  get count() {
    return `${this.#count} event${this.#count === 1 ? '' : 's'}`;
  }

  #print(line, drawsAgain = true) {
    process.stdout.write(`${isTerminal ? '\r\x1b[K' : ''}${line}\n`);
    if (drawsAgain && isTerminal) this.#draw();
  }

  #draw() {
    const most = this.#run.config?.max_iterations;
    const isCounted = typeof most === 'number' && most > 0;
    const share = isCounted ? (this.#iteration - 1 + this.#done / PHASES.length) / most : this.#done / PHASES.length;
    const filled = Math.round(Math.min(1, share) * BAR);
    const iteration = `iteration ${this.#iteration}${isCounted ? `/${most}` : ''}`;
    // Shortened before it is coloured: a line that wraps cannot be written over.
    const parts = [
      [yellow, SPINNER[this.#turn++ % SPINNER.length]],
      [bold, `run ${this.#run.id}`],
      [cyan, printable(this.#phase ?? 'waiting').padEnd(8)],
      [green, '█'.repeat(filled) + '░'.repeat(BAR - filled)],
      [dim, `${iteration}  ${this.count}  ${this.elapsed}`],
    ];
    let left = (process.stdout.columns || 80) - 1;
    const line = parts.map(([tone, text]) => {
      const shown = text.slice(0, Math.max(0, left));
      left -= shown.length + 2;
      return tone(shown);
    });
    process.stdout.write(`\r\x1b[K${line.join('  ').trimEnd()}`);
  }
}

async function newestRunning(client) {
  const [run] = await client.listRuns(undefined, 'running', { limit: 1 });
  if (!run) throw new AutonomiError('no run is running; start one, or give a run id');
  return run.id;
}

async function main() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { cursor: { type: 'string' } } });
  const client = AutonomiClient.fromEnv();
  const run = await client.getRun(positionals[0] ?? (await newestRunning(client)));
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  // Whoever reads the output may have enough of it before the run has ended.
  process.stdout.on('error', () => process.exit(0));

  const { signal } = interrupted;
  const follower = new EventStream(client).follow(run.id, { cursor: values.cursor, pollInterval: 500, signal });
  const view = new View(run);
  if (!isTerminal) console.log(`following run ${run.id}`);
  try {
    for await (const event of follower) view.show(event);
  } catch (error) {
    const why = signal.aborted ? 'stopped' : `error: ${error.message}`;
    view.end(`${why} after ${view.count}; to go on from here:`);
    console.log(`  node examples/follow-run.mjs ${run.id} --cursor ${follower.cursor}`);
    process.exitCode = signal.aborted ? 130 : 1;
    return;
  }
  Object.assign(run, await client.getRun(run.id));
  const tone = follower.status === 'completed' ? green : red;
  view.end(`run ${run.id} ${tone(follower.status)} after ${view.elapsed}, ${view.count}`);
}

try {
  await main();
} catch (error) {
  const isExpected = error instanceof AutonomiError || error.code?.startsWith('ERR_PARSE_ARGS');
  console.error(isExpected ? `error: ${error.message}` : error);
  process.exitCode = 1;
}
