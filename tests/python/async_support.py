"""What the tests of the client for asyncio have in common."""

from __future__ import annotations

import asyncio
import os

import pytest

from loki_mode_sdk import AsyncAutonomiClient

on_linux = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts in /proc")


def new_loops():
    """What makes an event loop of each kind, as parameters of a test."""
    import uvloop

    return [
        pytest.param(asyncio.new_event_loop, id="asyncio"),
        pytest.param(uvloop.new_event_loop, id="uvloop"),
    ]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# A connection that is being opened.
SYN_SENT = "02"


def connections_to(port):
    """The states of the connections to this port that the process has, as the system names them."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in list(table)[1:]]
    # What is only being ended by the system belongs to nobody: its inode is 0.
    return [row[3] for row in rows if row[2].endswith(f":{port:04X}") and row[9] != "0"]


class Complaints:
    """Runs coroutines, and keeps what their loop has to complain about."""

    def __init__(self) -> None:
        self.heard = []

    def run(self, coroutine, loop=None):
        loop = loop or asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: self.heard.append(context))
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()


async def until(condition) -> None:
    """Waits, at most a minute, until the condition holds."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


async def requested(fault_server, count=1) -> list[dict]:
    """The requests that have come in, once there are as many as this."""
    await until(lambda: len(fault_server.recorded()["requests"]) >= count)
    return fault_server.recorded()["requests"]


class Clients:
    """Makes clients of a server that gives the replies it is told to give."""

    def __init__(self, fault_server) -> None:
        self.fault_server, self.made = fault_server, []

    def __call__(self, *replies, **options) -> AsyncAutonomiClient:
        client = AsyncAutonomiClient(self.fault_server.serve(list(replies)), **options)
        self.made.append(client)
        return client

    def close(self) -> None:
        for client in self.made:
            client.close()
