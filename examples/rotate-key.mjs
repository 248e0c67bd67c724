// Rotates an API key in CI without ever losing or showing the new token.
//
//   node examples/rotate-key.mjs --key ci-pipeline --output token.txt
//   node examples/rotate-key.mjs --key ci-pipeline --github-output LOKI_API_TOKEN
//
// The token goes to a file that only its owner can read, or to the masked output of a GitHub Actions step, and is
// tried before the script says that all is well. If anything goes wrong the exit status is 1, the message says what
// happened and which key works, and the old key keeps working for the grace period.
//
// LOKI_BASE_URL and LOKI_API_TOKEN (an admin key's token) come from the environment.

import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { APIConnectionError, AutonomiClient, AutonomiError, KeyRotationError } from 'loki-mode-sdk';

const baseUrl = process.env.LOKI_BASE_URL ?? 'http://localhost:57374';

class Failure extends Error {}

function readArguments() {
  const { values } = parseArgs({
    options: {
      key: { type: 'string' },
      'grace-hours': { type: 'string', default: '24' },
      output: { type: 'string' },
      'github-output': { type: 'string' },
      'delete-old': { type: 'boolean', default: false },
    },
  });
  const graceHours = Number(values['grace-hours']);
  const githubOutput = values['github-output'];
  if (!values.key) throw new Failure('--key is missing: the identifier or name of the key');
  if (!Number.isInteger(graceHours) || graceHours < 1) {
    throw new Failure('--grace-hours must be a whole number of at least 1: without it a failure would leave no working key');
  }
  if (!values.output === !githubOutput) throw new Failure('give either --output FILE or --github-output NAME');
  if (githubOutput && !process.env.GITHUB_OUTPUT) {
    throw new Failure('--github-output needs GITHUB_OUTPUT, which GitHub Actions sets');
  }
  return { key: values.key, graceHours, output: values.output, githubOutput, deleteOld: values['delete-old'] };
}

// A file of mode 0600 that appears complete or not at all. It is made before the rotation, so that a folder that
// cannot be written to stops everything while the old token is the only one.
function fileStore(path) {
  // A device or a pipe, such as /dev/stdout, must not be replaced by a file, and a folder cannot be.
  if (existsSync(path) && !statSync(path).isFile()) throw new Error(`${path} is no regular file`);
  const target = existsSync(path) ? realpathSync(path) : path;
  const temporary = join(dirname(target), `.token-${process.pid}`);
  const file = openSync(temporary, 'wx', 0o600);
  let open = true;
  return {
    store(token) {
      writeSync(file, `${token}\n`);
      fsyncSync(file);
      closeSync(file);
      open = false;
      renameSync(temporary, target);
    },
    discard() {
      if (open) closeSync(file);
      if (existsSync(temporary)) rmSync(temporary);
    },
  };
}

// The output of a GitHub Actions step, masked before it is set.
function githubStore(name) {
  const file = openSync(process.env.GITHUB_OUTPUT, 'a');
  return {
    store(token) {
      // The runner takes this line as a command and shows *** for the token from here on.
      console.log(`::add-mask::${token}`);
      writeSync(file, `${name}=${token}\n`);
    },
    discard() {
      closeSync(file);
    },
  };
}

async function rotate(client, args, target) {
  const store = async (token) => {
    target.store(token);
    // Tried before anything is deleted: what this throws leaves the old key as it is.
    await new AutonomiClient({ baseUrl, token }).listApiKeys();
  };
  try {
    return await client.rotateAndStore(args.key, store, {
      gracePeriodHours: args.graceHours,
      deleteOld: args.deleteOld,
    });
  } catch (error) {
    if (error instanceof KeyRotationError) {
      throw new Failure(`${error.message}. Mend the cause and rotate again.`);
    }
    if (error instanceof APIConnectionError && error.maybeExecuted) {
      throw new Failure(
        `${error.message}\nThe key may have been rotated although no answer arrived. The old token keeps working ` +
          `for ${args.graceHours} h; look at listApiKeys() before you rotate again.`,
      );
    }
    throw error;
  }
}

function openStore(args) {
  try {
    return args.output ? fileStore(args.output) : githubStore(args.githubOutput);
  } catch (error) {
    throw new Failure(`nothing was rotated, the output cannot be written: ${error.message}`);
  }
}

async function main() {
  const args = readArguments();
  const target = openStore(args);
  try {
    const client = new AutonomiClient({ baseUrl, token: process.env.LOKI_API_TOKEN });
    const { oldKeyId, oldKeyDeleted, oldKeyExpiresAt } = await rotate(client, args, target);
    const where = args.output ?? `step output ${args.githubOutput}`;
    const end = oldKeyDeleted ? 'was deleted' : `works until ${oldKeyExpiresAt}`;
    console.log(`rotated ${args.key}: the new token works and is in ${where}; the old key (${oldKeyId}) ${end}`);
  } finally {
    target.discard();
  }
}

try {
  await main();
} catch (error) {
  const expected = error instanceof Failure || error instanceof AutonomiError || error.code?.startsWith('ERR_PARSE_ARGS');
  console.error(expected ? `error: ${error.message}` : error);
  process.exitCode = 1;
}
