"""The native module: the engine below the Python source.

Its model classes are described in generated/models.pyi.
"""

from typing import Any

from loki_mode_sdk.generated.models import RunEvent

__version__: str

def decode(operation: str, body: bytes) -> Any: ...

class Client:
    def __new__(
        cls,
        base_url: str,
        token: str | None,
        timeout: float,
        max_retries: int,
        path_style: str,
        language: str,
    ) -> Client: ...
    @property
    def base_url(self) -> str: ...
    def call(
        self,
        operation: str,
        arguments: tuple[object, ...],
        timeout: float | None,
        max_retries: int | None,
    ) -> Any: ...
    def close(self) -> None: ...

class EventStream:
    def __new__(cls, client: Client) -> EventStream: ...
    def poll(
        self,
        run_id: int | str,
        since: str | None,
        timeout: float | None,
        max_retries: int | None,
    ) -> list[RunEvent]: ...
