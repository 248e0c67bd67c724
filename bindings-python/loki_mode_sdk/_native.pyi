"""The native module: the engine below the Python source.

Its model classes are described in generated/models.pyi.
"""

from collections.abc import Mapping
from typing import Any, Callable

from loki_mode_sdk.generated.models import RunEvent

__version__: str

def decode(operation: str, body: bytes) -> Any: ...
def verify_webhook(body: object, headers: object, secrets: object, tolerance: float, now: float) -> None: ...
def parse_webhook(body: object) -> tuple[dict[str, Any], dict[str, Any]]: ...
def sign_webhook(body: object, secret: object, scheme: str, id: str, timestamp: int) -> dict[str, str]: ...

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
        since: str | None,
        timeout: float | None,
        max_retries: int | None,
        headers: Mapping[str, str] | None,
    ) -> list[RunEvent]: ...
