"""What is made of several calls, for asyncio: what `helpers` and `keys` are without it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from loki_mode_sdk.aio_streams import AsyncStream
from loki_mode_sdk.errors import NotFoundError
from loki_mode_sdk.generated.aio_client import AsyncOperations
from loki_mode_sdk.generated.aio_paging import AsyncPagedOperations
from loki_mode_sdk.keys import Rotation, TemporaryKey

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, TypeVar

    from loki_mode_sdk import _native
    from loki_mode_sdk.aio import AsyncAutonomiClient
    from loki_mode_sdk.generated.known import Role
    from loki_mode_sdk.generated.models import Run
    from loki_mode_sdk.keys import KeyRotation

    Self = TypeVar("Self", bound="AsyncTemporaryApiKey")

__all__ = ["AsyncHelpers", "AsyncTemporaryApiKey"]


class AsyncTemporaryApiKey(TemporaryKey):
    """An API key that is made at the beginning of an `async with` block and deleted at its end.

    See `TemporaryApiKey`.
    """

    client: AsyncAutonomiClient

    def __init__(self, owner: AsyncAutonomiClient, *wanted: Any) -> None:
        super().__init__(*wanted)
        self._owner = owner

    async def __aenter__(self: Self) -> Self:
        self._created = await self._owner.create_api_key(self._name, **self._wanted)
        self.client = self._owner.with_options(token=self._created.token)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.client.aclose()
        try:
            await self._owner.delete_api_key(self.id)
        except NotFoundError:
            # That it is gone is all that is wanted.
            pass
        except Exception as error:
            if exc_value is None:
                raise
            self._not_deleted(error)


class AsyncHelpers(AsyncPagedOperations, AsyncOperations):
    """Long lists, the end of a run, and what is done with API keys in more than one step."""

    _native: _native.Client

    async def wait_for_run(self, run_id: int | str, *, timeout: float | None = None, poll_interval: float = 2.0) -> Run:
        """Waits until a run has ended, in whatever state, and returns it.

        What it takes and raises is the same as for `AutonomiClient.wait_for_run`.
        """
        stream: AsyncStream[Run] = AsyncStream(
            self._native, "end_of_run", run_id=run_id, timeout=timeout, poll_interval=poll_interval
        )
        async with stream:
            return await stream.__anext__()

    async def rotate_and_store(
        self,
        identifier: int | str,
        store: Callable[[str], Any],
        *,
        grace_period_hours: int = 24,
        delete_old: bool = False,
    ) -> KeyRotation:
        """Rotates an API key and hands the new token to `store`, which may be an `async def`.

        What it takes, does and raises is the same as for `AutonomiClient.rotate_and_store`. A task
        that is cancelled meanwhile ends with a `CancelledError` whose `__cause__` is the
        `KeyRotationError`, once the key is rotated.
        """
        rotation = Rotation(store, grace_period_hours, delete_old)
        with rotation.storing():
            stored = store(rotation.rotated(await self.rotate_api_key(identifier, grace_period_hours)))
            if inspect.isawaitable(stored):
                await stored
        if delete_old:
            with rotation.deleting():
                await self.delete_api_key(rotation.old_key_id())
        return rotation.done(delete_old)

    def temporary_api_key(
        self,
        name: str,
        role: Role | str = "viewer",
        *,
        scopes: list[str] | None = None,
        expires_days: int = 1,
        description: str | None = None,
    ) -> AsyncTemporaryApiKey:
        """Returns an API key that exists during an `async with` block.

        What it takes, gives and raises is the same as for `AutonomiClient.temporary_api_key`.
        """
        owner: Any = self
        return AsyncTemporaryApiKey(owner, name, role, scopes, expires_days, description)


# Tracebacks and `help()` name classes by the path that users import.
AsyncTemporaryApiKey.__module__ = "loki_mode_sdk"
