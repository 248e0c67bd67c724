"""Whole answers: status, headers and attempts beside the data. Imported when first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from loki_mode_sdk import _native

__all__ = ["Headers", "RawResponse"]

T = TypeVar("T")


class Headers(Mapping[str, str]):
    """The headers of an answer. Names are found in any case and listed in lower case.

    The value of a header that came more than once is all of its values joined with `, `;
    `get_all` has them one by one.

    Args:
        pairs: Names and values, in order.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def get_all(self, name: str) -> list[str]:
        """Returns all values of a header, in the order in which they came; empty if there are none."""
        return list(self._values.get(name.lower(), ()))

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class RawResponse(Generic[T]):
    """The answer to a call: its data and how it came.

    Attributes:
        data: What the method of the same name on the client returns.
        status: The HTTP status.
        headers: The headers.
        attempts: How many requests were sent.
    """

    __slots__ = ("attempts", "data", "headers", "status")

    def __init__(self, data: T, status: int, headers: Headers, attempts: int) -> None:
        self.data: T = data
        self.status: int = status
        self.headers: Headers = headers
        self.attempts: int = attempts

    def __repr__(self) -> str:
        return f"RawResponse(status={self.status!r}, attempts={self.attempts!r}, data={self.data!r})"


class RawCalls:
    """Stands in for the native client where the operations of `client.raw` make their calls."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Client) -> None:
        self._native = native

    def call(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        """Makes a call and returns the whole answer."""
        data, status, pairs, attempts = self._native.call_raw(operation, arguments, timeout, max_retries, headers)
        return RawResponse(data, status, Headers(pairs), attempts)


for _class in (Headers, RawResponse):
    # Pickles and `help()` name classes by the path that users import.
    _class.__module__ = "loki_mode_sdk"
del _class
