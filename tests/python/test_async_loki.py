"""The client of the HTTP/SSE API for asyncio: it is the other one, awaited."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import subprocess
import sys

import pytest

from live_server import LiveServer
from loki_mode_sdk import AsyncLokiClient, AuthenticationError, ConfigError, ConflictError, LokiClient, NotFoundError
from servers import ControlPlane

PATIENCE = 60


@pytest.fixture(scope="module")
def plane():
    with ControlPlane("guide", "--session-speed", "5") as plane:
        yield plane


@pytest.fixture
def session(plane):
    """One that plays while the test runs: events come."""
    with LokiClient(plane.base_url, plane.TOKEN) as client:
        started = client.start_session(provider="claude", prd_path="./docs/prd.md")
        yield started
        # It may have come to its end.
        with contextlib.suppress(ConflictError):
            client.stop_session(started.session_id)


@pytest.fixture
def live():
    with LiveServer() as server:
        yield server


def run(loops, main):
    return loops.run(asyncio.wait_for(main(), PATIENCE))


def test_a_session_from_start_to_stop(plane, loops):
    async def main():
        async with AsyncLokiClient(plane.base_url, plane.TOKEN) as client:
            assert await client.live() is not None
            assert (await client.health()).status == "healthy"
            created, types = asyncio.Event(), []

            def note(event):
                types.append(event.type)
                if event.type == "task:created":
                    created.set()

            unsubscribe = client.subscribe(note)
            started = await client.start_session(provider="claude", prd_path="./docs/prd.md")
            status = await client.get_session(started.session_id)
            assert (status.session.id, status.session.prd_path) == (started.session_id, "./docs/prd.md")
            await created.wait()
            assert started.session_id in [each.id for each in (await client.list_sessions()).sessions]
            await client.stop_session(started.session_id)
            unsubscribe()
            count = len(types)
            unsubscribe()
            await asyncio.sleep(0.2)
            assert len(types) == count
            with LokiClient(plane.base_url, plane.TOKEN) as plain:
                assert await client.get_session(started.session_id) == plain.get_session(started.session_id)
            assert (await client.get_event_history(limit=5)).count >= 1
            with pytest.raises(NotFoundError) as caught:
                await client.get_session("nobody")
            assert caught.value.code == "SESSION_NOT_FOUND"
        with pytest.raises(ConfigError, match="closed"):
            await client.live()

    run(loops, main)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_events_come_in_order_one_at_a_time_and_in_the_context_of_who_subscribed(plane, session, loops, kind):
    tenant = contextvars.ContextVar("tenant", default="nobody")
    seen, at_work, tenants = [], set(), set()

    async def later(event):
        assert not at_work
        at_work.add(event.id)
        await asyncio.sleep(0.01)
        at_work.remove(event.id)
        note(event)

    def note(event):
        tenants.add(tenant.get())
        seen.append(event)

    async def main():
        async with AsyncLokiClient(plane.base_url, plane.TOKEN) as client:
            tenant.set("mine")
            client.subscribe(note if kind == "plain" else later, history=100)
            tenant.set("another")
            while len(seen) < 8:
                await asyncio.sleep(0.01)
            history = [event.id for event in (await client.get_event_history(limit=1000)).events]
            order = [history.index(event.id) for event in seen if event.id in history]
            assert order == sorted(set(order))
            assert len(order) >= 5

    run(loops, main)
    assert tenants == {"mine"}


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_what_a_callback_raises_is_logged_and_ends_nothing(plane, session, loops, caplog, kind):
    told = []

    def fail(event):
        told.append(event)
        raise RuntimeError("the callback's own")

    async def fail_later(event):
        await asyncio.sleep(0)
        fail(event)

    async def main():
        async with AsyncLokiClient(plane.base_url, plane.TOKEN) as client:
            client.subscribe(fail if kind == "plain" else fail_later, history=100)
            while len(told) < 2:
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.ERROR, logger="loki_mode_sdk"):
        run(loops, main)
    assert caplog.text.count("the callback's own") >= 2


def test_a_callback_can_end_its_own_subscription(live, loops):
    calls, done = [], []

    async def main():
        async with AsyncLokiClient(live.base_url) as client:

            async def once(event):
                calls.append(event)
                unsubscribe()
                # It is not taken away from under itself.
                await asyncio.sleep(0.05)
                done.append(event)

            unsubscribe = client.subscribe(once)
            while not done:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(live.left.acquire, timeout=PATIENCE)

    run(loops, main)
    assert len(calls) == len(done) == 1


@pytest.mark.parametrize("way", ["unsubscribe", "aclose", "close", "task"])
def test_the_connection_ends_with_the_subscription(live, loops, way):
    async def main():
        client = AsyncLokiClient(live.base_url)
        seen, others = asyncio.Event(), asyncio.all_tasks()
        unsubscribe = client.subscribe(lambda event: seen.set())
        await seen.wait()
        tasks = asyncio.all_tasks() - others
        if way == "unsubscribe":
            unsubscribe()
        elif way == "aclose":
            await client.aclose()
        elif way == "close":
            client.close()
        else:
            # As `asyncio.run` does it at its end.
            for task in tasks:
                task.cancel()
        assert await asyncio.to_thread(live.left.acquire, timeout=PATIENCE)
        await asyncio.wait(tasks)
        await client.aclose()

    run(loops, main)


@pytest.mark.parametrize("way", ["aclose", "close", "with", "callback"])
def test_closing_waits_for_a_callback_that_is_awaited(live, loops, way):
    state = []

    async def main():
        begun = asyncio.Event()

        async def slow(event):
            state.append("begun")
            begun.set()
            if way == "callback":
                # It does not wait for itself.
                await client.aclose()
            await asyncio.sleep(0.1)
            state.append("done")

        async with AsyncLokiClient(live.base_url) as client:
            client.subscribe(slow)
            await begun.wait()
            if way == "aclose":
                await client.aclose()
            elif way == "close":
                await client.close()
            assert state == (["begun"] if way in ("with", "callback") else ["begun", "done"])
        assert state == ["begun", "done"]

    run(loops, main)


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_errors_of_a_subscription_are_told(plane, loops, kind):
    told = []

    async def later(error):
        await asyncio.sleep(0)
        told.append(error)

    async def main():
        async with AsyncLokiClient(plane.base_url, "loki_wrong") as client:
            client.subscribe(lambda event: None, on_error=told.append if kind == "plain" else later)
            while not told:
                await asyncio.sleep(0.01)

    run(loops, main)
    assert isinstance(told[0], AuthenticationError)


def test_errors_that_nobody_wants_are_logged(plane, loops, caplog):
    async def main():
        async with AsyncLokiClient(plane.base_url, "loki_wrong") as client:
            client.subscribe(print)
            while "a subscription to live events" not in caplog.text:
                await asyncio.sleep(0.01)

    run(loops, main)


def test_a_callback_has_to_be_one_and_there_has_to_be_a_loop(plane, loops):
    client = AsyncLokiClient(plane.base_url)

    async def main():
        with pytest.raises(TypeError, match="callback must be a function, not str"):
            client.subscribe("print")
        with pytest.raises(TypeError, match="on_error must be a function, not str"):
            client.subscribe(print, on_error="print")

    run(loops, main)
    with pytest.raises(RuntimeError, match="no running event loop"):
        client.subscribe(print)
    client.close()


LEFT_OPEN = """
import asyncio, sys
from loki_mode_sdk import AsyncLokiClient
async def main():
    seen = asyncio.Event()
    client = AsyncLokiClient(sys.argv[1])
    client.subscribe(lambda event: seen.set())
    if sys.argv[2] == "dropped":
        del client
    await seen.wait()
asyncio.run(main())
print("leaving")
"""


@pytest.mark.parametrize("client", ["kept", "dropped"])
def test_the_interpreter_ends_with_a_subscription_open(live, client):
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", LEFT_OPEN, live.base_url, client]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("leaving\n", "", 0)
