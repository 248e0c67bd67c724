"""The client."""

from __future__ import annotations

import sys

from loki_mode_sdk import _native
from loki_mode_sdk.generated.client import Operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

__all__ = ["AutonomiClient", "Client", "TokenAuth"]


class TokenAuth:
    """A bearer token, as an object that does not show it.

    Args:
        token: The token.
    """

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return "TokenAuth('***')"


class AutonomiClient(Operations):
    """A client of one control plane.

    It can be shared by threads and is usable in a child after a fork. It opens connections when
    they are needed and keeps them for the next call; `close`, or leaving a `with` block, ends them.

    Args:
        base_url: Where the control plane is: `http` or `https`, a host, perhaps a port and a path.
        token: The bearer token; None calls without one.
        timeout: Seconds that a call may take, retries and waits included.
        max_retries: How often a failed attempt is repeated where repeating is safe.
        path_style: Which paths the server speaks: `guide` for those of the SDK guide, `v2` for
            those of deployed servers, `auto` to find out and remember.

    Raises:
        ConfigError: A value is no good.
        TypeError: A value has the wrong type.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:57374",
        token: str | TokenAuth | None = None,
        timeout: float = 30.0,
        *,
        max_retries: int = 2,
        path_style: str = "auto",
    ) -> None:
        if isinstance(token, TokenAuth):
            token = token.token
        version = sys.version_info
        language = f"Python/{version.major}.{version.minor}.{version.micro}"
        self._native = _native.Client(base_url, token, timeout, max_retries, path_style, language)

    def close(self) -> None:
        """Ends idle connections; every later call fails."""
        self._native.close()

    def __enter__(self) -> AutonomiClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._native.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled: it holds connections and a secret. "
            "Make a client where it is used."
        )


Client = AutonomiClient
