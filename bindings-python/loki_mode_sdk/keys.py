"""What is done with API keys in more than one step. Imported when first used."""

from __future__ import annotations

import os
import time

from loki_mode_sdk.errors import APIConnectionError, AutonomiError, ConfigError, KeyRotationError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Callable, NoReturn, TypeVar

    from loki_mode_sdk.client import AutonomiClient
    from loki_mode_sdk.generated.models import ApiKey
    from loki_mode_sdk.records import CreatedApiKey, RotatedApiKey

    Self = TypeVar("Self", bound="TemporaryApiKey")

__all__ = ["KeyRotation", "TemporaryApiKey"]


class KeyRotation:
    """What came of a rotation whose new token was stored.

    Attributes:
        token: The new token; `repr` does not show it.
        new_key_id: Identifier of the new key, if the server said it.
        old_key_id: Identifier of the old key, if the server said it.
        old_key_expires_at: When the old key stops working, as the server says it; None if it was
            deleted.
        old_key_deleted: Whether it was.
    """

    __slots__ = ("new_key_id", "old_key_deleted", "old_key_expires_at", "old_key_id", "token")

    def __init__(
        self,
        token: str,
        *,
        new_key_id: str | None = None,
        old_key_id: str | None = None,
        old_key_expires_at: str | None = None,
        old_key_deleted: bool = False,
    ) -> None:
        self.token: str = token
        self.new_key_id: str | None = new_key_id
        self.old_key_id: str | None = old_key_id
        self.old_key_expires_at: str | None = old_key_expires_at
        self.old_key_deleted: bool = old_key_deleted

    def __repr__(self) -> str:
        return (
            f"KeyRotation(token='***', new_key_id={self.new_key_id!r}, old_key_id={self.old_key_id!r}, "
            f"old_key_expires_at={self.old_key_expires_at!r}, old_key_deleted={self.old_key_deleted!r})"
        )


def plain(store: Callable[[str], Any]) -> Callable[[str], None]:
    """The function, if nobody has to wait for what it does; it raises if that shows only when it is called.

    Raises:
        TypeError: It is an `async def`.
    """
    if _is_async(store):
        raise TypeError("store must be a plain function, not an async one: AsyncAutonomiClient awaits those")

    def stored(token: str) -> None:
        returned = store(token)
        if hasattr(returned, "__await__"):
            if hasattr(returned, "close"):
                returned.close()
            raise TypeError("store returned something to be awaited: only AsyncAutonomiClient does that")

    return stored if callable(store) else store


def _is_async(function: Any) -> bool:
    """Whether it is an `async def`, also within a `functools.partial` or as the `__call__` of an object."""
    from functools import partial

    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None and callable(function):
        code = getattr(type(function).__call__, "__code__", None)
    # `inspect.CO_COROUTINE`; that module takes long to import.
    return bool(getattr(code, "co_flags", 0) & 0x80)


