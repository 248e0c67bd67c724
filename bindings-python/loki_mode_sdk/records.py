"""Dicts that hold secrets and do not show them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    _Base = dict[str, Any]
    _Mapping = Union[dict[str, Any], "Record"]
else:
    _Base = dict

__all__ = ["CreatedApiKey", "Record", "RotatedApiKey"]

# The secrets of key creation and rotation; real servers send hash and salt along with the token.
_SECRETS = frozenset({"token", "hash", "salt"})


class Record(_Base):
    """A dict that masks secret values wherever it is printed; they are there as ever.

    Only `pprint` of CPython 3.9 takes no notice: it prints the items of any dict by itself.
    Dicts inside of it are records too, so that they can be printed on their own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key, value in self.items():
            if type(value) is dict:
                self[key] = Record(value)

    def __repr__(self) -> str:
        shown = {key: "***" if key in _SECRETS and value is not None else value for key, value in self.items()}
        return repr(shown)

    def copy(self) -> Record:
        """Returns a shallow copy that masks secrets as well."""
        return type(self)(self)

    def __or__(self, other: Any) -> Any:
        merged = super().__or__(other)
        return merged if merged is NotImplemented else Record(merged)

    def __ror__(self, other: Any) -> Any:
        merged = super().__ror__(other)
        return merged if merged is NotImplemented else Record(merged)


class CreatedApiKey(Record):
    """A new API key as the server sent it, with its token; what every server sends is an attribute, too."""

    @property
    def id(self) -> str:
        """Identifier of the key."""
        found: str = self["id"]
        return found

    @property
    def token(self) -> str:
        """The token, to be sent as bearer token. It is returned this once."""
        found: str = self["token"]
        return found


class RotatedApiKey(Record):
    """The outcome of a rotation as the server sent it; what it means is an attribute, on every server."""

    @property
    def token(self) -> str:
        """The new token, to be sent as bearer token. It is returned this once."""
        found: str = self["token"]
        return found

    @property
    def new_key_id(self) -> str | None:
        """Identifier of the new key, if the server said it."""
        new_key: dict[str, Any] = self.get("new_key") or {}
        found: str | None = new_key.get("id")
        return found

    @property
    def old_key_id(self) -> str | None:
        """Identifier of the old key, for `delete_api_key`, if the server said it."""
        found: str | None = self.get("old_key_id")
        return found

    @property
    def old_key_expires_at(self) -> str | None:
        """When the grace period of the old key ends, if the server said it; real servers do not enforce it."""
        found: str | None = self.get("old_key_rotation_expires_at")
        return found
