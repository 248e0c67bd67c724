"""What can go wrong: one base class, and a class for each thing that a program may handle."""

from __future__ import annotations

__all__ = [
    "APIConnectionError",
    "APITimeoutError",
    "AuthenticationError",
    "AutonomiError",
    "ConfigError",
    "ConflictError",
    "DecodeError",
    "FieldError",
    "ForbiddenError",
    "KeyRotationError",
    "NotAvailableError",
    "NotAvailableOnControlPlaneError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ServerError",
    "ValidationError",
    "WebhookVerificationError",
]


class AutonomiError(Exception):
    """Base of all errors of this package; `str()` is the message.

    Attributes:
        status_code: Status of the server's answer; None if there was none.
        response_body: Body of that answer as text, as far as it is kept.
        code: The server's own code for the error, if it sent one.
        method: HTTP method of the request.
        path: Path of the request, without its query.
        attempts: How many requests were sent, or begun, for this call.
        retry_after: Seconds after which the server asks to be tried again.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        response_body: str | None = None,
        code: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
    ) -> None:
        # Everything but the message is kept in `__dict__`: that is what `Exception` pickles.
        super().__init__(message)
        self.status_code = status_code
        self.response_body = response_body
        self.code = code
        self.method = method
        self.path = path
        self.attempts = attempts
        self.retry_after = retry_after


class AuthenticationError(AutonomiError):
    """401: the token is missing, wrong, expired or revoked; servers do not say which."""


class PermissionDeniedError(AutonomiError):
    """403: the token does not allow this.

    Attributes:
        required_scope: The scope that the token lacks, if the server named it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        required_scope: str | None = None,
        status_code: int | None = None,
        response_body: str | None = None,
        code: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status_code=status_code,
            response_body=response_body,
            code=code,
            method=method,
            path=path,
            attempts=attempts,
            retry_after=retry_after,
        )
        self.required_scope = required_scope


ForbiddenError = PermissionDeniedError


class NotFoundError(AutonomiError):
    """404: there is no such thing, or this server lacks the route; the message says which."""


class ConflictError(AutonomiError):
    """409: in conflict with what is there."""


class FieldError:
    """What the server says about one field of a request; never the value that was sent.

    Attributes:
        location: Where, for example `body.name`.
        message: What is wrong with it.
    """

    __slots__ = ("location", "message")

    def __init__(self, location: str, message: str) -> None:
        self.location: str = location
        self.message: str = message

    def __repr__(self) -> str:
        return f"FieldError(location={self.location!r}, message={self.message!r})"

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FieldError):
            return NotImplemented
        return (self.location, self.message) == (other.location, other.message)

    def __hash__(self) -> int:
        return hash((self.location, self.message))

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, str]]:
        # Protocols 0 and 1 cannot pickle slots by themselves.
        return FieldError, (self.location, self.message)


class ValidationError(AutonomiError):
    """400 or 422: the server refused the arguments.

    Attributes:
        errors: What it says about single fields.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errors: list[FieldError] | None = None,
        status_code: int | None = None,
        response_body: str | None = None,
        code: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status_code=status_code,
            response_body=response_body,
            code=code,
            method=method,
            path=path,
            attempts=attempts,
            retry_after=retry_after,
        )
        self.errors: list[FieldError] = [] if errors is None else errors


class RateLimitError(AutonomiError):
    """429: too many requests; `retry_after` says when to try again, if the server said so."""


class NotAvailableError(AutonomiError):
    """This server does not offer the operation: 410, 501, an unknown route, or a web page where JSON was due."""


NotAvailableOnControlPlaneError = NotAvailableError


class ServerError(AutonomiError):
    """Any other 5xx."""


class APIConnectionError(AutonomiError):
    """The server cannot be reached, or the connection was lost.

    Attributes:
        maybe_executed: Whether the server may have executed the request.
    """

    def __init__(
        self,
        message: str = "",
        *,
        maybe_executed: bool | None = None,
        status_code: int | None = None,
        response_body: str | None = None,
        code: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status_code=status_code,
            response_body=response_body,
            code=code,
            method=method,
            path=path,
            attempts=attempts,
            retry_after=retry_after,
        )
        self.maybe_executed = maybe_executed


class APITimeoutError(APIConnectionError):
    """The call took longer than its timeout."""


class DecodeError(AutonomiError):
    """A successful answer that is not what the operation returns; the message names the place.

    Also the body of a webhook that is no JSON object.
    """


class ConfigError(AutonomiError, ValueError):
    """A bad option, id or argument, noticed before anything was sent.

    Attributes:
        param: The option or parameter at fault.
    """

    def __init__(
        self,
        message: str = "",
        *,
        param: str | None = None,
        status_code: int | None = None,
        response_body: str | None = None,
        code: str | None = None,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            status_code=status_code,
            response_body=response_body,
            code=code,
            method=method,
            path=path,
            attempts=attempts,
            retry_after=retry_after,
        )
        self.param = param


class WebhookVerificationError(AutonomiError):
    """A webhook that is not to be trusted; the message says what to check.

    Attributes:
        reason: Why, for programs: `no_secret`, `missing_signature`, `malformed_signature`,
            `malformed_headers`, `bad_signature`, `too_old` or `too_new`.
    """

    def __init__(self, message: str = "", *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class KeyRotationError(AutonomiError):
    """A key was rotated, but its new token could not be stored, or the old key not be deleted afterwards.

    The message says which key still works; what went wrong is the `__cause__`.

    Attributes:
        token: The new token, so that it is not lost; neither the message nor `repr` shows it.
        new_key_id: Identifier of the new key, if the server said it.
        old_key_id: Identifier of the old key, which still works, if the server said it.
        old_key_expires_at: Until when the old key works, as the server says it.
        stored: Whether the new token was stored.
    """

    def __init__(
        self,
        message: str = "",
        *,
        token: str = "",
        new_key_id: str | None = None,
        old_key_id: str | None = None,
        old_key_expires_at: str | None = None,
        stored: bool = False,
    ) -> None:
        super().__init__(message)
        self.token = token
        self.new_key_id = new_key_id
        self.old_key_id = old_key_id
        self.old_key_expires_at = old_key_expires_at
        self.stored = stored


for _name in __all__:
    # Tracebacks and pickles name classes by the path that users import.
    globals()[_name].__module__ = "loki_mode_sdk"
