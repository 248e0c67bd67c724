"""Streams of events under asyncio."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, ConfigError, NotFoundError
from servers import ControlPlane

PATIENCE = 60
QUICK = 0.02


def run(coroutine):
    async def bounded():
        return await asyncio.wait_for(coroutine, PATIENCE)

    return asyncio.run(bounded())


def client_of(plane):
    return AsyncAutonomiClient(plane.base_url, path_style="guide")


def test_the_guides_loop(plane):
    async def main():
        async with client_of(plane) as client:
            stream, seen, last = AsyncEventStream(client), [], None
            for numbers in ((1, 2), (3,), (), (4, 5, 6)):
                plane.add(*numbers)
                for event in await stream.poll_events(7, since=last):
                    seen.append(event.id)
                    last = event.timestamp
            return seen

    assert run(main()) == [1, 2, 3, 4, 5, 6]


def test_a_run_is_followed_to_its_end(plane):
    async def main():
        seen = []
        async with client_of(plane) as client:
            plane.add(1, 2)
            async with AsyncEventStream(client).follow(7, poll_interval=QUICK) as follower:
                async for event in follower:
                    seen.append(event.id)
                    if event.id == 2:
                        plane.add(3)
                        plane.status = "completed"
                assert follower.status == "completed"
                resumed = AsyncEventStream(client).follow(7, cursor=follower.cursor, poll_interval=QUICK)
                assert [event async for event in resumed] == []
        return seen

    assert run(main()) == [1, 2, 3]


def test_a_cancelled_wait_loses_nothing_and_repeats_nothing(plane):
    async def main():
        seen = []
        async with client_of(plane) as client:
            follower = AsyncEventStream(client).follow(7, poll_interval=QUICK)
            for number in range(1, 60):
                plane.add(number)
                with contextlib.suppress(asyncio.TimeoutError):
                    seen.append((await asyncio.wait_for(follower.__anext__(), 0.001 * (number % 12))).id)
            while len(seen) < 59:
                seen.append((await follower.__anext__()).id)
            await follower.aclose()
        return seen

    assert run(main()) == list(range(1, 60))


def test_closing_ends_a_wait_of_another_task(plane):
    async def main():
        async with client_of(plane) as client:
            follower = AsyncEventStream(client).follow(7, poll_interval=60)
            waiting = asyncio.ensure_future(follower.__anext__())
            await asyncio.sleep(0.2)
            with pytest.raises(ConfigError, match="another task"):
                await follower.__anext__()
            await follower.aclose()
            with pytest.raises(StopAsyncIteration):
                await waiting
            assert follower.closed

    run(main())


def test_many_streams_wait_at_once(plane):
    async def main():
        async with client_of(plane) as client:
            followers = [AsyncEventStream(client).follow(number, poll_interval=QUICK) for number in range(50)]
            plane.add(1)
            firsts = await asyncio.gather(*(follower.__anext__() for follower in followers))
            for follower in followers:
                follower.close()
            return {event.id for event in firsts}

    assert run(main()) == {1}


def test_an_error_is_raised_where_it_is_awaited(plane):
    async def main():
        with ControlPlane("v5.51") as server:
            async with AsyncAutonomiClient(server.base_url, server.TOKEN) as client:
                with pytest.raises(NotFoundError):
                    await AsyncEventStream(client).follow(999999).__anext__()

    run(main())


def test_live_events_and_the_dashboard():
    async def main():
        with ControlPlane("guide") as server:
            async with AsyncAutonomiClient(server.base_url, server.TOKEN) as client:
                project = (await client.list_projects())[0]
                run = await client.create_run(project.id)
                await client.create_run_event(run.id, "my:own", details={"number": 1})
                async with client.events(types=["my.own"], history=1) as events:
                    assert (await events.__anext__()).data == {"number": 1}
                async with client.watch() as messages:
                    assert (await messages.__anext__()).type == "connected"
                    await client.update_project(project.id, name="another")
                    assert (await messages.__anext__()).type == "project_updated"

    run(main())
