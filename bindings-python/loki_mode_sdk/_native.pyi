"""The native module: the engine below the Python source.

Its model classes are described in generated/models.pyi.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Callable, TypeVar

from loki_mode_sdk.generated.models import RunEvent

__version__: str

Self = TypeVar("Self", bound="Stream")

def decode(operation: str, body: bytes) -> Any: ...

class Client:
    def __new__(cls, **options: object) -> Client: ...
    @property
    def base_url(self) -> str: ...
    def with_options(self, **changes: object) -> Client: ...
    def set_token(self, token: str | Callable[[], str] | None) -> None: ...
    def warnings(self) -> list[str]: ...
    def call(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> Any: ...
    def call_raw(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> tuple[Any, int, list[tuple[str, str]], int]: ...
    def close(self) -> None: ...

class EventStream:
    def __new__(cls, client: Client) -> EventStream: ...
    def poll(
        self,
        run_id: int | str,
        since: str | datetime | None,
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> list[RunEvent]: ...

class Stream:
    def __new__(cls: type[Self], client: Client, source: str, **options: object) -> Self: ...
    def __iter__(self: Self) -> Self: ...
    def __next__(self) -> Any: ...
    def _close(self) -> None: ...
    @property
    def _closed(self) -> bool: ...
    @property
    def _cursor(self) -> str: ...
    def _status_of(self, run_id: int | str | None = None) -> str | None: ...
