import { AutonomiClient, type ClientOptions, NotFoundError, type Task, TaskManager } from 'loki-mode-sdk';
import { sign, unwrap, type WebhookEvent } from 'loki-mode-sdk/webhooks';

declare const process: { argv: [string, string, string] };

async function main(): Promise<void> {
  const options: ClientOptions = { baseUrl: process.argv[2], token: 'loki_x' };
  const client = new AutonomiClient(options);
  const tasks: Task[] = await new TaskManager(client).listTasks(1, 'pending');
  try {
    await client.getProject(999);
  } catch (err) {
    if (!(err instanceof NotFoundError)) throw err;
    const body = '{"event": "task_complete"}';
    const event: WebhookEvent = unwrap(body, sign(body, 'a'), 'a');
    console.log(`${tasks[0]?.title}, then ${err.statusCode}, then ${event.type}`);
  }
}

main();
