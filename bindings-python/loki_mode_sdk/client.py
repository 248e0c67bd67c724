"""The client, and what it has in common with the one for asyncio."""

from __future__ import annotations

import sys

from loki_mode_sdk import _native
from loki_mode_sdk.helpers import Helpers
from loki_mode_sdk.live import LiveOperations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Callable, Generic, Literal, NoReturn, TypeVar, Union

    from typing_extensions import TypedDict, Unpack

    from loki_mode_sdk.generated.raw import RawOperations

    Token = Union[str, "TokenAuth", Callable[[], str], None]
    Path = Union[str, os.PathLike[str], None]
    PathStyle = Literal["auto", "guide", "v2"]
    AnyToken = TypeVar("AnyToken")
    Self = TypeVar("Self", bound="BaseClient[Any]")
    Entered = TypeVar("Entered", bound="AutonomiClient")

    class _Generic(Generic[AnyToken]):
        pass

    class _Options(TypedDict, Generic[AnyToken], total=False):
        """The parameters of a client, for `from_env`."""

        base_url: str
        token: AnyToken
        timeout: float
        max_retries: int
        path_style: PathStyle
        connect_timeout: float
        max_connections: int
        headers: Mapping[str, str] | None
        max_body_bytes: int
        app_info: str | None
        proxy: str | None
        ca_file: Path
        system_roots: bool
        client_cert_file: Path
        client_key_file: Path

else:
    AnyToken = None

    class _Generic:
        """What `typing.Generic` is to type checkers; to import it takes longer than all of this package."""

        def __class_getitem__(cls, item):
            return cls


__all__ = ["AutonomiClient", "Client", "InsecureTransportWarning", "TokenAuth"]


class InsecureTransportWarning(UserWarning):
    """A token is sent to another machine in clear text: the base URL says `http`."""


class TokenAuth:
    """A bearer token, as an object that does not show it.

    Args:
        token: The token.
    """

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token: str = token

    def __repr__(self) -> str:
        return "TokenAuth('***')"


class _Unchanged:
    """What `with_options` takes for "as before" where None means something."""

    def __repr__(self) -> str:
        return "<unchanged>"


_UNCHANGED = _Unchanged()


