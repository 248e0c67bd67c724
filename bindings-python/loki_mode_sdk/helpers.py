"""What is made of several calls, as methods of a client."""

from __future__ import annotations

from loki_mode_sdk.generated.client import Operations
from loki_mode_sdk.generated.paging import PagedOperations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

    from loki_mode_sdk import _native
    from loki_mode_sdk.generated.known import Role
    from loki_mode_sdk.generated.models import Run
    from loki_mode_sdk.keys import KeyRotation, TemporaryApiKey

__all__ = ["Helpers"]


class Helpers(PagedOperations, Operations):
    """Long lists, the end of a run, and what is done with API keys in more than one step."""

    _native: _native.Client

    def wait_for_run(
        self,
        run_id: int | str,
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Run:
        """Waits until a run has ended, in whatever state, and returns it.

        While the server cannot be reached, is overloaded or restarts, it waits and tries again.

        Endpoint: `GET /api/runs/{run_id}` (deployed servers: `GET /api/v2/runs/{run_id}`).

        Args:
            run_id: Identifier of the run.
            timeout: Seconds that are waited at the most. Default, and for `math.inf`: without
                end.
            poll_interval: About how many seconds pass from one look at the run to the next.
            max_retries: How many failures in a row are waited out; the next one is raised. Default:
                as many as come, once the server has answered.
            headers: Headers to send with each request, beside the client's.

        Returns:
            The `Run` as it is when it has ended.

        Raises:
            NotFoundError: There is no such run (404).
            APITimeoutError: The run has not ended within `timeout`; the message says in which state
                it is. Or the server did not answer at all, before the first answer.
            APIConnectionError: The server cannot be reached, before the first answer.
            AuthenticationError: The token is missing or not valid (401).
            PermissionDeniedError: The token lacks the scope for this (403).
            ConfigError: An argument cannot be sent.
            TypeError: An argument has the wrong type.
            AutonomiError: Anything else; see the subclasses.
        """
        from loki_mode_sdk.streams import Stream

        stream = Stream(
            self._native,
            "end_of_run",
            run_id=run_id,
            timeout=timeout,
            poll_interval=poll_interval,
            max_retries=max_retries,
            headers=headers,
        )
        with stream:
            run: Run = next(stream)
            return run

    def rotate_and_store(
        self,
        identifier: int | str,
        store: Callable[[str], Any],
        *,
        grace_period_hours: int = 24,
        delete_old: bool = False,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> KeyRotation:
        """Rotates an API key and hands the new token to `store`.

        Only when `store` has returned is the old key deleted, by its identifier, or left to its
        grace period. The key is never rotated twice.

        Endpoints: `POST /api/keys/{identifier}/rotate` and `DELETE /api/keys/{identifier}`
        (deployed servers: the same below `/api/v2/api-keys`).

        Args:
            identifier: Identifier or name of the key; the identifier is the safer choice.
            store: A function that puts the new token where it is kept; not an `async def`, which only
                `AsyncAutonomiClient` awaits.
            grace_period_hours: Hours for which the old token keeps working: 1 or more.
            delete_old: Whether the old key is deleted once the new token is stored.
            timeout: Seconds that each of the calls may take, retries included. Default: the
                client's.
            max_retries: How often a failed attempt is repeated where repeating is safe. Default: the
                client's.
            headers: Headers to send with each of the calls, beside the client's.

        Returns:
            A `KeyRotation`: the new token, which keys there are, and until when the old one works.

        Raises:
            KeyRotationError: `store` raised, or the old key cannot be deleted: it holds the new
                token, and says which key still works. What was raised is its `__cause__`. If that was
                Ctrl-C or a `SystemExit`, it goes on, and has the `KeyRotationError` as `__cause__`.
            NotFoundError: There is no such key.
            APIConnectionError: The server cannot be reached, or the connection was lost. If
                `maybe_executed` is true, the key may have been rotated all the same; the old one
                works until the end of the grace period.
            ConfigError: An argument cannot be sent, or `grace_period_hours` is below 1; nothing was.
            TypeError: An argument has the wrong type; nothing was sent.
            AutonomiError: Anything else; see the subclasses.
        """
        from loki_mode_sdk.keys import Rotation, plain

        store = plain(store)
        rotation = Rotation(store, grace_period_hours, delete_old)
        call: dict[str, Any] = {"timeout": timeout, "max_retries": max_retries, "headers": headers}
        with rotation.storing():
            store(rotation.rotated(self.rotate_api_key(identifier, grace_period_hours, **call)))
        if delete_old:
            with rotation.deleting():
                self.delete_api_key(rotation.old_key_id(), **call)
        return rotation.done(delete_old)

    def temporary_api_key(
        self,
        name: str,
        role: Role | str = "viewer",
        *,
        scopes: list[str] | None = None,
        expires_days: int = 1,
        description: str | None = None,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> TemporaryApiKey:
        """Returns an API key that exists during a `with` block.

        It is made at the beginning of the block and deleted at its end, however that ends; if it
        cannot be deleted, for example since the machine is gone, it stops working after
        `expires_days`. One that was made though its answer was lost, or though Ctrl-C came meanwhile,
        is found by a mark in its description, and deleted.

        Endpoints: `POST /api/keys` and `DELETE /api/keys/{identifier}` (deployed servers: the same
        below `/api/v2/api-keys`).

        Args:
            name: Name of the key; unique.
            role: Role of the key.
            scopes: Scopes of the key, instead of a role.
            expires_days: Days until it stops working, should it not be deleted.
            description: What the key is for; a mark of its own is put behind it.
            timeout: Seconds that each of the calls may take, retries included. Default: the
                client's.
            max_retries: How often a failed attempt is repeated where repeating is safe. Default: the
                client's.
            headers: Headers to send with each of the calls, beside the client's.

        Returns:
            A `TemporaryApiKey`, with `id`, `token` and a `client` that calls with it.

        Raises:
            AutonomiError: When the block is entered: the key cannot be made; when it is left
                without an error: the key cannot be deleted. See the subclasses.

        Warns:
            RuntimeWarning: The key cannot be deleted, where another error is on its way already.
        """
        from loki_mode_sdk.keys import TemporaryApiKey

        owner: Any = self
        return TemporaryApiKey(owner, name, role, scopes, expires_days, description, timeout, max_retries, headers)
