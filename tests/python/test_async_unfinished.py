"""Asynchronous iterators that nobody asks to the end: their connection ends with them, and nothing is said about it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys

import pytest

from async_support import connections_to, on_linux, until
from live_server import LiveServer
from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, AutonomiClient
from servers import ControlPlane

PATIENCE = 60

# Each has more to give, or something to wait for, after the first.
KINDS = {
    "events": lambda client: client.events(history=10),
    "watch": lambda client: client.watch(),
    "follow": lambda client: AsyncEventStream(client).follow(1, poll_interval=PATIENCE),
    "runs": lambda client: client.iter_runs(page_size=1),
    "pages": lambda client: client.iter_runs(page_size=1).pages(),
}
# Those that keep a connection for themselves; the others use those of the client, which stay with it.
LIVE = ["events", "watch"]


@pytest.fixture(scope="module")
def plane():
    with ControlPlane("guide") as server:
        with AutonomiClient(server.base_url, server.TOKEN) as client:
            project = client.list_projects()[0].id
            for _ in range(3):
                client.create_run_event(client.create_run(project).id, "my:own")
        yield server


@pytest.fixture
def client(plane):
    client = AsyncAutonomiClient(plane.base_url, plane.TOKEN, timeout=PATIENCE)
    yield client
    client.close()


@pytest.fixture
def open_connections(plane):
    port = int(plane.base_url.rsplit(":", 1)[1])
    return lambda: len(connections_to(port))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def first_of(client, kind):
    stream = KINDS[kind](client)
    await stream.__anext__()
    return stream


def gone(open_connections, kind):
    """Whether no connection is left but one of the client's."""
    return open_connections() <= (kind not in LIVE)


def soon(condition):
    """The same as `until`, where there is no loop."""
    asyncio.run(until(condition))


# ---- left as they are ------------------------------------------------------------------------------------------------


@on_linux
def test_a_loop_that_is_left(client, kind, loops, open_connections):
    async def main():
        for _ in range(5):
            async for _item in KINDS[kind](client):
                break
            await until(lambda: gone(open_connections, kind))
        assert (await client.get_status())["version"]

    loops.run(main())


@on_linux
def test_a_loop_that_an_error_leaves(client, kind, loops, open_connections):
    async def main():
        with contextlib.suppress(ZeroDivisionError):
            async for _item in KINDS[kind](client):
                raise ZeroDivisionError
        gc.collect()
        await until(lambda: gone(open_connections, kind))

    loops.run(main())


@on_linux
def test_one_in_a_cycle(client, kind, loops, open_connections):
    async def main():
        stream = await first_of(client, kind)
        cycle = [stream]
        cycle.append(cycle)
        del stream, cycle
        gc.collect()
        await until(lambda: gone(open_connections, kind))

    loops.run(main())


@on_linux
@pytest.mark.parametrize("where", ["no loop", "another loop"])
def test_one_that_outlives_its_loop(client, kind, loops, open_connections, where):
    streams = [loops.run(first_of(client, kind))]

    async def drop():
        streams.clear()
        gc.collect()
        await until(lambda: gone(open_connections, kind))

    if where == "no loop":
        streams.clear()
        gc.collect()
    loops.run(drop())


@on_linux
@pytest.mark.parametrize("closing", ["run", "close"])
def test_one_whose_loop_ends_while_it_waits(client, loops, open_connections, closing):
    """`asyncio.run` cancels what waits; a loop that is merely closed leaves it."""
    streams = []

    async def main():
        streams.append(await first_of(client, "watch"))
        waiting = asyncio.ensure_future(streams[0].__anext__())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        return waiting

    if closing == "run":
        asyncio.run(main())
    else:
        loop = asyncio.new_event_loop()
        # That a task is destroyed while it waits is what asyncio has to say about it.
        loop.set_exception_handler(lambda loop, context: None)
        waiting = loop.run_until_complete(main())
        loop.close()
        del waiting
    streams.clear()
    gc.collect()
    soon(lambda: open_connections() == 0)


# ---- taken up again --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["follow", "runs"])
def test_it_goes_on_in_another_loop_where_it_stood(client, kind, loops):
    stream = loops.run(first_of(client, kind))
    rest = [loops.run(stream.__anext__()).id for _ in range(2)]

    async def from_the_start():
        again = KINDS[kind](client)
        return [(await again.__anext__()).id for _ in range(3)]

    assert loops.run(from_the_start())[1:] == rest
    loops.run(stream.aclose())


