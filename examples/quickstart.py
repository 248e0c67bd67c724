"""Quick start: what is on the server, and a first task.

Start a server to play with:   loki-control-plane --demo
Then:                          python examples/quickstart.py
"""

import os

from loki_mode_sdk import AutonomiClient, TaskManager

BASE_URL = os.environ.get("LOKI_BASE_URL", "http://localhost:57374")
TOKEN = os.environ.get("LOKI_API_TOKEN")

with AutonomiClient(base_url=BASE_URL, token=TOKEN) as client:
    status = client.get_status()
    print(f"API version: {status.get('version')} ({status.get('status')})")

    projects = client.list_projects()
    print(f"{len(projects)} projects")
    for p in projects:
        print(f"  {p.id}: {p.name} ({p.status})")

    for run in client.list_runs(limit=5):
        print(f"run {run.id} of project {run.project_id}: {run.status}, started {run.started_at}")

    if projects:
        tasks = TaskManager(client)
        task = tasks.create_task(
            project_id=projects[0].id,
            title="Try the quick start",
            description="Made by examples/quickstart.py",
            priority="high",
        )
        task = tasks.update_task(task.id, status="completed")
        print(f"task {task.id}: {task.title!r} is {task.status}")
