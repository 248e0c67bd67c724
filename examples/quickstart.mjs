// Quick start: what is on the server, and a first task.
//
// Start a server to play with:   loki-control-plane --demo
// Then:                          node examples/quickstart.mjs

import { AutonomiClient, TaskManager } from 'loki-mode-sdk';

const client = new AutonomiClient({
  baseUrl: process.env.LOKI_BASE_URL ?? 'http://localhost:57374',
  token: process.env.LOKI_API_TOKEN,
});

const status = await client.getStatus();
console.log(`API version: ${status.version} (${status.status})`);

const projects = await client.listProjects();
console.log(`${projects.length} projects`);
for (const p of projects) {
  console.log(`  ${p.id}: ${p.name} (${p.status})`);
}

for (const run of await client.listRuns(undefined, undefined, { limit: 5 })) {
  console.log(`run ${run.id} of project ${run.project_id}: ${run.status}, started ${run.started_at}`);
}

const [project] = projects;
if (project) {
  const tasks = new TaskManager(client);
  let task = await tasks.createTask(project.id, 'Try the quick start', 'Made by examples/quickstart.mjs');
  task = await tasks.updateTask(task.id, 'completed');
  console.log(`task ${task.id}: '${task.title}' is ${task.status}`);
}