def test_it_goes_on_after_asyncio_run_has_cancelled_a_wait(client):
    """Dashboards have no history: what comes while nobody waits must come over the connection that there is."""
    streams, tasks = [], []

    async def ends_amid_a_wait():
        streams.append(await first_of(client, "watch"))
        tasks.append(asyncio.ensure_future(streams[0].__anext__()))
        await asyncio.sleep(0.1)

    async def change(name):
        project = (await client.list_projects())[0]
        await client.update_project(project.id, name=name)

    async def goes_on():
        await change("b")
        for name in ("b", "c"):
            message = await asyncio.wait_for(streams[0].__anext__(), PATIENCE)
            assert (message.type, message.data["name"]) == ("project_updated", name)
            await change("c")

    asyncio.run(ends_amid_a_wait())
    assert tasks[0].cancelled()
    asyncio.run(change("a"))
    message = asyncio.run(streams[0].__anext__())
    assert (message.type, message.data["name"]) == ("project_updated", "a")
    asyncio.run(goes_on())
    streams[0].close()


def test_waits_that_are_cut_short_again_and_again_miss_no_message(client):
    """As by `asyncio.wait_for` in a loop that does something else now and then."""
    names = [f"p{n}" for n in range(100)]

    async def main():
        project = (await client.list_projects())[0]
        seen = []
        async with client.watch() as messages:
            assert (await messages.__anext__()).type == "connected"
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(messages.__anext__(), 0.001)
            changing = asyncio.ensure_future(change(project))
            while len(seen) < len(names):
                with contextlib.suppress(asyncio.TimeoutError):
                    message = await asyncio.wait_for(messages.__anext__(), 0.001)
                    seen.append(message.data["name"])
            await changing
        assert seen == names

    async def change(project):
        for name in names:
            await client.update_project(project.id, name=name)

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_waits_that_are_cut_short_keep_the_connection_of_live_events():
    async def main(server):
        client = AsyncAutonomiClient(server.base_url)
        async with client.events() as events:
            assert (await events.__anext__()).id == "evt_1"
            assert server.came.acquire(timeout=PATIENCE)
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(events.__anext__(), 0.05)
            assert not server.came.acquire(blocking=False)
            assert not server.left.acquire(blocking=False)
        await client.aclose()

    with LiveServer() as server:
        asyncio.run(main(server))
        assert server.left.acquire(timeout=PATIENCE)


# ---- closed ----------------------------------------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("way", ["at once", "begun", "twice", "waiting", "another loop"])
def test_aclose(client, kind, loops, open_connections, way):
    """It is that of a generator: afterwards nothing comes any more, and it can be called at any time."""

    async def main():
        stream = KINDS[kind](client) if way == "at once" else await first_of(client, kind)
        if way == "another loop":
            return stream
        if way == "waiting" and kind in (*LIVE, "follow"):
            waiting = asyncio.ensure_future(to_the_end(stream))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            await stream.aclose()
            await asyncio.wait_for(waiting, PATIENCE)
        await ended(stream)
        return stream

    async def to_the_end(stream):
        async for _item in stream:
            pass

    async def ended(stream):
        for _ in range(2 if way == "twice" else 1):
            assert await stream.aclose() is None
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()
        await until(lambda: gone(open_connections, kind))

    stream = loops.run(main())
    if way == "another loop" and kind != "pages":
        loops.run(ended(stream))


def test_closing_it_in_its_own_loop_ends_that(client, loops, kind):
    """Also if more has come than was given out."""

    async def main():
        given, stream = 0, KINDS[kind](client)
        async for _item in stream:
            given += 1
            await stream.aclose()
        assert given == 1

    loops.run(asyncio.wait_for(main(), PATIENCE))


def test_aclosing_closes_it(client, kind, loops):
    if sys.version_info < (3, 10):
        pytest.skip("contextlib has it since 3.10")

    async def main():
        async with contextlib.aclosing(KINDS[kind](client)) as stream:
            async for _item in stream:
                break
        with pytest.raises(StopAsyncIteration):
            await stream.__anext__()

    loops.run(main())


# ---- the end of the interpreter --------------------------------------------------------------------------------------

SCRIPT = """
import asyncio, gc, sys
from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream

base_url, token, kind, way = sys.argv[1:]
client = AsyncAutonomiClient(base_url, token)
make = {
    "events": lambda: client.events(history=10),
    "watch": lambda: client.watch(),
    "follow": lambda: AsyncEventStream(client).follow(1, poll_interval=60),
    "runs": lambda: client.iter_runs(page_size=1),
    "pages": lambda: client.iter_runs(page_size=1).pages(),
}[kind]
kept = []

async def leave():
    async for item in make():
        break

async def keep():
    kept.append(make())
    await kept[0].__anext__()

async def wait():
    await keep()
    async def ask():
        async for item in kept[0]:
            pass
    kept.append(asyncio.ensure_future(ask()))
    await asyncio.sleep(0.2)

if way == "closed":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(keep())
    loop.close()
else:
    asyncio.run({"left": leave, "kept": keep, "waiting": wait}[way]())
if way == "kept":
    asyncio.run(leave())
print("leaving", flush=True)
"""


@pytest.mark.parametrize("way", ["left", "kept", "waiting", "closed"])
def test_nothing_is_said_at_the_end_of_the_interpreter(plane, kind, way):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT, plane.base_url, plane.TOKEN, kind, way]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("leaving\n", "", 0)
