const { AutonomiClient, NotFoundError, TaskManager } = require('loki-mode-sdk');
const { sign, unwrap } = require('loki-mode-sdk/webhooks');

async function main() {
  const client = new AutonomiClient({ baseUrl: process.argv[2], token: 'loki_x' });
  const tasks = new TaskManager(client);
  const [task] = await tasks.listTasks(1, 'pending');
  try {
    await client.getProject(999);
  } catch (err) {
    if (!(err instanceof NotFoundError)) throw err;
    const body = '{"event": "task_complete"}';
    const event = unwrap(body, sign(body, 'a'), 'a');
    console.log(`${task.title}, then ${err.statusCode}, then ${event.type}`);
  }
}

main();
