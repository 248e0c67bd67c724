"""Functions of the program that the client calls see the context variables of whoever called the client."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading

import pytest

from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, AutonomiClient, EventStream
from servers import ControlPlane, EchoServer

PATIENCE = 60
BUSY = {"status": 503, "json": {}, "headers": {"retry-after": "0"}}

tenant = contextvars.ContextVar("tenant", default="nobody")


class Seen:
    """Functions that note whose context they were called in."""

    def __init__(self) -> None:
        self.tenants = []
        self.threads = set()
        self.given = "x"

    def note(self, *_args):
        self.tenants.append(tenant.get())
        self.threads.add(threading.current_thread().name)

    def token(self):
        self.note()
        return self.given

    async def token_later(self):
        await asyncio.sleep(0)
        return self.token()

    def never(self, event):
        self.note(event)
        return False

    def filter(self, record):
        self.note(record)
        return True


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def logged(seen, caplog):
    """Notes for each line of the log in whose context it was written."""
    logger = logging.getLogger("loki_mode_sdk")
    logger.addFilter(seen)
    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"):
        yield seen
    logger.removeFilter(seen)


@pytest.fixture
def plane(plane):
    plane.add(1, 2)
    return plane


async def as_tenant(name, awaited):
    tenant.set(name)
    return await awaited


async def each_as_its_own(calls):
    """Awaits them all at once, each in a task of its own tenant."""
    await asyncio.wait_for(asyncio.gather(*(as_tenant(f"t{n}", call) for n, call in enumerate(calls))), PATIENCE)


TENANTS = [f"t{n}" for n in range(10)]


@pytest.mark.parametrize("provider", ["token", "token_later"])
def test_a_token_provider_at_each_attempt(async_client_of, loops, seen, provider):
    # For the first attempt it is asked by the call itself, for later ones by a thread.
    replies = [{**BUSY, "repeat": 10}, {"json": {}, "repeat": 10}]
    client = async_client_of(*replies, token=getattr(seen, provider), path_style="guide")
    loops.run(each_as_its_own([client.get_status(max_retries=10) for _ in TENANTS]))
    # Whose attempts were in vain is up to chance.
    assert set(seen.tenants) == set(TENANTS)
    assert len(seen.tenants) == 20
    assert seen.threads == {threading.current_thread().name}


def test_a_token_provider_after_a_refusal(loops, seen):
    async def token():
        asked_before = tenant.get() in seen.tenants
        await seen.token_later()
        return "new" if asked_before else "expired"

    with EchoServer() as server:
        client = AsyncAutonomiClient(server.base_url, token=token)
        loops.run(each_as_its_own([client.get_project(1) for _ in TENANTS]))
        client.close()
    assert sorted(seen.tenants) == sorted(TENANTS * 2)


@pytest.mark.parametrize("provider", ["token", "token_later"])
@pytest.mark.parametrize("kind", ["events", "watch", "follow", "pages", "end"])
def test_a_token_provider_of_a_stream(loops, seen, provider, kind):
    async def main(server):
        client = AsyncAutonomiClient(server.base_url, server.TOKEN)
        run = (await client.list_runs(status="completed"))[0]
        await client.create_run_event(run.id, "my:own")
        seen.given = server.TOKEN
        client.set_token(getattr(seen, provider))
        first = {
            "events": lambda: client.events(history=1).__anext__(),
            "watch": lambda: client.watch().__anext__(),
            "follow": lambda: AsyncEventStream(client).follow(run.id).__anext__(),
            "pages": lambda: client.iter_runs().__anext__(),
            "end": lambda: client.wait_for_run(run.id),
        }[kind]
        await each_as_its_own([first() for _ in range(4)])
        await client.aclose()

    with ControlPlane("guide") as server:
        loops.run(main(server))
    assert set(seen.tenants) == {f"t{n}" for n in range(4)}
    assert seen.threads == {threading.current_thread().name}


def test_lines_of_the_log(async_client_of, loops, logged):
    client = async_client_of(BUSY, {"json": [{"id": 1, "status": "running"}], "repeat": 10}, path_style="guide")
    loops.run(each_as_its_own([client.list_runs(), client.raw.list_runs(), client.iter_runs().pages().__anext__()]))
    assert set(logged.tenants) == {"t0", "t1", "t2"}


def test_lines_of_the_log_of_an_answer_that_is_decoded_on_a_thread(async_client_of, loops, logged):
    client = async_client_of({"json": [{"id": 1, "name": "x" * 2_000_000}], "repeat": 2}, path_style="guide")
    loops.run(each_as_its_own([client.list_projects(), client.raw.list_projects()]))
    assert sorted(logged.tenants) == ["t0", "t1"]


def test_lines_of_the_log_of_a_stream(plane, loops, logged):
    async def main():
        client = AsyncAutonomiClient(plane.base_url, path_style="guide")
        follower = AsyncEventStream(client).follow(7, poll_interval=0.02)
        for name in ("a", "b"):
            await asyncio.create_task(as_tenant(name, follower.__anext__()))
        seen_before = len(logged.tenants)
        task = asyncio.create_task(as_tenant("c", follower.__anext__()))
        while len(logged.tenants) == seen_before:
            await asyncio.sleep(0.01)
        plane.add(3)
        await task
        await client.aclose()
        return seen_before

    # What came at once was asked for by the first task.
    before = loops.run(asyncio.wait_for(main(), PATIENCE))
    assert (set(logged.tenants[:before]), set(logged.tenants[before:])) == ({"a"}, {"c"})


def test_the_function_that_ends_a_stream(plane, loops, seen):
    async def main():
        client = AsyncAutonomiClient(plane.base_url, path_style="guide")
        follower = AsyncEventStream(client).follow(7, poll_interval=0.02, until=seen.never)
        for name in ("a", "b"):
            await asyncio.create_task(as_tenant(name, follower.__anext__()))
        plane.add(3)
        await asyncio.create_task(as_tenant("c", follower.__anext__()))
        await client.aclose()

    loops.run(main())
    # It is asked about an event when the next one is wanted.
    assert seen.tenants == ["b", "c"]


@pytest.mark.parametrize("later", [False, True], ids=["plain", "coroutine"])
def test_the_function_that_stores_a_token(async_client_of, loops, seen, later):
    rotated = {"token": "loki_new", "old_key_id": "a", "new_key": {"id": "b", "name": "k"}}
    client = async_client_of({"json": rotated, "repeat": 2})

    async def store(token):
        await asyncio.sleep(0)
        seen.note(token)

    loops.run(each_as_its_own([client.rotate_and_store("k", store if later else seen.note) for _ in range(2)]))
    assert sorted(seen.tenants) == ["t0", "t1"]


def test_the_client_without_asyncio(client_of, plane, logged):
    """There it is the thread that calls."""
    client = client_of({"status": 401, "json": {}}, BUSY, {"json": {}}, token=logged.token, path_style="guide")

    def in_a_thread(name):
        tenant.set(name)
        client.get_status()
        with AutonomiClient(plane.base_url, path_style="guide") as of_plane:
            follower = EventStream(of_plane).follow(7, until=logged.never)
            next(follower)
            next(follower)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(in_a_thread, "a"))
    thread.start()
    thread.join(PATIENCE)
    assert len(logged.tenants) >= 7
    assert set(logged.tenants) == {"a"}