class Rotation:
    """The way of a rotation, for both clients: what there is to be said after each of its steps."""

    def __init__(self, store: object, grace_period_hours: int, delete_old: bool) -> None:
        if not callable(store):
            raise TypeError(f"store must be a function, not {type(store).__name__}")
        if isinstance(grace_period_hours, int) and grace_period_hours < 1:
            raise ConfigError(
                "grace_period_hours must be at least 1: without it, a failure to store would leave no working key",
                param="grace_period_hours",
            )
        if not isinstance(delete_old, bool):
            raise TypeError(f"delete_old must be bool, not {type(delete_old).__name__}")
        self._hours = grace_period_hours
        self._rotated: RotatedApiKey

    def storing(self) -> Step:
        """The step in which the key is rotated and its new token stored."""
        return Step(self._not_stored)

    def deleting(self) -> Step:
        """The step in which the old key is deleted."""
        return Step(self._not_deleted, self._is_gone)

    def rotated(self, rotated: RotatedApiKey) -> str:
        """The key was rotated; gives the new token."""
        self._rotated = rotated
        return rotated.token

    def old_key_id(self) -> str:
        """What is to be deleted."""
        if self._rotated.old_key_id is None:
            # Not by its name: that is the new key's now.
            raise NotFoundError("the server did not give its identifier")
        return self._rotated.old_key_id

    def _not_stored(self, cause: BaseException) -> KeyRotationError | None:
        if not hasattr(self, "_rotated"):
            return None
        return self._failed(
            f"the key was rotated, but storing its new token failed: {_reason(cause)}. Nothing was deleted: "
            f"{self._old()} works until {self._until()}",
            stored=False,
        )

    def _not_deleted(self, cause: BaseException) -> KeyRotationError:
        return self._failed(
            f"the key was rotated and its new token stored, but {self._old()} could not be deleted: {_reason(cause)}. "
            f"It works until {self._until()}, on deployed servers longer: delete it",
            stored=True,
        )

    def _is_gone(self, cause: BaseException) -> bool:
        """Whether the old key is deleted all the same: the answer of an attempt before may have been lost."""
        return isinstance(cause, NotFoundError) and self._rotated.old_key_id is not None

    def done(self, deleted: bool) -> KeyRotation:
        rotated = self._rotated
        return KeyRotation(
            rotated.token,
            new_key_id=rotated.new_key_id,
            old_key_id=rotated.old_key_id,
            old_key_expires_at=None if deleted else rotated.old_key_expires_at,
            old_key_deleted=deleted,
        )

    def _failed(self, message: str, stored: bool) -> KeyRotationError:
        rotated = self._rotated
        return KeyRotationError(
            message,
            token=rotated.token,
            new_key_id=rotated.new_key_id,
            old_key_id=rotated.old_key_id,
            old_key_expires_at=rotated.old_key_expires_at,
            stored=stored,
        )

    def _old(self) -> str:
        found = self._rotated.old_key_id
        return "the old key" if found is None else f"the old key ({found})"

    def _until(self) -> str:
        return self._rotated.old_key_expires_at or f"{self._hours} h from now"


def _reason(cause: BaseException) -> str:
    return str(cause) or type(cause).__name__


class Step:
    """A step of a rotation: whatever ends it, the new token is not lost."""

    def __init__(
        self,
        describe: Callable[[BaseException], KeyRotationError | None],
        is_well: Callable[[BaseException], bool] = lambda _: False,
    ) -> None:
        self._describe = describe
        self._is_well = is_well

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, cause: BaseException | None, __: object) -> bool:
        if cause is None or self._is_well(cause):
            return True
        error = self._describe(cause)
        if error is None:
            return False
        if isinstance(cause, Exception):
            raise error from cause
        # Ctrl-C, the end of the process and the cancellation of a task are not to be held up; the token goes along.
        cause.__cause__ = error
        return False


# Seconds before each look for a key of which the answer was lost: the server may still be making it.
_LOOKS = (0.0, 1.0)

# Seconds that a call may take at the most that removes what an error has left, and that a cancellation is held up.
HURRY = 5.0


