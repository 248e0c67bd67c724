"""What is made of several calls, for asyncio: what `helpers` and `keys` are without it."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import TYPE_CHECKING

from loki_mode_sdk.aio_streams import AsyncStream
from loki_mode_sdk.errors import NotFoundError
from loki_mode_sdk.generated.aio_client import AsyncOperations
from loki_mode_sdk.generated.aio_paging import AsyncPagedOperations
from loki_mode_sdk.keys import HURRY, Rotation, TemporaryKey

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
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
        self._begin()
        made, cancelled = await _settled(self._owner.create_api_key(self._name, **self._wanted, **self._call))
        try:
            self._created = made.result()
            if cancelled is not None:
                raise cancelled
            self.client = self._owner.with_options(token=self.token)
        except BaseException as error:
            self._is_open = False
            _, again = await _settled(self._remove_after(error))
            if cancelled is None:
                cancelled = again
            if cancelled is None or error is cancelled:
                raise
            raise cancelled from error
        return self

    async def _remove_after(self, error: BaseException) -> None:
        """Deletes the key, if there is one, where an error ends the block before it has begun."""
        looks = self._looks(error)
        if self._created is None and not looks:
            return
        call = self._hurried()
        try:
            if self._created is not None:
                await self._owner.delete_api_key(self.id, **call)
                return
            for pause in looks:
                await asyncio.sleep(pause)
                lost = self._lost(await self._owner.list_api_keys(**call))
                for found in lost:
                    await self._owner.delete_api_key(found, **call)
                if lost:
                    return
        except NotFoundError:
            pass
        except Exception as problem:
            self._not_deleted(problem)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        await self.client.aclose()
        deleted, cancelled = await _settled(self._owner.delete_api_key(self.id, **self._call))
        if deleted.cancelled():
            # All tasks of the loop were, as at the end of `asyncio.run`.
            deleted, _ = await _settled(self._owner.delete_api_key(self.id, **self._hurried()))
        try:
            deleted.result()
        except NotFoundError:
            # That it is gone is all that is wanted.
            pass
        except (Exception, asyncio.CancelledError) as error:
            if exc_value is None and cancelled is None:
                raise
            self._not_deleted(error)
        if cancelled is not None:
            raise cancelled


async def _settled(work: Coroutine[Any, Any, Any]) -> tuple[asyncio.Task[Any], asyncio.CancelledError | None]:
    """Waits until something is done that is not to be left half done, however often the caller is cancelled meanwhile.

    Once the caller is cancelled, it has a few seconds left. Returns the task that has done it, and the cancellation,
    which is for the caller to raise.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    cancelled, end = None, math.inf
    while not task.done():
        left = end - loop.time()
        if left <= 0:
            task.cancel()
        try:
            await asyncio.wait([task], timeout=left if 0 < left < math.inf else None)
        except asyncio.CancelledError as error:
            if cancelled is None:
                end = loop.time() + HURRY
            cancelled = error
    return task, cancelled


class AsyncHelpers(AsyncPagedOperations, AsyncOperations):
    """Long lists, the end of a run, and what is done with API keys in more than one step."""

    _native: _native.Client

    async def wait_for_run(
        self,
        run_id: int | str,
        *,
        timeout: float | None = None,
        poll_interval: float = 2.0,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Run:
        """Waits until a run has ended, in whatever state, and returns it.

        What it takes and raises is the same as for `AutonomiClient.wait_for_run`.
        """
        stream: AsyncStream[Run] = AsyncStream(
            self._native,
            "end_of_run",
            run_id=run_id,
            timeout=timeout,
            poll_interval=poll_interval,
            max_retries=max_retries,
            headers=headers,
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
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> KeyRotation:
        """Rotates an API key and hands the new token to `store`, which may be an `async def`.

        What it takes, does and raises is the same as for `AutonomiClient.rotate_and_store`. A task
        that is cancelled meanwhile ends with a `CancelledError` whose `__cause__` is the
        `KeyRotationError`, once the key is rotated.
        """
        rotation = Rotation(store, grace_period_hours, delete_old)
        call: dict[str, Any] = {"timeout": timeout, "max_retries": max_retries, "headers": headers}
        with rotation.storing():
            stored = store(rotation.rotated(await self.rotate_api_key(identifier, grace_period_hours, **call)))
            if inspect.isawaitable(stored):
                await stored
        if delete_old:
            with rotation.deleting():
                await self.delete_api_key(rotation.old_key_id(), **call)
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
    ) -> AsyncTemporaryApiKey:
        """Returns an API key that exists during an `async with` block.

        What it takes, gives and raises is the same as for `AutonomiClient.temporary_api_key`. A task
        that is cancelled while the key is made or deleted waits for that, for some seconds at most.
        """
        owner: Any = self
        return AsyncTemporaryApiKey(owner, name, role, scopes, expires_days, description, timeout, max_retries, headers)


# Tracebacks and `help()` name classes by the path that users import.
AsyncTemporaryApiKey.__module__ = "loki_mode_sdk"
