"""Calls that end early, loops that come and go, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from async_support import new_loops, on_linux, open_files, requested, until
from loki_mode_sdk import APITimeoutError, AsyncAutonomiClient, AutonomiError
from servers import EchoServer
from test_fork import ended_well, fork

HOLD = {"faults": {"hold": True}}
OK = {"json": {"ok": True}}


# ---- cancellation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        HOLD,
        {"json": {"pad": "x" * 100}, "faults": {"half_open": True}},
        {"json": {"pad": "x" * 10_000}, "faults": {"drip_ms": 50}},
        {"status": 503, "json": {}, "headers": {"retry-after": "90"}},
    ],
    ids=["waiting", "body", "drip", "retry-wait"],
)
def test_cancelling_the_task_ends_the_call(async_client_of, fault_server, loops, reply):
    # One thread and one connection: the next call needs both of them back.
    client = async_client_of(reply, OK, max_connections=1, timeout=100)

    async def main():
        task = asyncio.ensure_future(client.get_status())
        await requested(fault_server)
        # Into the wait that the name of the case tells.
        await asyncio.sleep(0.2)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert await client.get_status(timeout=20) == {"ok": True}
        return time.monotonic() - began

    assert loops.run(main()) < 1
    first, second = fault_server.recorded()["requests"]
    if "faults" in reply:
        assert first["connection"] != second["connection"]


def test_cancelling_before_it_begins_sends_nothing(async_client_of, fault_server, loops):
    client = async_client_of()

    async def main():
        task = asyncio.ensure_future(client.get_status())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loops.run(main())
    assert fault_server.recorded()["requests"] == []


def test_a_call_that_waits_for_a_thread_is_cancelled_and_never_sent(async_client_of, fault_server, loops):
    client = async_client_of(HOLD, OK, max_connections=1)

    async def main():
        held = asyncio.ensure_future(client.get_status())
        await requested(fault_server)
        waiting = asyncio.ensure_future(client.create_project("not to be made"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        held.cancel()
        assert await client.get_status() == {"ok": True}

    loops.run(main())
    assert [request["method"] for request in fault_server.recorded()["requests"]] == ["GET", "GET"]


def test_a_call_that_gets_no_thread_ends_with_its_timeout(async_client_of, fault_server, loops):
    client = async_client_of(HOLD, HOLD, OK, max_connections=2, timeout=100)

    async def main():
        held = [asyncio.ensure_future(client.get_status()) for _ in range(2)]
        await requested(fault_server, 2)
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match=r"could not begin within 0\.2 s.*max_connections") as caught:
            await client.get_status(timeout=0.2)
        assert 0.19 < time.monotonic() - began < 5
        assert (caught.value.maybe_executed, caught.value.attempts) == (False, 0)
        for task in held:
            task.cancel()
        # One that waits and gets a thread in time is a call like any other.
        assert await client.get_status(timeout=20) == {"ok": True}

    loops.run(main())


def test_the_wait_for_a_thread_counts(async_client_of, loops):
    slow = {"json": {}, "faults": {"delay_ms": 500}}
    client = async_client_of(slow, slow, max_connections=1, max_retries=0)

    async def main():
        first = asyncio.ensure_future(client.get_status())
        await asyncio.sleep(0)
        with pytest.raises(APITimeoutError, match=r"within 0\.8 s"):
            await client.get_status(timeout=0.8)
        await first

    loops.run(main())


def test_timeouts_of_asyncio_work(async_client_of, loops):
    client = async_client_of(HOLD, HOLD, OK)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get_status(), 0.2)
        if sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.get_status()
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.raw.get_status(), 0.2)
        return await client.get_status()

    assert loops.run(main()) == {"ok": True}


def test_the_timeout_of_the_call_works(async_client_of, loops):
    client = async_client_of(HOLD, max_retries=0)

    async def main():
        with pytest.raises(APITimeoutError) as caught:
            await client.get_status(timeout=0.2)
        return caught.value

    assert loops.run(main()).attempts == 1


def test_outcomes_that_nobody_awaits_any_more_make_no_noise(async_client_of, loops):
    client = async_client_of(
        {"json": {}, "faults": {"delay_ms": 100}},
        {"status": 500, "json": {}, "faults": {"delay_ms": 100}},
        max_retries=0,
    )

    async def main():
        tasks = [asyncio.ensure_future(client.get_status()) for _ in range(2)]
        await asyncio.sleep(0.08)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        del tasks
        await asyncio.sleep(0.2)
        gc.collect()

    loops.run(main())


def test_a_coroutine_that_is_dropped_ends_its_call(async_client_of, fault_server, loops):
    client = async_client_of(HOLD, OK, max_connections=1)

    async def main():
        coroutine = client.get_status()
        # As a task does it, but nobody waits for the future.
        coroutine.send(None)
        await requested(fault_server)
        coroutine.close()
        assert await client.get_status(timeout=20) == {"ok": True}

    loops.run(main())


# ---- loops ---------------------------------------------------------------------------------------------------------


@on_linux
@pytest.mark.parametrize("new_loop", new_loops())
def test_one_loop_after_the_other_leaves_no_file_open(async_client_of, loops, new_loop):
    # One connection: how many a burst opens is up to chance.
    client = async_client_of({"json": {"ok": True}, "repeat": 200}, max_connections=1)

    async def main():
        return await asyncio.gather(*(client.get_status() for _ in range(4)))

    # What a first loop of its kind keeps open for the next ones.
    loops.run(main(), new_loop())
    before = open_files()
    for _ in range(20):
        assert loops.run(main(), new_loop()) == [{"ok": True}] * 4
        gc.collect()
        assert open_files() <= before


@on_linux
def test_a_loop_that_is_closed_amid_a_call_leaves_no_file_open(async_client_of, fault_server):
    client = async_client_of(HOLD, OK, timeout=100)
    before = open_files()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    task = loop.create_task(client.get_status())
    loop.run_until_complete(requested(fault_server))
    loop.close()
    # Its coroutine goes, and with it the call: what asyncio says about that went to the handler above.
    del task
    gc.collect()
    client.close()

    async def closed():
        await until(lambda: open_files() <= before + 3)

    # The three are this loop's own.
    asyncio.run(closed())


def test_several_loops_in_several_threads_share_a_client():
    crossed, errors = [], []

    async def main(client, number):
        async def call(project):
            answer = await client.get_project(project, timeout=60)
            if answer.id != project:
                crossed.append((project, answer))

        for call_number in range(10):
            await asyncio.gather(*(call(number * 1000 + call_number * 20 + each) for each in range(20)))

    with EchoServer() as server:
        client = AsyncAutonomiClient(server.base_url, max_connections=32)

        def work(number):
            try:
                for _ in range(2):
                    asyncio.run(main(client, number))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = asyncio.run(client.get_status())
        client.close()
    assert (crossed, errors) == ([], [])
    assert counted["answers"] == 6 * 2 * 200
    assert counted["peak"] <= 32


def test_uvloop(async_client_of, fault_server, loops):
    import uvloop

    client = async_client_of(HOLD, {"json": {"ok": True}, "repeat": 65}, timeout=100)

    async def main():
        task = asyncio.ensure_future(client.get_status())
        await requested(fault_server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.get_status() == {"ok": True}
        return await asyncio.gather(*(client.get_status() for _ in range(64)))

    assert loops.run(main(), uvloop.new_event_loop()) == [{"ok": True}] * 64


@pytest.mark.parametrize("use_uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_anyio(async_client_of, fault_server, use_uvloop):
    import anyio

    client = async_client_of(HOLD, {"json": {"ok": True}, "repeat": 21}, timeout=100)

    async def main():
        with anyio.move_on_after(0.2) as scope:
            await client.get_status()
        assert scope.cancelled_caught
        answers = []

        async def call():
            answers.append(await client.get_status())

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(call)
        assert answers == [{"ok": True}] * 20
        with anyio.fail_after(20):
            return await client.get_status()

    assert anyio.run(main, backend_options={"use_uvloop": use_uvloop}) == {"ok": True}


# ---- processes -----------------------------------------------------------------------------------------------------

SCRIPT = """
import asyncio, gc, signal, sys, threading
from loki_mode_sdk import AsyncAutonomiClient

