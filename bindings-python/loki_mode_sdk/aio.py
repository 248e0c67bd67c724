"""The client for asyncio. Imported when first used: `asyncio` takes longer to import than all of this package."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from typing import TYPE_CHECKING

from loki_mode_sdk.aio_helpers import AsyncHelpers
from loki_mode_sdk.aio_streams import AsyncLiveOperations
from loki_mode_sdk.client import BaseClient
from loki_mode_sdk.generated.aio_client import AsyncOperations
from loki_mode_sdk.generated.aio_managers import AsyncSessionManager, AsyncTaskManager
from loki_mode_sdk.raw import Headers, RawResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Generator, Mapping
    from types import TracebackType
    from typing import Any, Callable, TypeVar, Union

    from loki_mode_sdk import _native
    from loki_mode_sdk.client import TokenAuth
    from loki_mode_sdk.generated.aio_raw import AsyncRawOperations

    Token = Union[str, TokenAuth, Callable[[], str], Callable[[], Awaitable[str]], None]
    Entered = TypeVar("Entered", bound="AsyncBaseClient")

__all__ = ["AsyncAutonomiClient", "AsyncClient", "AsyncSessionManager", "AsyncTaskManager"]


class AsyncBaseClient(BaseClient["Token"]):
    """What the clients for asyncio have in common: how they end."""

    async def aclose(self) -> None:
        """Ends idle connections and streams; every later call fails."""
        self._native.close()

    def close(self) -> Awaitable[None]:
        """Does what `aclose` does, at once; what it returns can be awaited, but need not be."""
        self._native.close()
        return _Done()

    async def __aenter__(self: Entered) -> Entered:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class AsyncCalls(AsyncHelpers):
    """The operations, each as a coroutine, and what is made of several of them."""

    _native: _native.Client

    def _call(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> Coroutine[Any, Any, Any]:
        return outcome(self._native.begin(operation, arguments, timeout, max_retries, headers, False))


class AsyncAutonomiClient(AsyncBaseClient, AsyncCalls, AsyncLiveOperations):
    """A client of one control plane, for asyncio: each operation is a coroutine.

    It can be used from several event loops, one after the other or in several threads at once,
    and in a child after a fork. Cancelling a task ends its call. `aclose`, or leaving an
    `async with` block, ends the connections.

    The logger `loki_mode_sdk` gets a DEBUG line for each attempt, without query, headers and body.
    `LOKI_LOG=debug` in the environment writes these lines to stderr.

    What it is called with is explained at `__init__`.
    """

    _native: _native.Client

    @property
    def raw(self) -> AsyncRawOperations:
        """The operations, returning a `RawResponse`: status, headers and attempts beside the data."""
        from loki_mode_sdk.generated.aio_raw import AsyncRawOperations

        return AsyncRawOperations(self._native)


class _Done:
    """Can be awaited, and is done."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class AsyncRawCalls(AsyncOperations):
    """The operations with whole answers, but for their types."""

    def __init__(self, native: _native.Client) -> None:
        self._native = native

    async def _call(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> RawResponse[Any]:
        call = self._native.begin(operation, arguments, timeout, max_retries, headers, True)
        data, status, pairs, attempts = await outcome(call)
        return RawResponse(data, status, Headers(pairs), attempts)


async def outcome(call: _native.Call) -> Any:
    """Awaits a call that the native module has begun; whatever ends this coroutine early, ends the call."""
    timer = None
    try:
        if (first := call.first) is not None:
            await _start(call, first)
        if call.waits:
            timer = asyncio.get_running_loop().call_later(call.left, call.expire)
        await call.future()
        while (provider := call.provider) is not None:
            await _provide(call, provider)
        if call.is_large:
            return await asyncio.to_thread(call.result)
    except BaseException:
        call.cancel()
        raise
    finally:
        if timer is not None:
            timer.cancel()
    return call.result()


async def _start(call: _native.Call, provider: Callable[[], Any]) -> None:
    """Has a thread begin a call, once there is the token for it."""
    left = call.left
    began = time.monotonic()
    try:
        token = await _given(provider, left)
    except Exception:
        if time.monotonic() - began < left:
            raise
        # If the time is up, the error is the call's own.
        token = None
    call.start(token)


async def _provide(call: _native.Call, provider: Callable[[], Any]) -> None:
    """Gives a call the token that its thread waits for."""
    left = call.left
    began = time.monotonic()
    try:
        future = call.answer(await _given(provider, left))
    except Exception as error:
        future = call.refuse(error) if time.monotonic() - began < left else call.give_up()
    await future


async def _given(provider: Callable[[], Any], left: float) -> Any:
    """Asks for a token, in the task and the context of the caller."""
    token: Any = provider()
    kind: type[object] = type(token)
    if not isinstance(token, str) and hasattr(kind, "__await__"):
        # A little longer than there is time, as timers may be early: the call is to be late first.
        token = await asyncio.wait_for(token, left + 0.01)
    return token


def listen(loop: asyncio.AbstractEventLoop, reader: _native.Reader) -> None:
    """Stands in for `loop.add_reader` where a loop has none, as the default one of Windows: a thread waits."""
    thread = threading.Thread(target=_listen, args=(weakref.ref(loop), reader), name="loki-mode-listener", daemon=True)
    thread.start()


def _listen(reference: weakref.ref[asyncio.AbstractEventLoop], reader: _native.Reader) -> None:
    while True:
        # Now and then it looks whether the loop is still there.
        arrived = reader.wait(0.5)
        loop = reference()
        if loop is None or loop.is_closed():
            return
        if arrived:
            try:
                loop.call_soon_threadsafe(reader)
            except RuntimeError:
                # Closed just now.
                return
        del loop


AsyncClient = AsyncAutonomiClient
