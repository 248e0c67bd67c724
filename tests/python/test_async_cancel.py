"""Where a call can be when its task is cancelled: from wherever it is, it ends at once, and leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import glob
import itertools
import random
import threading
import time
from pathlib import Path

import pytest

from async_support import SYN_SENT, connections_to, new_loops, on_linux, requested, until
from loki_mode_sdk import AsyncAutonomiClient, AuthenticationError, DecodeError, NotFoundError
from silent_server import PATIENCE, SilentServer

# Far more than it takes, for machines that have other things to do.
PROMPTLY = 1.0

# ---- the places ------------------------------------------------------------------------------------------------------


class Place:
    """Where a call gets stuck: `arrived` returns when it has, `over` when the server has seen its end."""

    def __init__(self, server, **options) -> None:
        self.server = server
        # One thread, and one connection: the next call needs both of them.
        options = {"max_connections": 1, "timeout": PATIENCE, "connect_timeout": PATIENCE, "max_retries": 0, **options}
        self.client = AsyncAutonomiClient(self.base_url, **options)

    @property
    def base_url(self):
        return self.server.base_url

    def call(self):
        return self.client.get_status()

    async def arrived(self):
        await acquired(self.server.came)

    async def over(self):
        await acquired(self.server.left)

    async def again(self):
        """The client can be used: with the same thread and place."""
        self.server.answer()
        assert await self.client.get_status(timeout=20) == {"ok": True}


async def acquired(semaphore):
    await until(lambda: semaphore.acquire(blocking=False))


class Connecting(Place):
    """The server's queue of connections is full."""

    async def arrived(self):
        await until(lambda: SYN_SENT in connections_to(self.server.port))

    async def over(self):
        await until(lambda: SYN_SENT not in connections_to(self.server.port))


class Handshake(Place):
    """The server says nothing to the greeting of TLS."""

    @property
    def base_url(self):
        return self.server.base_url.replace("http:", "https:")

    async def again(self):
        # It never speaks TLS: that the call gets as far as the other one did shows that thread and place are free.
        task = asyncio.ensure_future(self.client.get_status())
        await self.arrived()
        await cancelled(task)
        await self.over()


class Sending(Place):
    """The server reads nothing of a request that is too large for the buffers between."""

    BODY = 8 << 20

    def call(self):
        return self.client.create_project("large", "x" * self.BODY)

    async def arrived(self):
        await super().arrived()
        # The buffers of the system fill up.
        await asyncio.sleep(0.3)

    async def over(self):
        # What is in the buffers comes before the end.
        self.server.read()
        await super().over()
        assert self.server.read_of[-1] < self.BODY


class Answering(Place):
    """The server has read the request and does not answer."""


PLACES = {
    "connecting": (Connecting, {"accepts": False}),
    "handshake": (Handshake, {}),
    "sending": (Sending, {"reads": False}),
    "answering": (Answering, {}),
}


@pytest.fixture(params=PLACES)
def place(request):
    kind, setup = PLACES[request.param]
    with SilentServer(**setup) as server:
        place = kind(server)
        yield place
        place.client.close()


async def cancelled(task):
    """Cancels a task; returns how long it took to end."""
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


def pending():
    """How many futures wait for something."""
    return sum(isinstance(thing, asyncio.Future) and not thing.done() for thing in gc.get_objects())


def workers():
    """How many threads of ours there are; the system knows them by the first letters of their name."""
    tasks = glob.glob("/proc/self/task/*/comm")
    return sum(Path(task).read_text().startswith("loki-mode-work") for task in tasks)


@on_linux
@pytest.mark.parametrize("new_loop", new_loops())
def test_a_call_ends_at_once_wherever_it_is(place, loops, new_loop):
    async def main():
        task = asyncio.ensure_future(place.call())
        await place.arrived()
        began = time.monotonic()
        assert await cancelled(task) < PROMPTLY
        await place.over()
        assert time.monotonic() - began < PROMPTLY
        await place.again()

    loops.run(main(), new_loop())


@on_linux
def test_nothing_is_left_of_it(place, loops):
    async def main():
        loop_itself = pending()
        sockets, before = len(connections_to(place.server.port)), workers()
        for _ in range(10):
            task = asyncio.ensure_future(place.call())
            await place.arrived()
            await cancelled(task)
            del task
            gc.collect()
            assert pending() == loop_itself
            await until(lambda: len(connections_to(place.server.port)) == sockets)
            # The one thread stays for a while.
            assert workers() <= before + 1
        await place.again()

    loops.run(main())


@on_linux
def test_many_that_are_cancelled_together(place, loops):
    async def main():
        sockets = len(connections_to(place.server.port))
        tasks = [asyncio.ensure_future(place.call()) for _ in range(30)]
        await place.arrived()
        began = time.monotonic()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {asyncio.CancelledError}
        await place.over()
        assert time.monotonic() - began < PROMPTLY
        # The next ones in line may have got the thread before it was their turn to be cancelled.
        await until(lambda: len(connections_to(place.server.port)) == sockets)
        await asyncio.sleep(0.1)
        assert len(connections_to(place.server.port)) == sockets
        await place.again()

    loops.run(main())


# ---- the waits before a request --------------------------------------------------------------------------------------


