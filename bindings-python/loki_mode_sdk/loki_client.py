"""The client of the HTTP/SSE API, with the names of that API. Imported when first used."""

from __future__ import annotations

import logging
import math
import threading
import time

from loki_mode_sdk.client import BaseClient
from loki_mode_sdk.errors import ConfigError
from loki_mode_sdk.generated.loki import LokiOperations
from loki_mode_sdk.helpers import Helpers
from loki_mode_sdk.live import LiveOperations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Any, Callable, TypeVar

    from loki_mode_sdk.client import Token  # noqa: F401 - named in a string, below
    from loki_mode_sdk.generated.live import LiveEventType
    from loki_mode_sdk.generated.models import LiveEvent
    from loki_mode_sdk.streams import LiveEventStream

    Entered = TypeVar("Entered", bound="LokiClient")

__all__ = ["LokiClient"]


class LokiClient(BaseClient["Token"], LokiOperations, LiveOperations):
    """A client of the HTTP/SSE API, which starts sessions and tells what happens in them.

    It can be shared by threads. `close`, or leaving a `with` block, ends subscriptions and
    connections.

    What it is called with is explained at `__init__`.
    """

    def _made(self) -> None:
        self._client = Helpers()
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
        """Calls a function for each live event, in order, on a thread of its own.

        The thread is a daemon: it does not keep the interpreter from exiting. What is lost is
        connected again; see `LiveEventStream` for what that means. What the function raises goes
        to the logger `loki_mode_sdk` and does not end the subscription.

        Endpoint: `GET /api/events`.

        Args:
            callback: The function. Events wait for it: one that is slow gets all of them, later.
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
            on_error: Is called, on that thread, with errors of the subscription itself, for example
                an `AuthenticationError`. After each it goes on, with longer and longer pauses.
                Default: they go to the logger `loki_mode_sdk`.

        Returns:
            A function that ends the subscription: once it returns, no event is delivered any more.
            Calling it again does nothing; callbacks may call it, that of the subscription too.

        Raises:
            ConfigError: An argument cannot be sent.
            TypeError: An argument has the wrong type.
        """
        check_functions(callback, on_error)
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
        self._subscriptions = [known for known in self._subscriptions if known.is_alive()]
        self._subscriptions.append(subscription)
        subscription.start()
        return subscription.end

    def close(self) -> None:
        """Ends all subscriptions and idle connections; every later call fails."""
        for subscription in self._subscriptions:
            subscription.end()
        self._native.close()

    def __enter__(self: Entered) -> Entered:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


# Which subscription each of them waits for; changed and looked at under the lock.
_WAITING: dict[threading.Thread, threading.Thread] = {}
_WAITING_LOCK = threading.Lock()


class _Subscription(threading.Thread):
    """Calls a function for each event of a stream."""

    def __init__(
        self,
        stream: LiveEventStream,
        callback: Callable[[LiveEvent], object],
        on_error: Callable[[Exception], object],
        deadline: float,
    ) -> None:
        super().__init__(name="loki-mode-subscription", daemon=True)
        self._stream, self._callback, self._on_error, self._deadline = stream, callback, on_error, deadline

    def run(self) -> None:
        with self._stream as stream:
            while not stream.closed:
                try:
                    event = next(stream)
                except StopIteration:
                    return
                except ConfigError as error:
                    # Nothing that time could heal: for example, the client was closed.
                    if not stream.closed:
                        self._call(self._on_error, error)
                    return
                except Exception as error:
                    self._call(self._on_error, error)
                    if time.monotonic() >= self._deadline:
                        return
                else:
                    # It may have been ended when the event was there, by who did not wait for it.
                    if not stream.closed:
                        self._call(self._callback, event)

    def _call(self, function: Callable[[Any], object], argument: object) -> None:
        try:
            function(argument)
        except Exception:
            log_failure(function)

    def end(self) -> None:
        """Ends it, and waits until it has ended unless that would wait for this thread."""
        self._stream.close()
        here = threading.current_thread()
        with _WAITING_LOCK:
            last: threading.Thread = self
            while last is not here and last in _WAITING:
                last = _WAITING[last]
            # Its own thread, or one that waits for this one: callbacks that end each other.
            if last is here:
                return
            _WAITING[here] = self
        try:
            self.join()
        finally:
            with _WAITING_LOCK:
                del _WAITING[here]


def check_functions(callback: object, on_error: object) -> None:
    """Raises `TypeError` unless a subscription can call these."""
    for name, function in (("callback", callback), ("on_error", on_error)):
        if not callable(function) and not (function is None and name == "on_error"):
            raise TypeError(f"{name} must be a function, not {type(function).__name__}")


def log_error(error: Exception) -> None:
    """Stands in for `on_error`."""
    _logger().error("a subscription to live events: %s", error)


def log_failure(function: object) -> None:
    """Logs the exception that is being handled: this function of the caller's has raised it."""
    _logger().exception("%r, called by a subscription, raised an exception", function)


def _logger() -> logging.Logger:
    return logging.getLogger("loki_mode_sdk")


# Tracebacks and `help()` name the class by the path that users import.
LokiClient.__module__ = "loki_mode_sdk"