class TemporaryKey:
    """What the temporary keys of both clients have in common."""

    def __init__(
        self,
        name: str,
        role: str,
        scopes: list[str] | None,
        expires_days: int,
        description: str | None,
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> None:
        self._name = name
        self._call: dict[str, Any] = {"timeout": timeout, "max_retries": max_retries, "headers": headers}
        # Names are no proof: one that was lost is known by this, and deleted; no other key has it.
        mark = f"{'temporary' if description is None else description} [{os.urandom(6).hex()}]"
        self._wanted: dict[str, Any] = {
            "role": role,
            "scopes": scopes,
            "expires_days": expires_days,
            "description": mark if description is None or isinstance(description, str) else description,
        }
        self._created: CreatedApiKey | None = None
        self._is_open = False

    def _begin(self) -> None:
        """Begins a block; one can come after the other, but not within it."""
        if self._is_open:
            raise ConfigError("the block of this temporary key has not ended: make one for each block", param="key")
        self._is_open, self._created = True, None

    @property
    def info(self) -> CreatedApiKey:
        """The key as the server sent it; `repr` does not show its token.

        Raises:
            ConfigError: The key was not made yet: that is done at the beginning of the `with` block.
        """
        if self._created is None:
            raise ConfigError("the temporary key is made at the beginning of a `with` block", param="key")
        return self._created

    @property
    def id(self) -> str:
        """Identifier of the key."""
        return self.info.id

    @property
    def token(self) -> str:
        """The token, to be sent as bearer token."""
        return self.info.token

    def _hurried(self) -> dict[str, Any]:
        """The options of calls that remove what an error has left, while that is on its way."""
        timeout = self._call["timeout"]
        return {**self._call, "timeout": HURRY if timeout is None else min(float(timeout), HURRY)}

    def _looks(self, error: BaseException) -> tuple[float, ...]:
        """The seconds before each look for a key that may have been made, though its answer was lost."""
        if isinstance(error, AutonomiError):
            status = error.status_code
            is_refused = isinstance(error, ConfigError) or (
                status is not None and (300 <= status < 500 or status == 503)
            )
            is_lost = not is_refused and not (isinstance(error, APIConnectionError) and not error.maybe_executed)
        else:
            # Ctrl-C, a cancellation, the end of the process; not what a token provider raises.
            is_lost = not isinstance(error, Exception)
        return _LOOKS if is_lost else ()

    def _lost(self, listed: list[ApiKey]) -> list[str]:
        """The identifiers of the keys that were made here."""
        mine = (self._name, self._wanted["description"])
        return [key.id for key in listed if (key.name, key.description) == mine]

    def _not_deleted(self, error: BaseException, level: int = 3) -> None:
        """Tells of a key that stays, or may, where another error is on its way already."""
        if self._created is None:
            import logging

            # Not a warning, which can be made an error: the one on its way is what the program has to know.
            told = "it is not known whether the temporary API key %r was made: %s"
            logging.getLogger("loki_mode_sdk").warning(told, self._name, _reason(error))
            return
        import warnings

        expires = self.info.get("expires_at")
        message = f"the temporary API key {self.id} could not be deleted: {_reason(error)}. It works until {expires}"
        warnings.warn(message, RuntimeWarning, stacklevel=level)

    def __repr__(self) -> str:
        shown = "not made yet" if self._created is None else f"id={self._created.id!r}, token='***'"
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled or copied: it holds a secret. Hand on its `token`.")


class TemporaryApiKey(TemporaryKey):
    """An API key that is made at the beginning of a `with` block and deleted at its end, however it ends.

    Attributes:
        client: A client that calls with this key, during the block.
    """

    client: AutonomiClient

    def __init__(self, owner: AutonomiClient, *wanted: Any) -> None:
        super().__init__(*wanted)
        self._owner = owner

    def __enter__(self: Self) -> Self:
        self._begin()
        try:
            self._created = self._owner.create_api_key(self._name, **self._wanted, **self._call)
            self.client = self._owner.with_options(token=self._created.token)
        except BaseException as error:
            self._is_open = False
            self._remove_after(error)
            raise
        return self

    def _remove_after(self, error: BaseException) -> None:
        """Deletes the key, if there is one, where an error ends the block before it has begun."""
        looks = self._looks(error)
        if self._created is None and not looks:
            return
        call = self._hurried()
        try:
            if self._created is not None:
                self._owner.delete_api_key(self.id, **call)
                return
            for pause in looks:
                time.sleep(pause)
                lost = self._lost(self._owner.list_api_keys(**call))
                for found in lost:
                    self._owner.delete_api_key(found, **call)
                if lost:
                    return
        except NotFoundError:
            pass
        except Exception as problem:
            self._not_deleted(problem, level=4)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        self.client.close()
        try:
            self._owner.delete_api_key(self.id, **self._call)
        except NotFoundError:
            # That it is gone is all that is wanted.
            pass
        except Exception as error:
            if exc_value is None:
                raise
            self._not_deleted(error)


for _class in (KeyRotation, TemporaryApiKey):
    # Tracebacks and `help()` name classes by the path that users import.
    _class.__module__ = "loki_mode_sdk"
del _class