base_url, what = sys.argv[1:]
client = AsyncAutonomiClient(base_url, timeout=100)

async def calls():
    global tasks
    tasks = [asyncio.ensure_future(client.get_status()) for _ in range(8)]
    await asyncio.sleep(0.3)
    print("leaving", flush=True)

async def calls_for_ever():
    while True:
        await asyncio.gather(*(client.get_status() for _ in range(8)))

if what == "run":
    asyncio.run(calls())
elif what == "exit":
    async def leave():
        await calls()
        sys.exit()
    asyncio.run(leave())
elif what == "interrupt":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    async def stay():
        await calls()
        await asyncio.gather(*tasks)
    try:
        asyncio.run(stay())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
elif what == "thread":
    began = threading.Event()
    async def stay():
        await calls()
        began.set()
        await asyncio.gather(*tasks)
    threading.Thread(target=asyncio.run, args=(stay(),), daemon=True).start()
    began.wait()
elif what == "closed":
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(calls())
    loop.close()
elif what == "open":
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(calls())
    del tasks
    gc.collect()
elif what == "busy":
    threading.Thread(target=asyncio.run, args=(calls_for_ever(),), daemon=True).start()
    threading.Event().wait(0.3)
    print("leaving", flush=True)
"""


def start(base_url, what):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT, base_url, what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def finish(process):
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return out, err, process.returncode


@pytest.mark.parametrize("what", ["run", "exit", "thread", "closed"])
def test_the_interpreter_ends_amid_calls(fault_server, what):
    process = start(fault_server.serve([{**HOLD, "repeat": 8}]), what)
    began = time.monotonic()
    assert finish(process) == ("leaving\n", "", 0)
    assert time.monotonic() - began < 20


def test_the_interpreter_ends_while_answers_come_in():
    with EchoServer() as server:
        for _ in range(5):
            assert finish(start(server.base_url, "busy")) == ("leaving\n", "", 0)


def test_the_interpreter_ends_with_a_loop_that_nobody_has_closed(fault_server):
    out, err, code = finish(start(fault_server.serve([{**HOLD, "repeat": 8}]), "open"))
    assert (out, code) == ("leaving\n", 0)
    # What is said is asyncio's own, about its loop and its sockets.
    assert re.findall("^[A-Za-z]*Warning: .*", err, re.MULTILINE) == re.findall(
        r"^ResourceWarning: unclosed (?:event loop|<socket).*", err, re.MULTILINE
    )
    assert "loki" not in err


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_ends_the_calls(fault_server):
    process = start(fault_server.serve([{**HOLD, "repeat": 8}]), "interrupt")
    assert process.stdout.readline() == "leaving\n"
    process.send_signal(signal.SIGINT)
    assert finish(process) == ("interrupted\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_both_sides_of_a_fork_go_on(async_client_of, fault_server, loops):
    client = async_client_of({"json": {"ok": True}, "repeat": 1000})

    async def call(times=1):
        for _ in range(times):
            assert await asyncio.gather(*(client.get_status() for _ in range(4))) == [{"ok": True}] * 4

    loops.run(call())
    assert [ended_well(fork(lambda: asyncio.run(call(3)))) for _ in range(3)] == [True] * 3
    loops.run(call(3))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_amid_calls_leaves_them_to_the_parent(async_client_of, fault_server, loops):
    client = async_client_of({"json": {"ok": True}, "faults": {"delay_ms": 500}, "repeat": 4}, OK)

    async def in_the_child():
        assert await client.get_status() == {"ok": True}

    def child():
        # What the child has of the parent's calls goes away there, and must not end them here.
        asyncio.events._set_running_loop(None)
        asyncio.set_event_loop(None)
        for task in tasks:
            task._coro.close()
        gc.collect()
        asyncio.run(in_the_child())

    async def main():
        tasks.extend(asyncio.ensure_future(client.get_status()) for _ in range(4))
        await requested(fault_server, 4)
        process = fork(child)
        answers = await asyncio.gather(*tasks)
        return answers, await asyncio.to_thread(ended_well, process)

    tasks = []
    assert loops.run(main()) == ([{"ok": True}] * 4, True)


def test_a_server_that_goes_away_amid_calls_is_an_error_of_each(loops):
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    client = AsyncAutonomiClient(f"http://127.0.0.1:{server.getsockname()[1]}", max_retries=0)

    def accept_and_drop():
        for _ in range(16):
            connection, _ = server.accept()
            connection.recv(65536)
            connection.close()

    thread = threading.Thread(target=accept_and_drop)
    thread.start()

    async def main():
        return await asyncio.gather(*(client.get_status() for _ in range(16)), return_exceptions=True)

    outcomes = loops.run(main())
    thread.join()
    server.close()
    client.close()
    assert {type(outcome).__name__ for outcome in outcomes} == {"APIConnectionError"}
    assert all(isinstance(outcome, AutonomiError) for outcome in outcomes)
