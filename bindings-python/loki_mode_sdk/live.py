"""Live events and messages of the dashboard, as methods of a client."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from loki_mode_sdk import _native
    from loki_mode_sdk.generated.known import LogLevel
    from loki_mode_sdk.generated.live import LiveEventType
    from loki_mode_sdk.streams import DashboardStream, LiveEventStream

__all__ = ["LiveOperations"]


class LiveOperations:
    """What keeps a connection open and gives one thing after the other."""

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
    ) -> LiveEventStream:
        """Returns an iterator of live events, as they happen, each exactly once.

        It connects when the first event is asked for. Dashboards do not offer live events; what
        they offer is `watch`.

        Endpoint: `GET /api/events`.

        Args:
            session_id: Only events of this session. Default: of all.
            types: Only events of these types, for example `["task:completed", "task:failed"]`; a
                dot does instead of the colon. Default: all.
            min_level: Only lines of the log of this level or above: `debug`, `info`, `warn` or
                `error`. Default: all.
            history: How many of the latest events to begin with; servers remember 1000. Default:
                none.
            timeout: Seconds that the iterator may last; then it raises `APITimeoutError`. Default,
                and for `math.inf`: without end.
            max_retries: How many failures in a row to connect are waited out; the next one is
                raised, and the iterator can be asked again. Default: as many as come, once there
                was a connection.
            headers: Headers to send with each request, beside the client's.

        Returns:
            A `LiveEventStream`, with `close`.

        Raises:
            ConfigError: An argument cannot be sent.
            TypeError: An argument has the wrong type.
        """
        from loki_mode_sdk.streams import LiveEventStream

        return LiveEventStream(
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
    ) -> DashboardStream:
        """Returns an iterator of the messages by which a dashboard tells of changes of projects and tasks.

        It connects when the first message is asked for. The token travels in the query of that
        request, as the server wants it; it shows in no error and no log.

        Endpoint: `GET /ws`, a WebSocket.

        Args:
            subscribe: What to subscribe to, as JSON. The servers that are known confirm it, and
                send everything to everybody. Default: nothing is sent.
            timeout: Seconds that the iterator may last; then it raises `APITimeoutError`. Default,
                and for `math.inf`: without end.
            max_retries: How many failures in a row to connect are waited out; the next one is
                raised, and the iterator can be asked again. Default: as many as come, once there
                was a connection.
            headers: Headers to send with each handshake, beside the client's.

        Returns:
            A `DashboardStream`, with `close`.

        Raises:
            ConfigError: `subscribe` cannot be sent, or a proxy is in the way that WebSockets do not
                pass.
            TypeError: `subscribe` cannot be written as JSON.
        """
        from loki_mode_sdk.streams import DashboardStream

        return DashboardStream(
            self._native,
            "watch",
            subscribe=subscribe,
            timeout=timeout,
            max_retries=max_retries,
            headers=headers,
        )
