// An Express webhook handler that marks tasks as completed in the Control Plane.
//
//   npm install express loki-mode-sdk
//   node examples/express-webhook.mjs
//
// Settings, from the environment:
//   PORT                     where to listen (default 3000)
//   LOKI_BASE_URL            the Control Plane (default http://localhost:57374)
//   LOKI_API_TOKEN           a token that may update tasks
//   LOKI_WEBHOOK_SECRET      webhooks must be signed with it (docs/webhooks.md says how)
//   LOKI_WEBHOOK_OLD_SECRET  the one before it, while senders still use it

import express from 'express';
import { AutonomiClient, AutonomiError, DecodeError, NotFoundError, TaskManager } from 'loki-mode-sdk';
import { unwrap, WebhookVerificationError } from 'loki-mode-sdk/webhooks';

const client = new AutonomiClient({
  baseUrl: process.env.LOKI_BASE_URL ?? 'http://localhost:57374',
  token: process.env.LOKI_API_TOKEN,
  timeout: 10_000,
});
const tasks = new TaskManager(client);
const secrets = [process.env.LOKI_WEBHOOK_SECRET, process.env.LOKI_WEBHOOK_OLD_SECRET];
const app = express();

// The raw body: express.json() on this route would leave nothing to check.
app.post('/webhook', express.raw({ type: '*/*', limit: '1mb' }), async (req, res) => {
  let event;
  try {
    event = unwrap(req.body ?? '', req.headers, secrets);
  } catch (error) {
    if (error instanceof WebhookVerificationError) {
      console.warn(`webhook refused: ${error.message}`);
      return res.status(401).json({ ok: false, error: error.reason });
    }
    if (error instanceof DecodeError) return res.status(400).json({ ok: false, error: error.message });
    throw error;
  }

  if (event.type !== 'task_completed') return res.json({ ok: true });
  if (event.task_id === undefined) return res.json({ ok: true, note: 'no task_id, nothing to update' });
  try {
    await tasks.updateTask(event.task_id, 'completed');
  } catch (error) {
    if (error instanceof NotFoundError) {
      return res.status(404).json({ ok: false, error: `no task ${event.task_id}` });
    }
    if (!(error instanceof AutonomiError)) throw error;
    console.error(`could not update task ${event.task_id}: ${error.message}`);
    return res.status(502).json({ ok: false, error: 'the Control Plane did not take the update' });
  }
  return res.json({ ok: true });
});

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening at http://127.0.0.1:${server.address().port}`);
});
