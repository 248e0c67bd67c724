"""No thread touches Python that Python has not started."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import sys
import threading
import time

import pytest

from async_support import on_linux
from loki_mode_sdk import AsyncAutonomiClient, AsyncEventStream, AuthenticationError
from plane import Plane

since_310 = pytest.mark.skipif(sys.version_info < (3, 10), reason="no list of the threads without a frame before")


@pytest.fixture
def strangers(monkeypatch):
    """Ends a watch; tells which threads were in the interpreter, or waited to enter it, that Python has not started."""
    seen, begun, done = set(), {threading.main_thread().ident}, threading.Event()
    original = threading.Thread.run

    def run(thread):
        begun.add(thread.ident)
        original(thread)

    def watch():
        while not done.is_set():
            seen.update(sys._current_exceptions())

    def strangers():
        done.set()
        watching.join()
        # One that Python is about to start has no number yet.
        return seen - begun - {thread.ident for thread in threading.enumerate()} - {0}

    monkeypatch.setattr(threading.Thread, "run", run)
    watching = threading.Thread(target=watch)
    watching.start()
    strangers.have_seen = seen.__contains__
    yield strangers
    done.set()


@since_310
@on_linux
def test_a_stranger_is_noticed(strangers):
    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def enter(_):
        until = time.monotonic() + 60
        while not strangers.have_seen(threading.get_ident()) and time.monotonic() < until:
            time.sleep(0.001)

    libc, ident = ctypes.CDLL(None), ctypes.c_ulong()
    libc.pthread_create(ctypes.byref(ident), None, enter, None)
    libc.pthread_join(ident, None)
    assert strangers() == {ident.value}


@since_310
def test_none_of_ours_enters_for_calls(async_client_of, caplog, strangers):
    """Whatever the calls need of Python: tokens, lines of the log, models, large answers; or if they are cancelled."""

    async def token():
        await asyncio.sleep(0)
        return "x"

    refused, large = {"status": 401, "json": {}}, {"json": [{"id": 1, "name": "x" * 2_000_000}]}
    client = async_client_of(*[{"json": [{"id": 1, "name": "a"}]}, refused, large] * 15, token=token)

    async def main():
        async def call(number):
            for each in range(5):
                with contextlib.suppress(AuthenticationError, asyncio.TimeoutError):
                    timeout = 0.005 if (number + each) % 5 == 0 else 60
                    assert (await asyncio.wait_for(client.list_projects(), timeout))[0].id == 1

        await asyncio.gather(*(call(number) for number in range(6)))

    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"):
        asyncio.run(main())
    assert caplog.records
    assert strangers() == set()


@since_310
def test_none_of_ours_enters_for_streams(caplog, strangers):
    async def main(plane):
        client = AsyncAutonomiClient(plane.base_url, token=lambda: "x", path_style="guide")
        streams = [AsyncEventStream(client).follow(number, poll_interval=0.01) for number in range(8)]
        for number in range(1, 20):
            plane.add(number)
            assert {(await stream.__anext__()).id for stream in streams} == {number}
        waiting = [asyncio.ensure_future(stream.__anext__()) for stream in streams]
        await asyncio.sleep(0.05)
        for task in waiting[:4]:
            task.cancel()
        await client.aclose()
        await asyncio.gather(*waiting, return_exceptions=True)

    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"), Plane() as plane:
        asyncio.run(main(plane))
    assert caplog.records
    assert strangers() == set()
