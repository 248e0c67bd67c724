"""Iterators of events. Imported when first used."""

from __future__ import annotations

from loki_mode_sdk import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Generic, NoReturn, TypeVar

    from loki_mode_sdk.generated.models import DashboardMessage, LiveEvent, RunEvent

    Self = TypeVar("Self", bound="Stream")
    Item = TypeVar("Item")

    class _OfItems(Generic[Item]):
        pass

else:
    Item = None

    class _OfItems:
        """What `typing.Generic` is to type checkers."""

        def __class_getitem__(cls, item):
            return cls


__all__ = ["DashboardStream", "LiveEventStream", "Pager", "RunFollower", "Stream"]


class Stream(_native.Stream):
    """What all iterators of events have in common.

    The next event is waited for on the thread that asks for it; there is no other. An error leaves
    the iterator as it was: asking again goes on where it stands. It belongs to the process that
    made it.

    It is closed by `close`, by leaving a `with` block, and when nothing refers to it any more.
    """

    def close(self) -> None:
        """Ends the iteration, also one that waits in another thread; the second time, does nothing."""
        self._close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied: it holds a connection. Hand on what it was made "
            "from, and make one where it is used."
        )


class RunFollower(Stream):
    """An iterator of the events of one run or of many, made by `EventStream.follow` and `follow_many`.

    It gives each event exactly once, in the order of its run, and ends when the runs have ended and
    all of their events were given. While the server cannot be reached, is overloaded or restarts, it
    waits and tries again.

    Raises:
        NotFoundError: There is no such run, also after a while (404).
        AuthenticationError: The token is missing or not valid (401).
        PermissionDeniedError: The token lacks the scope for this (403).
        APITimeoutError: `timeout` is over; or the server did not answer at all, before the first
            answer.
        APIConnectionError: The server cannot be reached, before the first answer.
        DecodeError: An event is not what it should be; it is left out when asked again.
        ConfigError: Another thread is waiting for the next event; the client is closed; or this is
            the child of a fork, and the iterator belongs to the parent.
        AutonomiError: Anything else; see the subclasses.
    """

    if TYPE_CHECKING:

        def __next__(self) -> RunEvent: ...

    @property
    def cursor(self) -> str:
        """Where to go on after the event that was given last, for `cursor` of a later call.

        It is plain ASCII without spaces, holds no secret, and is good for any time, process and
        machine. Keep it once an event was dealt with: whoever goes on from it gets the next one.
        """
        return self._cursor

    @property
    def status(self) -> str | None:
        """The last known state of the run; None before it was asked for, and where many are followed."""
        return self._status_of()

    def status_of(self, run_id: int | str) -> str | None:
        """Returns the last known state of one of the runs that are followed, if there is one."""
        return self._status_of(run_id)


class LiveEventStream(Stream):
    """An iterator of live events, made by `events` of a client. It does not end by itself.

    When the connection is lost, or silent for too long, it connects again and asks for what was
    missed; it gives no event twice. Where something may be missing for good, it gives an event of
    type `gap`, without an id, whose `data` holds the `reason` (`server_restarted` or
    `history_too_short`) and the `lastEventId` before it.

    Raises:
        AuthenticationError: The token is missing or not valid (401).
        PermissionDeniedError: The token lacks the scope for this (403).
        NotAvailableError: This server has no live events; dashboards do not.
        APIConnectionError: The server cannot be reached, before the first connection.
        DecodeError: An event is not what it should be; it is left out when asked again.
        ConfigError: Another thread is waiting for the next event; the client is closed; or this is
            the child of a fork, and the iterator belongs to the parent.
        AutonomiError: Anything else; see the subclasses.
    """

    if TYPE_CHECKING:

        def __next__(self) -> LiveEvent: ...


class DashboardStream(Stream):
    """An iterator of the dashboard's messages, made by `watch` of a client. It does not end by itself.

    When the connection is lost, it connects again, at most once a second. There is no history: a
    message of type `gap` says that others may be missing, and it is time to ask for the state.

    Raises:
        PermissionDeniedError: The server refused the connection (401, 403), whatever the reason.
        NotAvailableError: This server has no WebSocket.
        APIConnectionError: The server cannot be reached, before the first connection.
        DecodeError: A message is not what it should be; it is left out when asked again.
        ConfigError: Another thread is waiting for the next message; the client is closed; or this
            is the child of a fork, and the iterator belongs to the parent.
        AutonomiError: Anything else; see the subclasses.
    """

    if TYPE_CHECKING:

        def __next__(self) -> DashboardMessage: ...


class Pager(Stream, _OfItems[Item]):
    """An iterator of the items of a list, page by page, made by the `iter_...` methods of a client.

    What is added to the list or removed from it meanwhile neither repeats other items nor hides
    them. Items without an `id`, those of the audit log, are recognised by their contents and their
    order. It belongs to the process that made it.

    Raises:
        NotAvailableError: This server gives only the beginning of the list, whatever it is asked
            for; or it does not offer the list.
        AuthenticationError: The token is missing or not valid (401).
        PermissionDeniedError: The token lacks the scope for this (403).
        ValidationError: The server refused an argument (400, 422).
        APITimeoutError: The call for a page took longer than its timeout.
        APIConnectionError: The server cannot be reached, or the connection was lost.
        DecodeError: The answer is not what the list is of.
        ConfigError: Another thread is waiting for the next page; the client is closed; or this is the
            child of a fork, and the iterator belongs to the parent.
        AutonomiError: Anything else; see the subclasses. After an error, asking again goes on where
            it stood.
    """

    if TYPE_CHECKING:

        def __next__(self) -> Item: ...

    def pages(self) -> Iterator[list[Item]]:
        """Returns an iterator of lists, one for each page, none of which is empty.

        What was given by the pager itself is not in them.
        """
        for first in self:
            page = [first]
            while (item := self._at_hand()) is not None:
                page.append(item)
            yield page


for _class in (Stream, RunFollower, LiveEventStream, DashboardStream, Pager):
    # Tracebacks and `help()` name classes by the path that users import.
    _class.__module__ = "loki_mode_sdk"
del _class
