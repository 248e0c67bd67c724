"""What streams do to the process that they live in: signals, threads, forks, memory, connections."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest

from live_server import LiveServer
from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, AutonomiClient, ConfigError, EventStream, LokiClient

PATIENCE = 60

posix = pytest.mark.skipif(os.name != "posix", reason="signals and forks as POSIX has them")


@pytest.fixture
def live():
    with LiveServer() as server:
        yield server


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


# ---- connections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["dropped", "closed", "with"])
def test_the_connection_ends_with_the_stream(live, way):
    with AutonomiClient(live.base_url) as client:
        events = client.events()
        assert next(events).type == "task:completed"
        if way == "dropped":
            del events
        elif way == "closed":
            events.close()
        else:
            with events:
                pass
        assert live.left.acquire(timeout=PATIENCE)


def test_the_connection_ends_with_a_subscription(live):
    client = LokiClient(live.base_url)
    seen = threading.Event()
    unsubscribe = client.subscribe(lambda event: seen.set())
    assert seen.wait(PATIENCE)
    unsubscribe()
    assert live.left.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("way", ["dropped", "closed", "cancelled and dropped"])
def test_the_connection_ends_with_the_stream_under_asyncio(live, way):
    async def main():
        client = AsyncAutonomiClient(live.base_url)
        events = client.events()
        assert (await events.__anext__()).type == "task:completed"
        if way == "closed":
            await events.aclose()
        if way.startswith("cancelled"):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(events.__anext__(), 0.1)
        del events
        gc.collect()
        assert await asyncio.get_running_loop().run_in_executor(None, lambda: live.left.acquire(timeout=PATIENCE))

    asyncio.run(main())


def test_a_stream_that_nobody_asks_does_not_connect(live):
    with AutonomiClient(live.base_url) as client, client.events():
        assert not live.came.acquire(timeout=0.2)


# ---- signals, and the end of the interpreter -------------------------------------------------------------------------

PREFACE = """
import asyncio, os, signal, sys, threading
from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, AutonomiClient
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

INTERRUPTED = {
    "live": """
events = AutonomiClient(sys.argv[1]).events()
try:
    for event in events:
        print(event.type, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
    "live, asyncio": """
async def main():
    async with AsyncAutonomiClient(sys.argv[1]) as client:
        async for event in client.events():
            print(event.type, flush=True)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
}


@posix
@pytest.mark.parametrize("kind", INTERRUPTED)
def test_ctrl_c_ends_the_wait(live, kind):
    process = start(PREFACE + INTERRUPTED[kind], live.base_url)
    try:
        assert process.stdout.readline() == "task:completed\n"
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 1
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()


LEFT_OPEN = {
    "live": """
events = AutonomiClient(sys.argv[1]).events()
print(next(events).type, flush=True)
threading.Thread(target=list, args=(events,), daemon=True).start()
threading.Event().wait(0.2)
""",
    "live, asyncio": """
async def main():
    events = AsyncAutonomiClient(sys.argv[1]).events()
    print((await events.__anext__()).type, flush=True)
    asyncio.ensure_future(events.__anext__())
    await asyncio.sleep(0.2)
asyncio.run(main())
""",
    "live, a loop that is left as it is": """
loop = asyncio.new_event_loop()
events = AsyncAutonomiClient(sys.argv[1]).events()
print(loop.run_until_complete(events.__anext__()).type, flush=True)
async def begin():
    return asyncio.ensure_future(events.__anext__())
task = loop.run_until_complete(begin())
loop.run_until_complete(asyncio.sleep(0.2))
# What is said about such a task is not ours to say.
task._log_destroy_pending = False
""",
}


@pytest.mark.parametrize("kind", LEFT_OPEN)
def test_the_interpreter_ends_while_streams_are_awaited(live, kind):
    for _ in range(3):
        process = start(PREFACE + LEFT_OPEN[kind], live.base_url)
        try:
            out, err = process.communicate(timeout=PATIENCE)
            assert (out, process.returncode) == ("task:completed\n", 0), err
            assert "panicked" not in err
            assert "Fatal" not in err
        finally:
            process.kill()


# ---- forks -----------------------------------------------------------------------------------------------------------

FORKED = {
    "live": """
client = AutonomiClient(sys.argv[1])
events = client.events()
print(next(events).type, flush=True)
waiting = threading.Thread(target=list, args=(events,))
waiting.start()
threading.Event().wait(0.2)
child = os.fork()
if not child:
    try:
        next(events)
    except Exception as error:
        print(type(error).__name__, "parent" in str(error), flush=True)
    # Neither the end of the stream in the child nor its own one does anything to that of the parent.
    events.close()
    print(next(client.events()).type, flush=True)
    del events
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), waiting.is_alive(), flush=True)
events.close()
waiting.join()
""",
    "live, asyncio": """
client = AsyncAutonomiClient(sys.argv[1])
events = client.events()

async def first():
    return (await client.events().__anext__()).type

async def main():
    print((await events.__anext__()).type, flush=True)
    waiting = asyncio.ensure_future(events.__anext__())
    await asyncio.sleep(0.2)
    child = os.fork()
    if not child:
        asyncio.events._set_running_loop(None)
        events._is_awaited = False
        try:
            asyncio.new_event_loop().run_until_complete(events.__anext__())
        except Exception as error:
            print(type(error).__name__, "parent" in str(error), flush=True)
        events.close()
        print(asyncio.new_event_loop().run_until_complete(first()), flush=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), not waiting.done(), flush=True)
    events.close()
    try:
        await waiting
    except StopAsyncIteration:
        pass

import warnings
warnings.simplefilter("ignore", DeprecationWarning)
asyncio.run(main())
""",
}


