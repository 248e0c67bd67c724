"""Webhooks that come in: whether they are from who they seem to be from, and what they say.

`unwrap` checks the signature and reads the body; `verify` and `parse` do one of the two. `sign`
makes the headers of a sender, for tests.
"""

from __future__ import annotations

from loki_mode_sdk import _native
from loki_mode_sdk.errors import WebhookVerificationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any, ClassVar, Literal, Protocol, Union

    class _HasItems(Protocol):
        def items(self) -> Iterable[tuple[Any, Any]]: ...

    Body = Union[bytes, bytearray, memoryview, str]
    Headers = Union[Mapping[str, Any], _HasItems, Iterable[tuple[Any, Any]]]
    Key = Union[str, bytes, bytearray, memoryview]
    Secret = Union[Key, None]
    Secrets = Union[Secret, Iterable[Secret]]

__all__ = [
    "ApprovalRequest",
    "WebhookEvent",
    "WebhookVerificationError",
    "parse",
    "sign",
    "unwrap",
    "verify",
]


class WebhookEvent:
    """What a webhook says. A field that was not sent, or is of another type, is None.

    Attributes:
        type: What happened: `type` or `event` of the body, in the words of the guide, so that
            `task_complete`, as servers say, is `task_completed`, too. Known: `session_start`,
            `session_end`, `task_completed`, `milestone`, `error`, `warning`, `approval_request`;
            any other word is kept as it came.
        payload: The body, as it came.
        project: Name of the project.
        title: What happened, in a line.
        message: What happened, at length.
        timestamp: When it happened, as it came.
        metadata: Whatever belongs to this kind of event.
        task_id: The task that it is about: `task_id` of the body or of its metadata.
    """

    __slots__ = ("message", "metadata", "payload", "project", "task_id", "timestamp", "title", "type")

    type: str | None
    payload: dict[str, Any]
    project: str | None
    title: str | None
    message: str | None
    timestamp: str | None
    metadata: dict[str, Any] | None
    task_id: int | str | None

    def __init__(self, fields: Mapping[str, Any], payload: dict[str, Any]) -> None:
        for name in WebhookEvent.__slots__:
            setattr(self, name, fields.get(name))
        self.payload = payload

    @property
    def timestamp_dt(self) -> datetime | None:
        """`timestamp` as a datetime in UTC; a ValueError if it is none."""
        return None if self.timestamp is None else _native.parse_timestamp(self.timestamp)

    def to_dict(self) -> dict[str, Any]:
        """Returns the body, as it came; nothing in it is shared with the event.

        `parse(json.dumps(event.to_dict()))` is the way back.
        """
        import copy

        return copy.deepcopy(self.payload)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.payload!r})"

    def __eq__(self, other: object) -> bool:
        return self.payload == other.payload if isinstance(other, WebhookEvent) else NotImplemented

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # as of anything that holds a dict

    def __reduce__(self) -> tuple[Any, ...]:
        import json

        return parse, (json.dumps(self.payload),)


class ApprovalRequest(WebhookEvent):
    """A gate of a run wants to be approved: `type` is `approval_request`.

    Attributes:
        id: Identifier of the request.
        phase: Phase of the run.
        gate: Name of the gate.
        context: What is to be approved of.
        created_at: When it was asked, as it came.
    """

    __slots__ = ("context", "created_at", "gate", "id", "phase")

    id: int | str | None
    phase: str | None
    gate: str | None
    context: Any
    created_at: str | None

    def __init__(self, fields: Mapping[str, Any], payload: dict[str, Any]) -> None:
        super().__init__(fields, payload)
        approval = fields["approval"]
        self.id = approval.get("id")
        self.phase = approval.get("phase")
        self.gate = approval.get("gate")
        self.context = approval.get("context")
        self.created_at = approval.get("createdAt")

    @property
    def created_at_dt(self) -> datetime | None:
        """`created_at` as a datetime in UTC; a ValueError if it is none."""
        return None if self.created_at is None else _native.parse_timestamp(self.created_at)


