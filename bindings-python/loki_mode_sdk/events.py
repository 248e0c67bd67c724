"""New events of runs: by polling, and by following."""

from __future__ import annotations

from loki_mode_sdk import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from typing import Callable

    from loki_mode_sdk.client import AutonomiClient
    from loki_mode_sdk.generated.known import RunStatus
    from loki_mode_sdk.generated.models import RunEvent
    from loki_mode_sdk.streams import RunFollower

__all__ = ["EventStream"]


class EventStream:
    """New events of runs, each given out once.

    `follow` waits for them. `poll_events` asks once; the stream remembers how far it has read each
    run, so that a loop that polls sees every event exactly once, also when many share a timestamp.

    Args:
        client: The client to call; it can be shared with others.
    """

    def __init__(self, client: AutonomiClient) -> None:
        self._client = client._native
        self._native = _native.EventStream(client._native)

    def poll_events(
        self,
        run_id: int | str,
        since: str | date | None = None,
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
                out, those at that very time are not. Without an offset, it is in UTC.
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
    ) -> RunFollower:
        """Follows a run: returns an iterator that waits for its events and gives each exactly once.

        Endpoints: `GET /api/runs/{run_id}/timeline` and `GET /api/runs/{run_id}` (deployed servers:
        the same below `/api/v2`). What `poll_events` has returned makes no difference.

        Args:
            run_id: Identifier of the run.
            since: A timestamp: earlier events are left out. Without an offset, it is in UTC.
                Default: begin with the first event.
            cursor: The `cursor` of an earlier follower of this run, to go on where it stood.
            poll_interval: About how many seconds pass from one request to the next; less after
                news, more when a run has been quiet for long.
            until: When to stop. Default: when the run has ended. A state or a collection of states:
                also when the run is in one of them; an empty collection: never, not even when the
                run has ended. A function: also when it returns true for an event; it is asked when
                the next event is wanted, that is when this one was dealt with.
            timeout: Seconds that the iterator may last; then it raises `APITimeoutError`. Default,
                and for `math.inf`: without end.
            max_retries: How many failures in a row are waited out; the next one is raised, and the
                iterator can be asked again. Default: as many as come, once the server has answered.
            headers: Headers to send with each request, beside the client's.

        Returns:
            A `RunFollower`, with `cursor`, `status` and `close`.

        Raises:
            ConfigError: An argument cannot be sent, or `cursor` is not one of this run.
            TypeError: An argument has the wrong type.
        """
        from loki_mode_sdk.streams import RunFollower

        return RunFollower(
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
    ) -> RunFollower:
        """Follows many runs in one thread; `run_id` of an event says which run it is of.

        Without a project, the iterator ends when all of the runs have. An error about one run is
        raised once; asking again goes on with the others.

        Endpoints: those of `follow`, and `GET /api/runs` (deployed servers: `GET /api/v2/runs`).

        Args:
            run_ids: Identifiers of runs.
            project_id: Identifier of a project: its active runs are followed, too, and so are all
                that are started later.
            since: A timestamp: earlier events are left out. Without an offset, it is in UTC.
                Default: begin with the first event of each run.
            cursor: The `cursor` of an earlier follower of these runs, to go on where it stood.
            poll_interval: About how many seconds pass from one request about a run to the next;
                less after news, more when it has been quiet for long.
            until: When to stop following a run; see `follow`. A function ends the whole iterator.
            timeout: Seconds that the iterator may last; then it raises `APITimeoutError`. Default,
                and for `math.inf`: without end.
            max_retries: How many failures in a row are waited out; the next one is raised, and the
                iterator can be asked again. Default: as many as come, once the server has answered.
            headers: Headers to send with each request, beside the client's.

        Returns:
            A `RunFollower`, with `cursor`, `status_of` and `close`.

        Raises:
            ConfigError: There is nothing to follow, an argument cannot be sent, or `cursor` is not
                one of this project.
            TypeError: An argument has the wrong type.
        """
        from loki_mode_sdk.streams import RunFollower

        return RunFollower(
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
