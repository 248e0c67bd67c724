"""The client of the HTTP/SSE API for asyncio: what `loki_client` is without it. Imported when first used."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from typing import TYPE_CHECKING

from loki_mode_sdk.aio import AsyncBaseClient, AsyncCalls
from loki_mode_sdk.aio_streams import AsyncLiveOperations
from loki_mode_sdk.errors import ConfigError
from loki_mode_sdk.generated.aio_loki import AsyncLokiOperations
from loki_mode_sdk.loki_client import check_functions, log_error, log_failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator, Iterable, Mapping
    from typing import Any, Callable

    from loki_mode_sdk.aio_streams import AsyncLiveEventStream
    from loki_mode_sdk.generated.live import LiveEventType
    from loki_mode_sdk.generated.models import LiveEvent

__all__ = ["AsyncLokiClient"]


class AsyncLokiClient(AsyncBaseClient, AsyncLokiOperations, AsyncLiveOperations):
    """A client of the HTTP/SSE API for asyncio: each operation is a coroutine.

    `aclose`, or leaving an `async with` block, ends subscriptions and connections.

    What it is called with is explained at `__init__`.
    """

    def _made(self) -> None:
        self._client = AsyncCalls()
        self._client._native = self._native
        self._subscriptions: list[_Subscription] = []

    def subscribe(
        self,
        callback: Callable[[LiveEvent], object],
        *,
        session_id: int | str | None = None,
        types: Iterable[LiveEventType | str] | None = None,
        min_level: str | None = None,
        history: int | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> Callable[[], None]:
        """Calls a function, which may be an `async def`, for each live event, in order, in a task of its own.

        The task belongs to the running event loop and ends with it at the latest; it has the
        context of the caller. What is lost is connected again; see `LiveEventStream` for what that
        means. What the function raises goes to the logger `loki_mode_sdk` and does not end the
        subscription.

        Endpoint: `GET /api/events`.

        Args:
            callback: The function. Events wait for it, and for what it returns if that can be
                awaited: one that is slow gets all of them, later.
            session_id: Only events of this session. Default: of all.
            types: Only events of these types, for example `["task:completed", "task:failed"]`; a
                dot does instead of the colon. Default: all.
            min_level: Only lines of the log of this level or above: `debug`, `info`, `warn` or
                `error`. Default: all.
            history: How many of the latest events to begin with; servers remember 1000. Default:
                none.
            timeout: Seconds that the subscription may last; then `on_error` gets an
                `APITimeoutError`, and it ends. Default, and for `math.inf`: without end.
            max_retries: How many failures in a row to connect are waited out before `on_error`
                hears of one. Default: as many as come, once there was a connection.
            headers: Headers to send with each request, beside the client's.
            on_error: Is called, in that task, with errors of the subscription itself, for example
                an `AuthenticationError`; it may be an `async def`, too. After each it goes on, with
                longer and longer pauses. Default: they go to the logger `loki_mode_sdk`.

        Returns:
            A function that ends the subscription: the callback is not called again. One that is
            being awaited goes on to its end. Calling it again does nothing; the callback itself
            may call it.

        Raises:
            ConfigError: An argument cannot be sent.
            TypeError: An argument has the wrong type.
            RuntimeError: No event loop is running.
        """
        check_functions(callback, on_error)
        loop = asyncio.get_running_loop()
        stream = self.events(
            session_id=session_id,
            types=types,
            min_level=min_level,
            history=history,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )
        deadline = math.inf if timeout is None else time.monotonic() + float(timeout)
        subscription = _Subscription(stream, callback, on_error or log_error, deadline)
        self._subscriptions = [known for known in self._subscriptions if not known.task.done()]
        self._subscriptions.append(subscription)
        subscription.task = loop.create_task(subscription.run())
        return subscription.end

    async def aclose(self) -> None:
        """Ends all subscriptions and idle connections; every later call fails.

        It waits for callbacks that are being awaited, unless one of them calls it.
        """
        await self.close()

    def close(self) -> Awaitable[None]:
        """Does what `aclose` does; to wait for callbacks, await what it returns, which need not be."""
        for subscription in self._subscriptions:
            subscription.end()
        super().close()
        return _Ending([subscription.task for subscription in self._subscriptions])


class _Ending:
    """Can be awaited until these tasks have ended, as far as they are of the running loop."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: list[asyncio.Task[None]]) -> None:
        self._tasks = tasks

    def __await__(self) -> Generator[Any, Any, None]:
        loop = asyncio.get_running_loop()
        here = [task for task in self._tasks if task.get_loop() is loop]
        # A callback that waited for itself, or for one that waits for it, would wait for ever.
        if here and asyncio.current_task() not in here:
            yield from asyncio.wait(here).__await__()


class _Subscription:
    """Calls a function for each event of a stream."""

    task: asyncio.Task[None]

    def __init__(
        self,
        stream: AsyncLiveEventStream,
        callback: Callable[[LiveEvent], object],
        on_error: Callable[[Exception], object],
        deadline: float,
    ) -> None:
        self._stream, self._callback, self._on_error, self._deadline = stream, callback, on_error, deadline

    async def run(self) -> None:
        async with self._stream as stream:
            while not stream.closed:
                try:
                    event = await stream.__anext__()
                except StopAsyncIteration:
                    return
                except ConfigError as error:
                    # Nothing that time could heal: for example, the client was closed.
                    if not stream.closed:
                        await self._call(self._on_error, error)
                    return
                except Exception as error:
                    await self._call(self._on_error, error)
                    if time.monotonic() >= self._deadline:
                        return
                else:
                    # It may have been ended when the event was there, but not this task's turn.
                    if not stream.closed:
                        await self._call(self._callback, event)

    async def _call(self, function: Callable[[Any], object], argument: object) -> None:
        try:
            returned = function(argument)
            if inspect.isawaitable(returned):
                await returned
        except Exception:
            log_failure(function)

    def end(self) -> None:
        """Ends it: the wait of the task as well."""
        self._stream.close()


# Tracebacks and `help()` name the class by the path that users import.
AsyncLokiClient.__module__ = "loki_mode_sdk"