def verify(
    body: Body,
    headers: Headers,
    secrets: Secrets,
    *,
    tolerance: float = 300,
    now: float | None = None,
) -> None:
    """Checks that a webhook was signed by somebody who knows one of the secrets.

    The first of these headers that has something in it decides:

    - `webhook-signature`: Standard Webhooks, with `webhook-id` and `webhook-timestamp`;
    - `X-Loki-Signature`: HMAC-SHA256 of the body in hexadecimal, perhaps after `sha256=`;
    - `X-Hub-Signature-256`: the same, as GitHub sends it.

    Args:
        body: The raw body: `request.get_data()` in Flask, `await request.body()` in FastAPI,
            `request.body` in Django. A str stands for its UTF-8.
        headers: Those of the request: those of any framework, a dict, a WSGI environment, or pairs,
            as ASGI has them. Names may be in any case; a value that is None is not there.
        secrets: The secret, or several, of which any will do, while they are exchanged. Text that
            begins with `whsec_` is base64 for Standard Webhooks; bytes are the key itself. None and
            empty ones are left out.
        tolerance: How many seconds the time of a Standard Webhook may be from now, before or after;
            infinity allows any.
        now: The time, in seconds since 1970. Default: the clock's.

    Raises:
        WebhookVerificationError: It is not to be trusted; `reason` says why. Also if there is no
            secret at all.
        ConfigError: A secret has white space around it or is no base64 after `whsec_`, or a
            number is no good.
        TypeError: The body is not raw, or another argument has the wrong type.
    """
    if now is None:
        # Not in the native module: so tests can turn the clock.
        import time

        now = time.time()
    _native.verify_webhook(body, headers, secrets, tolerance, now)


def parse(body: Body) -> WebhookEvent:
    """Reads the body of a webhook, without a look at who sent it.

    Loki Mode itself does not sign what it sends to `LOKI_WEBHOOK_URL`: where that arrives, the
    way has to be protected otherwise.

    Args:
        body: The raw body.

    Returns:
        The event; an `ApprovalRequest` if it is one.

    Raises:
        DecodeError: The body is no JSON object.
        TypeError: The body is not raw.
    """
    fields, payload = _native.parse_webhook(body)
    return (ApprovalRequest if "approval" in fields else WebhookEvent)(fields, payload)


def unwrap(
    body: Body,
    headers: Headers,
    secrets: Secrets,
    *,
    tolerance: float = 300,
    now: float | None = None,
) -> WebhookEvent:
    """Checks a webhook and reads it: `verify`, then `parse`, with the arguments of the two.

    Returns:
        The event; an `ApprovalRequest` if it is one.

    Raises:
        WebhookVerificationError: It is not to be trusted; `reason` says why.
        DecodeError: The body is no JSON object.
        ConfigError: A secret or a number is no good.
        TypeError: The body is not raw, or another argument has the wrong type.
    """
    verify(body, headers, secrets, tolerance=tolerance, now=now)
    return parse(body)


def sign(
    body: Body,
    secret: Key,
    *,
    scheme: Literal["loki", "standard", "github"] = "loki",
    id: str | None = None,
    timestamp: float | None = None,
) -> dict[str, str]:
    """Returns the headers that a sender adds to a webhook: for tests, or to send some.

    Args:
        body: The raw body.
        secret: What both sides know.
        scheme: `loki` for `X-Loki-Signature`, `standard` for Standard Webhooks, `github` for
            `X-Hub-Signature-256`.
        id: For `standard`: identifies the webhook; visible ASCII characters. Default: a new one.
        timestamp: For `standard`: when it is sent, in seconds since 1970; its fraction is left out.
            Default: now.

    Raises:
        ConfigError: The secret is empty or malformed, there is no such scheme, or `id` or
            `timestamp` cannot be sent.
        TypeError: An argument has the wrong type.
    """
    if id is None:
        import uuid

        id = f"msg_{uuid.uuid4().hex}"
    if timestamp is None:
        import time

        timestamp = time.time()
    return _native.sign_webhook(body, secret, scheme, id, timestamp)
