"""Quick start for asyncio: what is on the server, asked for at once.

Start a server to play with:   loki-control-plane --demo
Then:                          python examples/async_quickstart.py
"""

import asyncio
import os

from loki_mode_sdk import AsyncAutonomiClient, NotFoundError

BASE_URL = os.environ.get("LOKI_BASE_URL", "http://localhost:57374")
TOKEN = os.environ.get("LOKI_API_TOKEN")


async def main() -> None:
    async with AsyncAutonomiClient(base_url=BASE_URL, token=TOKEN) as client:
        status, projects = await asyncio.gather(client.get_status(), client.list_projects())
        print(f"API version: {status.get('version')} ({status.get('status')})")

        # As many calls at a time as there are projects; the client keeps to `max_connections`.
        runs_of = await asyncio.gather(*(client.list_runs(project_id=p.id, limit=5) for p in projects))
        for p, runs in zip(projects, runs_of):
            print(f"  {p.id}: {p.name} ({p.status})")
            for run in runs:
                print(f"      run {run.id}: {run.status}, started {run.started_at}")

        try:
            await client.get_project("no-such-project", timeout=5)
        except NotFoundError as error:
            print(f"as expected: {error}")


if __name__ == "__main__":
    asyncio.run(main())
