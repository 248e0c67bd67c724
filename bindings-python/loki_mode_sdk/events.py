"""Following the events of a run by polling."""

from __future__ import annotations

from loki_mode_sdk import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from loki_mode_sdk.client import AutonomiClient
    from loki_mode_sdk.generated.models import RunEvent

__all__ = ["EventStream"]


class EventStream:
    """New events of runs, each given out once.

    The stream remembers how far it has read each run, so that a loop that polls sees every event
    exactly once, also when many share a timestamp.

    Args:
        client: The client to call; it can be shared with others.
    """

    def __init__(self, client: AutonomiClient) -> None:
        self._native = _native.EventStream(client._native)

    def poll_events(
        self,
        run_id: int | str,
        since: str | None = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[RunEvent]:
        """Returns the events of a run that this stream has not returned yet, oldest first.

        Endpoint: `GET /api/runs/{run_id}/timeline` (deployed servers:
        `GET /api/v2/runs/{run_id}/timeline`).

        Args:
            run_id: Identifier of the run.
            since: A timestamp, for example that of the last event seen: earlier events are left
                out, those at that very time are not.
            timeout: Seconds that the call may take, retries included. Default: the client's.
            max_retries: How often a failed attempt is repeated. Default: the client's.
            headers: Headers to send with this call, beside the client's.

        Returns:
            A list of `RunEvent`, empty if nothing happened.

        Raises:
            NotFoundError: There is no such run (404).
            AuthenticationError: The token is missing or not valid (401).
            PermissionDeniedError: The token lacks the scope for this (403).
            ConfigError: `since` is no timestamp, or the id cannot be sent; nothing was.
            TypeError: An argument has the wrong type; nothing was sent.
            AutonomiError: Anything else; see the subclasses.
        """
        return self._native.poll(run_id, since, timeout, max_retries, headers)
