"""Events for asyncio: what `events`, `streams` and `live` are without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from loki_mode_sdk import _native
from loki_mode_sdk.errors import ConfigError
from loki_mode_sdk.generated.models import DashboardMessage, LiveEvent, RunEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import date
    from types import TracebackType
    from typing import Any, Callable

    from loki_mode_sdk.aio import AsyncAutonomiClient
    from loki_mode_sdk.generated.known import LogLevel, RunStatus
    from loki_mode_sdk.generated.live import LiveEventType

    Self = TypeVar("Self", bound="AsyncStream[Any]")

__all__ = [
    "AsyncDashboardStream",
    "AsyncEventStream",
    "AsyncLiveEventStream",
    "AsyncPager",
    "AsyncRunFollower",
]

Event = TypeVar("Event")


class AsyncStream(Generic[Event]):
    """What all asynchronous iterators of events have in common.

    It belongs to no event loop. An error leaves the iterator as it was: asking again goes on where
    it stands. So does a cancellation, for example by `asyncio.wait_for`: the wait ends at once,
    and an event that has come just then is given to whoever asks next. A request under way is ended
    with it; the connection of a live stream stays.

    It is closed by `aclose` or `close`, by leaving an `async with` block, and when nothing refers
    to it any more.
    """

    def __init__(self, client: _native.Client, source: str, **options: object) -> None:
        self._native = _native.Stream(client, source, **options)
        self._is_awaited = False

    def __aiter__(self: Self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while (event := self._native._at_hand()) is None:
            # Not above: that module is made from this one.
            from loki_mode_sdk.aio import outcome

            if self._is_awaited:
                raise ConfigError("another task is waiting for the next event of this stream", param="stream")
            self._is_awaited = True
            try:
                goes_on = await outcome(self._native._begin())
            finally:
                self._is_awaited = False
            if not goes_on:
                raise StopAsyncIteration
        given: Event = event
        return given

    async def aclose(self) -> None:
        """Ends the iteration, also one that is awaited by another task; the second time, does nothing."""
        self._native._close()

    def close(self) -> None:
        """Does what `aclose` does."""
        self._native._close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native._closed

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._native._close()


class AsyncRunFollower(AsyncStream[RunEvent]):
    """An asynchronous iterator of the events of one run or of many; see `RunFollower`.

    Made by `AsyncEventStream.follow` and `follow_many`.
    """

    @property
    def cursor(self) -> str:
        """Where to go on after the event that was given last; see `RunFollower.cursor`."""
        return self._native._cursor

    @property
    def status(self) -> str | None:
        """The last known state of the run; None before it was asked for, and where many are followed."""
        return self._native._status_of()

    def status_of(self, run_id: int | str) -> str | None:
        """Returns the last known state of one of the runs that are followed, if there is one."""
        return self._native._status_of(run_id)


class AsyncLiveEventStream(AsyncStream[LiveEvent]):
    """An asynchronous iterator of live events, made by `events` of a client; see `LiveEventStream`."""


class AsyncDashboardStream(AsyncStream[DashboardMessage]):
    """An asynchronous iterator of the dashboard's messages, made by `watch` of a client; see `DashboardStream`."""


class AsyncPager(AsyncStream[Event]):
    """An asynchronous iterator of the items of a list, page by page; see `Pager`.

    Made by the `iter_...` methods of a client.
    """

    async def pages(self) -> AsyncIterator[list[Event]]:
        """Returns an asynchronous iterator of lists, one for each page, none of which is empty.

        What was given by the pager itself is not in them.
        """
        async for first in self:
            page = [first]
            while (item := self._native._at_hand()) is not None:
                page.append(item)
            yield page


class AsyncEventStream:
    """New events of runs, each given out once; see `EventStream`.

    Args:
        client: The client to call; it can be shared with others.
    """

    def __init__(self, client: AsyncAutonomiClient) -> None:
        self._client = client._native
        self._native = _native.EventStream(client._native)

    async def poll_events(
        self,
        run_id: int | str,
        since: str | date | None = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[RunEvent]:
        """Returns the events of a run that this stream has not returned yet, oldest first.

        What it takes and raises is the same as for `EventStream.poll_events`. If it is cancelled,
        the events that have come just then are returned by the next call for that run.
        """
        from loki_mode_sdk.aio import outcome

        await outcome(self._native.begin_poll(run_id, since, timeout, max_retries, headers))
        return self._native.take(run_id)

    def follow(
        self,
        run_id: int | str,
        *,
        since: str | date | None = None,
        cursor: str | None = None,
        poll_interval: float = 2.0,
        until: RunStatus | str | Iterable[RunStatus | str] | Callable[[RunEvent], object] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncRunFollower:
        """Follows a run: returns an asynchronous iterator that waits for its events.

        What it takes, gives and raises is the same as for `EventStream.follow`; a function for
        `until` is called on the event loop, and is a plain one.
        """
        return AsyncRunFollower(
            self._client,
            "follow",
            run_id=run_id,
            since=since,
            cursor=cursor,
            poll_interval=poll_interval,
            until=until,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )

    def follow_many(
        self,
        run_ids: Iterable[int | str] = (),
        *,
        project_id: int | str | None = None,
        since: str | date | None = None,
        cursor: str | None = None,
        poll_interval: float = 2.0,
        until: RunStatus | str | Iterable[RunStatus | str] | Callable[[RunEvent], object] | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncRunFollower:
        """Follows many runs: returns an asynchronous iterator that waits for the events of all.

        What it takes, gives and raises is the same as for `EventStream.follow_many`.
        """
        return AsyncRunFollower(
            self._client,
            "follow_many",
            run_ids=run_ids,
            project_id=project_id,
            since=since,
            cursor=cursor,
            poll_interval=poll_interval,
            until=until,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )


class AsyncLiveOperations:
    """What keeps a connection open and gives one thing after the other, for asyncio."""

    _native: _native.Client

    def events(
        self,
        session_id: int | str | None = None,
        types: Iterable[LiveEventType | str] | None = None,
        min_level: LogLevel | str | None = None,
        history: int | None = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncLiveEventStream:
        """Returns an asynchronous iterator of live events, as they happen, each exactly once.

        What it takes, gives and raises is the same as for `AutonomiClient.events`.
        """
        return AsyncLiveEventStream(
            self._native,
            "events",
            session_id=session_id,
            types=types,
            min_level=min_level,
            history=history,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )

    def watch(
        self,
        subscribe: Any = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncDashboardStream:
        """Returns an asynchronous iterator of the dashboard's messages.

        What it takes, gives and raises is the same as for `AutonomiClient.watch`.
        """
        return AsyncDashboardStream(
            self._native,
            "watch",
            subscribe=subscribe,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )


for _class in (
    AsyncStream,
    AsyncRunFollower,
    AsyncLiveEventStream,
    AsyncDashboardStream,
    AsyncPager,
    AsyncEventStream,
):
    # Tracebacks and `help()` name classes by the path that users import.
    _class.__module__ = "loki_mode_sdk"
del _class
