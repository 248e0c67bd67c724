"""Token providers that call the SDK themselves, asked by more calls than there are threads."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars

import pytest

from loki_mode_sdk import AsyncAutonomiClient, AutonomiClient
from servers import EchoServer

PATIENCE = 100


@pytest.fixture(scope="module")
def echo():
    with EchoServer() as server:
        yield server


def run(coroutine):
    async def bounded():
        return await asyncio.wait_for(coroutine, PATIENCE)

    return asyncio.run(bounded())


async def ask_for(client, calls):
    projects = await asyncio.gather(*(client.get_project(number) for number in range(calls)))
    assert [project.id for project in projects] == list(range(calls))


@pytest.mark.parametrize("calls", [600, 2000])
@pytest.mark.parametrize("whose", ["derived", "second"])
def test_each_call_has_its_provider_call_the_sdk(echo, calls, whose):
    asked = 0

    async def token():
        nonlocal asked
        asked += 1
        await fetching.get_status()
        return "given"

    client = AsyncAutonomiClient(echo.base_url, token=token, timeout=60)
    fetching = (
        client.with_options(token="other") if whose == "derived" else AsyncAutonomiClient(echo.base_url, timeout=60)
    )
    with contextlib.closing(client), contextlib.closing(fetching):
        run(ask_for(client, calls))
    assert asked == calls


@pytest.mark.parametrize("calls", [600, 2000])
@pytest.mark.parametrize("by", ["caller", "task"])
def test_all_calls_are_refused_and_wait_for_one_that_renews_the_token(echo, calls, by):
    """Each thread has a call that waits, and none is free for the one that they wait for."""
    asked = contextvars.ContextVar("asked", default=False)
    renewed = 0

    def provider():
        # In the context of the call.
        if asked.get():
            return renew() if by == "caller" else renewal()
        asked.set(True)
        return "expired"

    async def renewal():
        wanted.set()
        await there.wait()
        return "renewed"

    async def renew():
        nonlocal renewed
        async with lock:
            if not renewed:
                await client.with_options(token="other").get_status()
                renewed += 1
        return "renewed"

    async def renew_when_wanted():
        await wanted.wait()
        # When all have been refused.
        await asyncio.sleep(1)
        await renew()
        there.set()

    async def main():
        nonlocal lock, wanted, there
        lock, wanted, there = asyncio.Lock(), asyncio.Event(), asyncio.Event()
        # Begun before: nothing tells that its call is what the others wait for.
        task = asyncio.ensure_future(renew_when_wanted()) if by == "task" else None
        await ask_for(client, calls)
        if task is not None:
            await task

    lock = wanted = there = None
    client = AsyncAutonomiClient(echo.base_url, token=provider, timeout=60)
    with contextlib.closing(client):
        run(main())
    assert renewed == 1


def test_a_plain_provider_may_use_the_blocking_client(echo):
    def token():
        fetching.get_status()
        return "given"

    with AutonomiClient(echo.base_url) as fetching:
        client = AsyncAutonomiClient(echo.base_url, token=token, max_connections=4, timeout=60)
        run(ask_for(client, 600))
        client.close()


def test_providers_below_providers(echo):
    """The call of a provider has a provider that makes a call, on one thread for each client."""

    async def outermost():
        await inner.get_status()
        return "outer"

    async def in_between():
        await innermost.get_status()
        return "inner"

    innermost = AsyncAutonomiClient(echo.base_url, token="innermost", max_connections=1, timeout=60)
    inner = innermost.with_options(token=in_between)
    outer = innermost.with_options(token=outermost)
    run(ask_for(outer, 300))
    for client in (innermost, inner, outer):
        client.close()