class BaseClient(_Generic[AnyToken]):
    """What both clients have in common: the options, and everything that waits for nothing."""

    _native: _native.Client

    def __init__(
        self,
        base_url: str = "http://localhost:57374",
        token: AnyToken | None = None,
        timeout: float = 30.0,
        *,
        max_retries: int = 2,
        path_style: PathStyle = "auto",
        connect_timeout: float = 5.0,
        max_connections: int = 256,
        headers: Mapping[str, str] | None = None,
        max_body_bytes: int = 67108864,
        app_info: str | None = None,
        proxy: str | None = None,
        ca_file: Path = None,
        system_roots: bool = False,
        client_cert_file: Path = None,
        client_key_file: Path = None,
    ) -> None:
        """Makes a client; it connects nowhere yet.

        Args:
            base_url: Where the control plane is: `http` or `https`, a host, perhaps a port and a
                path.
            token: The bearer token, or a function without parameters that returns it; None calls
                without one. The function is called before each attempt and once more after a 401;
                what it raises, the call raises. `AutonomiClient` calls it on the thread of the
                call, `AsyncAutonomiClient` in the task of the call; there it may be an `async def`.
            timeout: Seconds that a call may take, retries and waits included.
            max_retries: How often a failed attempt is repeated where repeating is safe.
            path_style: Which paths the server speaks: `guide` for those of the SDK guide, `v2` for
                those of deployed servers, `auto` to find out and remember.
            connect_timeout: Seconds that opening a connection may take, within `timeout`.
            max_connections: How many connections may be in use at once; further calls wait for one.
                `AsyncAutonomiClient` has at most as many threads.
            headers: Headers to send with every request, beside the client's own, which they cannot
                replace.
            max_body_bytes: The largest answer that is read, after decompression; one that is larger
                is a `DecodeError`.
            app_info: Names the application at the end of the `User-Agent`, for example
                `deploy-bot/2.1`.
            proxy: URL of the proxy, for example `http://user:secret@proxy:3128`; an empty string
                uses none. Default: `HTTPS_PROXY` or `HTTP_PROXY` by the scheme of `base_url`, then
                `ALL_PROXY`, unless `NO_PROXY` names the host. Loopback addresses are always direct.
            ca_file: PEM file with certificates to trust beside the default ones.
            system_roots: Trust what the operating system trusts instead of the bundled Mozilla
                roots.
            client_cert_file: PEM file with the client certificate and its chain; needs
                `client_key_file`.
            client_key_file: PEM file with the private key of the client certificate.

        Raises:
            ConfigError: A value is no good.
            TypeError: A value has the wrong type.

        Warns:
            InsecureTransportWarning: A token would go to another machine in clear text. Once for each
                client.
        """
        version = sys.version_info
        self._native = _native.Client(
            base_url=base_url,
            token=_bare(token),
            timeout=timeout,
            max_retries=max_retries,
            path_style=path_style,
            connect_timeout=connect_timeout,
            max_connections=max_connections,
            headers=headers,
            max_body_bytes=max_body_bytes,
            app_info=app_info,
            proxy=proxy,
            ca_file=ca_file,
            system_roots=system_roots,
            client_cert_file=client_cert_file,
            client_key_file=client_key_file,
            language=f"Python/{version.major}.{version.minor}.{version.micro}",
        )
        self._warned = False
        self._made()
        self._warn()

    @classmethod
    def from_env(cls: type[Self], **overrides: Unpack[_Options[AnyToken]]) -> Self:
        """Makes a client from environment variables; the constructor reads none of them.

        They are `LOKI_BASE_URL`, `LOKI_API_TOKEN` or `LOKI_API_TOKEN_FILE` (a file that holds it),
        `LOKI_TIMEOUT` (seconds), `LOKI_MAX_RETRIES`, `LOKI_PATH_STYLE` and `LOKI_CA_FILE`. One
        that is empty counts as not set.

        Args:
            overrides: Parameters of the constructor that are set here, whatever the environment
                says: their variables are not looked at.

        Raises:
            ConfigError: A variable or a value is no good; the message names it.
            TypeError: A value has the wrong type.
        """
        import os

        options: dict[str, Any] = {**_native.settings(os.environ.get, list(overrides)), **overrides}
        return cls(**options)

    def with_options(
        self: Self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        token: AnyToken | _Unchanged | None = _UNCHANGED,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Returns a client that differs in some options and shares the connections with this one.

        Each of the two is closed by itself.

        Args:
            timeout: Seconds that a call may take. Default: as before.
            max_retries: How often a failed attempt is repeated. Default: as before.
            token: Another token, a function that returns it, or None to call without one. If it is
                not given, the two clients have one token between them: `set_token` on either
                changes it for both.
            headers: Headers to send with every request, instead of those of this client. Default:
                as before.

        Raises:
            ConfigError: A value is no good, or this client is closed.
            TypeError: A value has the wrong type.
        """
        given: dict[str, Any] = {"timeout": timeout, "max_retries": max_retries, "headers": headers}
        changes = {name: value for name, value in given.items() if value is not None}
        if not isinstance(token, _Unchanged):
            changes["token"] = _bare(token)
        # Not `__init__`: a subclass may have given it other parameters.
        client = object.__new__(type(self))
        client.__dict__.update(self.__dict__)
        client._native = self._native.with_options(**changes)
        client._made()
        client._warn()
        return client

    def set_token(self, token: AnyToken | None) -> None:
        """Exchanges the token, from the next attempt on, also of calls that are under way.

        Args:
            token: The new token, a function that returns it, or None to call without one.

        Raises:
            ConfigError: It cannot be sent; the old one stays.
            TypeError: It has the wrong type; the old one stays.
        """
        self._native.set_token(_bare(token))
        self._warn()

    def _made(self) -> None:
        """Sets what a subclass has for each client of its own, now that `_native` is there."""

    def _warn(self) -> None:
        """Warns of what is unwise about the set-up, in the name of who called into this package."""
        messages = [] if self._warned else self._native.warnings()
        if messages:
            import warnings

            self._warned = True
            level, frame = 1, sys._getframe()
            while frame.f_back and str(frame.f_globals.get("__name__")).startswith("loki_mode_sdk."):
                level, frame = level + 1, frame.f_back
            for message in messages:
                warnings.warn(message, InsecureTransportWarning, stacklevel=level)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._native.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled or copied: it holds connections and a secret. "
            "Make a client where it is used, or one that differs with `with_options`."
        )


class AutonomiClient(BaseClient["Token"], Helpers, LiveOperations):
    """A client of one control plane.

    It can be shared by threads and is usable in a child after a fork. It opens connections when
    they are needed and keeps them for the next call; `close`, or leaving a `with` block, ends them.

    The logger `loki_mode_sdk` gets a DEBUG line for each attempt, without query, headers and body.
    `LOKI_LOG=debug` in the environment writes these lines to stderr.

    What it is called with is explained at `__init__`.
    """

    _native: _native.Client

    @property
    def raw(self) -> RawOperations:
        """The operations, returning a `RawResponse`: status, headers and attempts beside the data."""
        from loki_mode_sdk.generated.raw import RawOperations

        return RawOperations(self._native)

    def close(self) -> None:
        """Ends idle connections and streams; every later call fails."""
        self._native.close()

    def __enter__(self: Entered) -> Entered:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _bare(token: object) -> Any:
    """The token itself, without the object that hides it."""
    return token.token if isinstance(token, TokenAuth) else token


Client = AutonomiClient
