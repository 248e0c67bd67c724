"""The shared cases, through the client for asyncio."""

from __future__ import annotations

import asyncio
import functools

import pytest

import test_cases
from loki_mode_sdk import AsyncAutonomiClient, AsyncSessionManager, AsyncTaskManager


class Awaiting:
    """The client for asyncio, to be used like the other one."""

    def __init__(self, *args, **options) -> None:
        self._client = AsyncAutonomiClient(*args, **options)
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name):
        method = getattr(self._client, name)

        @functools.wraps(method)
        def call(*args, **kwargs):
            return self._loop.run_until_complete(method(*args, **kwargs))

        return call

    def __enter__(self) -> Awaiting:
        self._loop.run_until_complete(self._client.__aenter__())
        return self

    def __exit__(self, *exc_info) -> None:
        self._loop.run_until_complete(self._client.__aexit__(*exc_info))
        self._loop.close()


@pytest.mark.parametrize("case", test_cases.CASES)
def test_case(case, fault_server, monkeypatch):
    made = []

    def make(*args, **options):
        made.append(Awaiting(*args, **options))
        return made[-1]

    monkeypatch.setattr(test_cases, "AutonomiClient", make)
    test_cases.test_case(case, fault_server)


def test_managers_await_what_the_client_does(control_plane):
    async def main():
        async with AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
            tasks, sessions = AsyncTaskManager(client), AsyncSessionManager(client)
            project = (await client.list_projects())[0]
            task = await tasks.create_task(project.id, "of the manager", priority="high")
            assert (await tasks.update_task(task.id, status="in_progress")).status == "in_progress"
            assert (await tasks.get_task(task.id)).title == "of the manager"
            assert all(found.status == "pending" for found in await tasks.list_tasks(status="pending"))
            found = [await sessions.list_sessions(project.id) for project in await client.list_projects()]
            session = next(session for of_project in found for session in of_project)
            assert (await sessions.get_session(session.id)).id == session.id
            assert await tasks.delete_task(task.id) is None

    asyncio.run(main())
