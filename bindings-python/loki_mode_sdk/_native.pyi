"""The native module: the engine below the Python source.

Its model classes are described in generated/models.pyi.
"""

from asyncio import Future
from collections.abc import Awaitable, Mapping
from typing import Any, Callable

from loki_mode_sdk.generated.models import RunEvent

__version__: str

def decode(operation: str, body: bytes) -> Any: ...

class Client:
    def __new__(cls, **options: object) -> Client: ...
    @property
    def base_url(self) -> str: ...
    def with_options(self, **changes: object) -> Client: ...
    def set_token(self, token: str | Callable[[], str] | Callable[[], Awaitable[str]] | None) -> None: ...
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
    def begin(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> Call: ...
    def begin_raw(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> Call: ...
    def close(self) -> None: ...

class Call:
    @property
    def waits(self) -> bool: ...
    @property
    def left(self) -> float: ...
    @property
    def is_large(self) -> bool: ...
    @property
    def provider(self) -> Callable[[], Any] | None: ...
    def future(self) -> Future[None]: ...
    def answer(self, token: object) -> Future[None]: ...
    def refuse(self, error: BaseException) -> Future[None]: ...
    def give_up(self) -> Future[None]: ...
    def expire(self) -> None: ...
    def result(self) -> Any: ...
    def cancel(self) -> None: ...

class Reader:
    def __call__(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...

class EventStream:
    def __new__(cls, client: Client) -> EventStream: ...
    def poll(
        self,
        run_id: int | str,
        since: str | None,
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> list[RunEvent]: ...