def test_a_wait_for_a_connection(loops):
    """Calls have threads of their own, but what reads a list page by page needs a connection like them."""

    async def main():
        with SilentServer() as server:
            client = AsyncAutonomiClient(server.base_url, max_connections=1, timeout=PATIENCE)
            held = asyncio.ensure_future(client.get_status())
            await acquired(server.came)
            runs = client.iter_runs()
            for _ in range(3):
                waiting = asyncio.ensure_future(runs.__anext__())
                await asyncio.sleep(0.05)
                assert await cancelled(waiting) < PROMPTLY
            waiting = asyncio.ensure_future(client.iter_projects().__anext__())
            await asyncio.sleep(0.05)
            began = time.monotonic()
            server.answer()
            await cancelled(held)
            # It gets the place of the one that was cancelled, not behind those that no longer wait for it.
            with pytest.raises(DecodeError):
                await waiting
            assert time.monotonic() - began < PROMPTLY
            runs.close()
            await client.aclose()

    loops.run(main())


@pytest.mark.parametrize("status", [503, 429])
def test_a_wait_between_two_attempts(async_client_of, fault_server, loops, status):
    # The first waits of chance's choice may be short; what the server asks for is not.
    refusal = {"status": status, "json": {}, "headers": {"retry-after": "60"}}
    client = async_client_of(refusal, {"json": {"ok": True}}, max_connections=1, timeout=1000)

    async def main():
        task = asyncio.ensure_future(client.get_status())
        await requested(fault_server)
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await cancelled(task)
        assert await client.get_status(timeout=20) == {"ok": True}
        assert time.monotonic() - began < PROMPTLY

    loops.run(main())
    # Nothing was under way on the connection. After a 5xx, none is used again, cancelled or not.
    connections = [request["connection"] for request in fault_server.recorded()["requests"]]
    assert connections == ([1, 1] if status == 429 else [1, 2])


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_a_wait_for_a_token(async_client_of, fault_server, loops, attempt):
    """The first token is awaited without a thread, the second by one that has had a 401."""
    asked = 0

    async def token():
        nonlocal asked
        asked += 1
        if attempt == "first" or asked % 2 == 0:
            waits.set()
            await asyncio.sleep(PATIENCE)
        return "old"

    replies = [] if attempt == "first" else [{"status": 401, "json": {}, "repeat": 300}]
    client = async_client_of(*replies, {"json": {"ok": True}}, token=token, max_connections=1, timeout=PATIENCE)
    waits = None

    async def main():
        nonlocal waits
        for _ in range(10):
            waits = asyncio.Event()
            task = asyncio.ensure_future(client.get_status())
            await asyncio.wait_for(waits.wait(), PATIENCE)
            assert await cancelled(task) < PROMPTLY
        client.set_token("new")
        while attempt == "second" and fault_server.recorded()["remaining"] > 1:
            with pytest.raises(AuthenticationError):
                await client.get_status(timeout=20)
        assert await client.get_status(timeout=20) == {"ok": True}

    loops.run(main())


# ---- after the answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_a_large_answer_that_is_being_decoded(async_client_of, loops, monkeypatch, kind):
    """A thread of the loop's executor decodes it, which is not to be stopped; the task does not wait for that."""
    rows = [{"id": number, "name": f"project {number}"} for number in range(60_000)]
    if kind == "bad":
        rows[-1]["name"] = 5
    client = async_client_of({"json": rows, "repeat": 4}, {"json": {"ok": True}}, timeout=PATIENCE)

    begun = threading.Semaphore(0)
    original = asyncio.to_thread

    def to_thread(function):
        def noted():
            begun.release()
            return function()

        return original(noted)

    async def main():
        for _ in range(4):
            task = asyncio.ensure_future(client.list_projects())
            await acquired(begun)
            assert await cancelled(task) < PROMPTLY
        assert await client.get_status(timeout=20) == {"ok": True}

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    loops.run(main())


# ---- at any time -----------------------------------------------------------------------------------------------------


def test_whenever_it_comes_the_other_calls_are_right(control_plane, loops):
    """Calls of all kinds, a part of which is cancelled at a random moment of the time that a call takes here."""
    chance = random.Random(7)

    async def main():
        client = AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN, max_connections=8, timeout=PATIENCE)
        made = await client.list_tenants()
        projects = {project.id: project for project in await client.list_projects()}
        tally = {"right": 0, "cancelled": 0}
        # Seconds that a call takes on this machine, among the others: the mean of the last ones.
        usual = 0.005

        async def call(number):
            if number % 3 == 0:
                with pytest.raises(NotFoundError):
                    await client.get_project(987654321)
            elif number % 3 == 1:
                assert await client.list_tenants() == made
            else:
                project = chance.choice(list(projects.values()))
                assert await client.get_project(project.id) == project

        async def one(number):
            nonlocal usual
            begun = time.monotonic()
            task = asyncio.ensure_future(call(number))
            if chance.random() < 0.4:
                await asyncio.sleep(chance.random() * usual)
                task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                tally["cancelled"] += 1
            else:
                tally["right"] += 1
                usual = 0.9 * usual + 0.1 * (time.monotonic() - begun)

        numbers = itertools.count()

        async def some():
            while tally["right"] < 300 or tally["cancelled"] < 100:
                await one(next(numbers))

        await asyncio.gather(*(some() for _ in range(32)))
        await asyncio.gather(*(call(number) for number in range(30)))
        await client.aclose()

    loops.run(main())
