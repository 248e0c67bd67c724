"""Tokens for the client for asyncio, also from functions: plain ones and coroutines."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from async_support import until
from loki_mode_sdk import APITimeoutError, AsyncEventStream, AuthenticationError, ConfigError, TokenAuth

REFUSED = {"status": 401, "json": {"detail": "no"}}


def sent(fault_server, name="authorization"):
    return [request["headers"].get(name) for request in fault_server.recorded()["requests"]]


def plain(function):
    return function


def coroutine(function):
    async def provider():
        await asyncio.sleep(0.01)
        return function()

    return provider


@pytest.fixture(params=[plain, coroutine])
def kind(request):
    """Makes a provider of one kind or the other from a function."""
    return request.param


def test_the_provider_is_asked_before_each_attempt(async_client_of, fault_server, loops, kind):
    tokens = iter(["one", "two", "three"])
    replies = [{"status": 503, "json": {}}, {"json": {}, "repeat": 2}]
    client = async_client_of(*replies, token=kind(lambda: next(tokens)), path_style="guide")

    async def main():
        await client.get_status()
        await client.get_status()

    loops.run(main())
    assert sent(fault_server) == ["Bearer one", "Bearer two", "Bearer three"]


def test_a_401_asks_the_provider_once_more(async_client_of, fault_server, loops, kind):
    tokens = iter(["old", "new", "a", "b", "c"])
    client = async_client_of(REFUSED, {"json": {}}, REFUSED, REFUSED, token=kind(lambda: next(tokens)))

    async def main():
        await client.get_status()
        with pytest.raises(AuthenticationError) as caught:
            await client.get_status()
        assert caught.value.attempts == 2

    loops.run(main())
    assert sent(fault_server) == ["Bearer old", "Bearer new", "Bearer a", "Bearer b"]


def test_the_provider_runs_on_the_loop_in_the_context_of_the_caller(async_client_of, loops, kind):
    tenant = contextvars.ContextVar("tenant", default="none")
    seen = []

    def token():
        seen.append((tenant.get(), threading.current_thread()))
        return "x"

    client = async_client_of({"json": {}, "repeat": 2}, token=kind(token))

    async def call(name):
        tenant.set(name)
        await client.get_status()

    async def main():
        await asyncio.gather(call("a"), call("b"))

    loops.run(main())
    assert sorted(seen, key=lambda item: item[0]) == [
        ("a", threading.current_thread()),
        ("b", threading.current_thread()),
    ]


class Vault(Exception):
    """A token that cannot be had."""


@pytest.mark.parametrize("error", [Vault("sealed"), asyncio.TimeoutError("of the vault"), StopAsyncIteration()])
def test_what_the_provider_raises_comes_as_it_is(async_client_of, fault_server, loops, kind, error):
    def token():
        raise error

    client = async_client_of(token=kind(token))

    async def main():
        with pytest.raises(type(error)) as caught:
            await client.get_status()
        assert caught.value is error
        assert "token" in [entry.name for entry in caught.traceback]

    loops.run(main())
    assert fault_server.recorded()["requests"] == []


@pytest.mark.parametrize("value", [None, b"bytes", 5])
def test_a_provider_has_to_return_text(async_client_of, loops, kind, value):
    client = async_client_of(token=kind(lambda: value))

    async def main():
        with pytest.raises(TypeError, match="what the token provider returns must be str, not "):
            await client.get_status()

    loops.run(main())


def test_a_provider_cannot_break_the_header(async_client_of, fault_server, loops, kind):
    client = async_client_of(token=kind(lambda: "canary\nx-injected: 1"))

    async def main():
        with pytest.raises(ConfigError, match="line break") as caught:
            await client.get_status()
        assert "canary" not in str(caught.value)

    loops.run(main())
    assert fault_server.recorded()["requests"] == []


def test_a_provider_may_use_the_client_it_belongs_to(async_client_of, fault_server, loops):
    async def provider():
        client.set_token("fetched")
        # A call of its own, with the token just set.
        await client.get_status()
        return "first"

    client = async_client_of({"json": {}, "repeat": 3}, token=provider)

    async def main():
        await client.get_status()
        await client.get_status()

    loops.run(main())
    assert sent(fault_server) == ["Bearer fetched", "Bearer first", "Bearer fetched"]


def test_a_slow_provider_ends_with_the_timeout_of_the_call(async_client_of, fault_server, loops):
    ended = []

    async def provider():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    client = async_client_of({"json": {}}, token=provider)

    async def main():
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match="token provider") as caught:
            await client.get_status(timeout=0.2)
        assert 0.19 < time.monotonic() - began < 5
        assert (caught.value.maybe_executed, caught.value.attempts) == (False, 0)
        client.set_token("x")
        await client.get_status()

    loops.run(main())
    assert ended == [True]
    assert sent(fault_server) == ["Bearer x"]


def test_cancelling_while_the_provider_waits_ends_both(async_client_of, fault_server, loops):
    state = []

    async def provider():
        state.append("waits")
        try:
            await asyncio.sleep(60)
        finally:
            state.append("ended")

    client = async_client_of({"json": {}}, token=provider, max_connections=1)

    async def main():
        task = asyncio.ensure_future(client.get_status())
        await until(lambda: state)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert state == ["waits", "ended"]
        client.set_token("x")
        await client.get_status(timeout=20)

    loops.run(main())
    assert sent(fault_server) == ["Bearer x"]


def test_set_token_counts_for_calls_under_way(async_client_of, fault_server, loops):
    client = async_client_of(
        {"status": 503, "json": {}, "headers": {"retry-after": "1"}}, {"json": {}, "repeat": 4}, token="old"
    )

    async def main():
        call = asyncio.ensure_future(client.get_status())
        await until(lambda: sent(fault_server))
        client.set_token(coroutine(lambda: "new"))
        await call
        for token in ("b", TokenAuth("c"), lambda: "d"):
            client.set_token(token)
            await client.get_status()

    loops.run(main())
    assert sent(fault_server) == ["Bearer old", "Bearer new", "Bearer b", "Bearer c", "Bearer d"]


# ---- streams, which have no time of their own ----------------------------------------------------------------------

STREAMS = {
    "events": lambda client: client.events(),
    "watch": lambda client: client.watch(),
    "follow": lambda client: AsyncEventStream(client).follow(7),
    "pages": lambda client: client.iter_runs(),
}


@pytest.fixture(params=STREAMS.values(), ids=STREAMS)
def stream_of(request):
    return request.param


def test_a_stream_waits_for_a_token_as_long_as_a_call_does(async_client_of, fault_server, loops, stream_of):
    ended = []

    async def provider():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    client = async_client_of(token=provider, timeout=0.3)

    async def main():
        stream = stream_of(client)
        # The second time, it asks again.
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(APITimeoutError, match="token provider") as caught:
                await stream.__anext__()
            assert 0.29 < time.monotonic() - began < 5
            assert caught.value.maybe_executed is False
        await stream.aclose()

    loops.run(main())
    assert ended == [True, True]
    assert fault_server.recorded()["requests"] == []


def test_cancelling_a_stream_that_waits_for_a_token_ends_both(async_client_of, loops, stream_of):
    state = []

    async def provider():
        state.append("waits")
        try:
            await asyncio.sleep(60)
        finally:
            state.append("ended")

    client = async_client_of(token=provider)

    async def main():
        stream = stream_of(client)
        for _ in range(2):
            task = asyncio.ensure_future(stream.__anext__())
            await until(lambda: state and state[-1] == "waits")
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 1
            assert state[-1] == "ended"
        await stream.aclose()

    loops.run(main())
    assert state == ["waits", "ended"] * 2


def test_what_a_provider_raises_ends_the_step_of_a_stream_and_not_the_stream(async_client_of, loops, kind, stream_of):
    error = Vault("sealed")

    def token():
        raise error

    client = async_client_of(token=kind(token))

    async def main():
        stream = stream_of(client)
        for _ in range(2):
            with pytest.raises(Vault) as caught:
                await stream.__anext__()
            assert caught.value is error
        await stream.aclose()

    loops.run(main())


def test_a_wrong_timeout_and_a_closed_client_are_told_without_sending(async_client_of, fault_server, loops, kind):
    client = async_client_of(token=kind(lambda: "x"))

    async def main():
        with pytest.raises(ConfigError, match="timeout"):
            await client.get_status(timeout=0)
        await client.aclose()
        with pytest.raises(ConfigError, match="closed"):
            await client.get_status()

    loops.run(main())
    assert fault_server.recorded()["requests"] == []