@posix
@pytest.mark.parametrize("kind", FORKED)
def test_a_fork_leaves_the_stream_to_the_parent(live, kind):
    process = start("import warnings; warnings.simplefilter('ignore')\n" + PREFACE + FORKED[kind], live.base_url)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    told = ["task:completed", "ConfigError True", "task:completed", "0 True"]
    assert (out.splitlines(), err, process.returncode) == (told, "", 0)


# ---- asyncio ---------------------------------------------------------------------------------------------------------


def test_one_stream_in_one_loop_after_the_other(plane):
    plane.add(1, 2)
    client = AsyncAutonomiClient(plane.base_url, path_style="guide")
    follower = AsyncEventStream(client).follow(7, poll_interval=0.02)
    seen = [asyncio.run(follower.__anext__()).id for _ in range(2)]
    plane.add(3)
    seen.append(asyncio.run(follower.__anext__()).id)
    assert seen == [1, 2, 3]
    assert asyncio.run(client.aclose()) is None


def test_the_loop_goes_on_while_events_are_awaited(live):
    async def main():
        async with AsyncAutonomiClient(live.base_url) as client:
            events = client.events()
            await events.__anext__()
            waiting = asyncio.ensure_future(events.__anext__())
            began = time.monotonic()
            for _ in range(50):
                await asyncio.sleep(0)
            assert time.monotonic() - began < PATIENCE / 10
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())


def test_polls_that_are_cancelled_lose_nothing(plane):
    async def main():
        seen = []
        async with AsyncAutonomiClient(plane.base_url, path_style="guide") as client:
            stream = AsyncEventStream(client)
            for number in range(1, 80):
                plane.add(number)
                try:
                    events = await asyncio.wait_for(stream.poll_events(7), 0.0005 * (number % 16))
                except asyncio.TimeoutError:
                    continue
                seen += [event.id for event in events]
            seen += [event.id for event in await stream.poll_events(7)]
        return seen

    seen = asyncio.run(main())
    # A poll that was given up is over when it is: what it brought then may come after what a later one brought.
    assert sorted(seen) == list(range(1, 80))


def test_a_function_that_has_to_be_awaited_cannot_say_when_to_stop(plane):
    plane.add(1, 2)

    class Later:
        def __await__(self):
            yield

    async def main():
        async with AsyncAutonomiClient(plane.base_url, path_style="guide") as client:
            follower = AsyncEventStream(client).follow(7, until=lambda event: Later())
            assert (await follower.__anext__()).id == 1
            with pytest.raises(TypeError, match="until must be a plain function"):
                await follower.__anext__()
            assert (await follower.__anext__()).id == 2
            follower.close()

    asyncio.run(main())


def test_memory_stays_as_it_is_under_asyncio(plane):
    async def main():
        async with AsyncAutonomiClient(plane.base_url, path_style="guide") as client:
            follower = AsyncEventStream(client).follow(7, poll_interval=0.001, until=())

            async def poll(times):
                for _ in range(times):
                    await follower.__anext__()
                    plane.events = [*plane.events[1:], {**plane.events[-1], "id": plane.events[-1]["id"] + 1}]

            plane.add(*range(50))
            await poll(200)
            gc.collect()
            tracemalloc.start()
            try:
                before = tracemalloc.get_traced_memory()[0]
                await poll(300)
                gc.collect()
                assert tracemalloc.get_traced_memory()[0] - before < 200_000
            finally:
                tracemalloc.stop()

    asyncio.run(main())


@pytest.mark.parametrize("stream", ["events", "follow"])
def test_a_closed_client_ends_its_streams(live, plane, stream):
    client = AutonomiClient({"events": live, "follow": plane}[stream].base_url)
    if stream == "events":
        waiting = client.events()
        next(waiting)
    else:
        waiting = EventStream(client).follow(7, poll_interval=600)
    errors = []

    def wait():
        try:
            for _ in waiting:
                pass
        except ConfigError as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    client.close()
    # Sooner than the server, or the stream itself, would end the wait.
    thread.join(5)
    assert errors == ["the client is closed"]
    with pytest.raises(ConfigError, match="closed"):
        next(waiting)
    if stream == "events":
        assert live.left.acquire(timeout=PATIENCE)


def test_a_closed_client_closes_the_connections_of_streams_that_nobody_asks(live):
    client = AutonomiClient(live.base_url)
    events = client.events()
    next(events)
    client.close()
    assert live.left.acquire(timeout=PATIENCE)
    events.close()


def test_a_closed_client_ends_its_streams_under_asyncio(live):
    async def main():
        client = AsyncAutonomiClient(live.base_url)
        events = client.events()
        await events.__anext__()
        waiting = asyncio.create_task(events.__anext__())
        await asyncio.sleep(0.1)
        await client.aclose()
        with pytest.raises(ConfigError, match="closed"):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(main())
