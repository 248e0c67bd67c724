"""Signatures of webhooks and what webhooks say: the shared cases, and what is Python's own about them."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import math
import pickle
import subprocess
import sys
import time
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError as TheirError
from werkzeug.datastructures import EnvironHeaders, Headers

import loki_mode_sdk
from loki_mode_sdk import AutonomiError, ConfigError, DecodeError, WebhookVerificationError, webhooks
from servers import ROOT

FOLDER = ROOT / "tests" / "cases" / "webhooks"
BODY = b'{"event": "task_complete", "metadata": {"task_id": 7}}'
SECRET = "a secret of both sides"
FIELDS = ("project", "title", "message", "timestamp", "metadata", "task_id")
APPROVAL_FIELDS = ("id", "phase", "gate", "context", "created_at")


def cases(name):
    file = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    shared = {key: value for key, value in file.items() if key != "cases"}
    return [pytest.param({**shared, **case}, id=case["name"]) for case in file["cases"]]


def loki_signature(body=BODY, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_failure(caught, case):
    if "refused" in case:
        assert (type(caught.value), caught.value.reason) == (WebhookVerificationError, case["refused"])
    else:
        assert type(caught.value) is getattr(loki_mode_sdk, case["error"])
    for text in case.get("message_contains", []):
        assert text in str(caught.value)


@pytest.mark.parametrize("case", cases("verify"))
def test_verify(case):
    secrets = [base64.b64decode(s["base64"]) if isinstance(s, dict) else s for s in case["secrets"]]
    options = {"tolerance": case["tolerance_seconds"]} if "tolerance_seconds" in case else {}
    arguments = (case["body"].encode(), case["headers"], secrets)
    if case.get("accepted"):
        assert webhooks.verify(*arguments, now=case["now"], **options) is None
        return
    with pytest.raises(AutonomiError) as caught:
        webhooks.verify(*arguments, now=case["now"], **options)
    check_failure(caught, case)
    for secret in set(case["secrets"]) - {None, "", "whsec_"}:
        told = f"{caught.value!r} {vars(caught.value)}"
        assert secret.strip() not in told
        assert loki_signature(case["body"].encode(), secret) not in told


@pytest.mark.parametrize("case", cases("events"))
def test_events(case):
    if "error" in case:
        with pytest.raises(AutonomiError) as caught:
            webhooks.parse(case["body"].encode())
        return check_failure(caught, case)
    event = webhooks.parse(case["body"].encode())
    expected = case["event"]
    assert (type(event) is webhooks.ApprovalRequest) == (expected.get("type") == "approval_request")
    fields = ("type", *FIELDS, *(APPROVAL_FIELDS if isinstance(event, webhooks.ApprovalRequest) else ()))
    assert {name: getattr(event, name) for name in fields if getattr(event, name) is not None} == expected
    assert event.payload == json.loads(case["body"].lstrip("\ufeff"))
    return None


@pytest.mark.parametrize("case", cases("sign"))
def test_sign(case):
    def sign():
        return webhooks.sign(
            case["body"], case["secret"], scheme=case["scheme"], id=case["id"], timestamp=case["timestamp"]
        )

    if "error" in case:
        with pytest.raises(AutonomiError) as caught:
            sign()
        check_failure(caught, case)
    else:
        assert sign() == case["headers"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda body: body.decode()])
def test_every_form_of_a_raw_body(kind):
    event = webhooks.unwrap(kind(BODY), {"X-Loki-Signature": loki_signature()}, SECRET)
    assert (event.type, event.task_id) == ("task_completed", 7)


async def _body() -> bytes:
    return BODY


@pytest.mark.parametrize("parsed", [{}, [], 5, None, ("a",), object()], ids=lambda value: type(value).__name__)
def test_a_parsed_body_is_refused_by_name(parsed):
    for call in (
        lambda: webhooks.verify(parsed, {}, SECRET),
        lambda: webhooks.parse(parsed),
        lambda: webhooks.unwrap(parsed, {}, SECRET),
        lambda: webhooks.sign(parsed, SECRET),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        text = str(caught.value)
        assert type(parsed).__name__ in text
        assert "request.get_data()" in text
        assert "await request.body()" in text


def test_a_body_that_is_still_to_be_awaited_is_refused():
    coroutine = _body()
    with pytest.raises(TypeError, match=r"not coroutine.*await request\.body\(\)"):
        webhooks.verify(coroutine, {}, SECRET)
    coroutine.close()


def environ(**headers):
    return {"wsgi.errors": sys.stderr, "REQUEST_METHOD": "POST", "wsgi.version": (1, 0), **headers}


@pytest.mark.parametrize(
    "headers",
    [
        lambda value: {"x-loki-signature": value},
        lambda value: {"X-Loki-Signature": [value]},
        lambda value: [("Host", "a"), ("X-Loki-Signature", value)],
        lambda value: [[b"host", b"a"], [b"x-loki-signature", value.encode()]],
        lambda value: iter([(b"x-loki-signature", value.encode())]),
        lambda value: Headers([("X-Loki-Signature", value)]),
        lambda value: EnvironHeaders(environ(HTTP_X_LOKI_SIGNATURE=value)),
        lambda value: environ(HTTP_X_LOKI_SIGNATURE=value),
        lambda value: message({"X-LOKI-SIGNATURE": value}),
    ],
)
def test_headers_of_all_frameworks(headers):
    webhooks.verify(BODY, headers(loki_signature()), SECRET)
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(BODY, headers("0" * 64), SECRET)
    assert caught.value.reason == "bad_signature"


def message(headers):
    from email.message import Message

    made = Message()
    for name, value in headers.items():
        made[name] = value
    return made


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        (None, "headers must be a mapping"),
        ("X-Loki-Signature: a", "headers must be a mapping"),
        (["X-Loki-Signature: a"], "what headers lists must be pairs of a name and a value, not str"),
        ([("a", "b", "c")], "length"),
        ({5: "a"}, "names in headers"),
        ({"headers": {"X-Loki-Signature": "a"}, "body": ""}, "request.headers, not the request itself"),
        ({"type": "http", "headers": [(b"x-loki-signature", b"a")]}, "request.headers, not the request itself"),
        ({"X-Loki-Signature": 5}, "header X-Loki-Signature must be str, not int"),
        ({"X-Loki-Signature": [5]}, "header X-Loki-Signature"),
    ],
)
def test_what_are_no_headers(headers, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        webhooks.verify(BODY, headers, SECRET)


def test_secrets_of_every_kind():
    headers = {"X-Loki-Signature": loki_signature()}
    key = SECRET.encode()
    of_bytes = (key, bytearray(key), memoryview(key), memoryview(b"x" + key)[1:])
    for secrets in (SECRET, [SECRET], ("x", SECRET), {SECRET}, iter(["x", None, SECRET]), *of_bytes, list(of_bytes)):
        webhooks.verify(BODY, headers, secrets)
    for secret in of_bytes:
        assert webhooks.sign(BODY, secret) == headers
    for secrets in (None, "", b"", bytearray(), memoryview(b""), [], [None, ""]):
        with pytest.raises(WebhookVerificationError) as caught:
            webhooks.verify(BODY, {"X-Loki-Signature": loki_signature(secret="")}, secrets)
        assert caught.value.reason == "no_secret"
    for secrets in (5, {SECRET: 1}, [5], object(), [[SECRET]], array("b", key)):
        with pytest.raises(TypeError, match="secrets must be"):
            webhooks.verify(BODY, headers, secrets)


def test_times(monkeypatch):
    headers = webhooks.sign(BODY, SECRET, scheme="standard", timestamp=time.time() - 200)
    webhooks.verify(BODY, headers, SECRET)
    later = time.time() + 101
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(BODY, headers, SECRET)
    assert caught.value.reason == "too_old"
    webhooks.verify(BODY, headers, SECRET, tolerance=math.inf)
    for options in ({"tolerance": -1}, {"tolerance": math.nan}, {"now": math.inf}, {"now": -1}):
        with pytest.raises(ConfigError) as caught:
            webhooks.verify(BODY, headers, SECRET, **options)
        assert caught.value.param in options
    for options in ({"tolerance": "300"}, {"tolerance": None}, {"tolerance": True}, {"now": "now"}):
        with pytest.raises(TypeError, match=next(iter(options))):
            webhooks.verify(BODY, headers, SECRET, **options)


def test_what_cannot_be_sent_is_not_signed():
    def sign(**options):
        return webhooks.sign(BODY, SECRET, scheme="standard", **options)

    for options in [
        *({"id": id} for id in ("", "a b", "a\r\nb", "\x00", "ä", "\ud800")),
        *({"timestamp": at} for at in (math.nan, math.inf, -math.inf, -1, -0.5, 1e30, 2**70)),
    ]:
        with pytest.raises(ConfigError, match=next(iter(options))) as caught:
            sign(**options)
        assert caught.value.param in options
    for options in ({"id": 5}, {"timestamp": "5"}, {"timestamp": True}, {"timestamp": time.gmtime()}):
        with pytest.raises(TypeError, match=next(iter(options))):
            sign(**options)
    assert sign(timestamp=7.9)["webhook-timestamp"] == "7"


def test_half_of_a_surrogate_pair():
    torn = "\ud800"
    for call in (
        lambda: webhooks.sign(torn, SECRET),
        lambda: webhooks.verify(torn, {}, SECRET),
        lambda: webhooks.parse(torn),
        lambda: webhooks.sign(BODY, torn),
        lambda: webhooks.verify(BODY, {}, [torn]),
    ):
        with pytest.raises(ConfigError, match="not valid Unicode text"):
            call()
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(BODY, {"X-Loki-Signature": torn}, SECRET)
    assert caught.value.reason == "malformed_signature"
    webhooks.verify(BODY, {"X-Other": torn, torn: "a", "X-Loki-Signature": loki_signature()}, SECRET)
    with pytest.raises(DecodeError):
        webhooks.parse(rb'{"title": "\ud800"}')


def test_an_identifier_of_any_size_is_an_int():
    for number in (2**53 + 1, -(2**63) - 1, 12345678901234567890123):
        body = f'{{"type": "approval_request", "id": {number}, "metadata": {{"task_id": {number}}}}}'
        event = webhooks.parse(body)
        assert (event.task_id, event.id) == (number, number)


def test_the_error():
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(BODY, {}, SECRET)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (type(error), str(error), error.reason) == (type(caught.value), str(caught.value), "missing_signature")
    assert isinstance(error, AutonomiError)
    assert error.status_code is None
    assert webhooks.WebhookVerificationError is loki_mode_sdk.WebhookVerificationError


def test_events_behave_like_values():
    body = b'{"type": "approval_request", "id": 12345678901234567890123, "context": [1.0, "\\u00e4"]}'
    event = webhooks.parse(body)
    assert event.payload["id"] == 12345678901234567890123
    for same in (webhooks.parse(body), pickle.loads(pickle.dumps(event)), copy.deepcopy(event), copy.copy(event)):
        assert (type(same), same, same.context) == (webhooks.ApprovalRequest, event, [1.0, "ä"])
    assert webhooks.parse(json.dumps(event.to_dict())) == event
    assert (event.to_dict(), type(event.to_dict()["context"][0])) == (json.loads(body), float)
    event.to_dict()["context"].append("not the event's")
    assert event.context == event.payload["context"] == [1.0, "ä"]
    assert event != webhooks.parse(b"{}")
    assert event != body
    assert repr(webhooks.parse(b'{"event":"x"}')) == "WebhookEvent({'event': 'x'})"
    with pytest.raises(TypeError):
        hash(event)
    with pytest.raises(AttributeError):
        event.typ = "x"


def test_a_body_that_is_nested_without_end_is_an_error():
    with pytest.raises(DecodeError):
        webhooks.parse(b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


def test_the_module_is_there_after_importing_the_package_alone():
    code = "import loki_mode_sdk as l, sys; assert 'loki_mode_sdk.webhooks' not in sys.modules; l.webhooks.parse(b'{}')"
    subprocess.run([sys.executable, "-c", code], check=True)


SECRETS = st.binary(min_size=1, max_size=64)


@given(body=st.text(max_size=200), key=SECRETS, id=st.from_regex(r"[a-zA-Z0-9_]{1,20}", fullmatch=True))
def test_what_the_library_of_standard_webhooks_signs_is_accepted_and_the_other_way_round(body, key, id):
    from datetime import datetime, timezone

    secret = "whsec_" + base64.b64encode(key).decode()
    theirs = Webhook(secret)
    now = datetime.now(timezone.utc)
    headers = {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": theirs.sign(id, now, body),
    }
    webhooks.verify(body, headers, secret)
    ours = webhooks.sign(json.dumps(body), secret, scheme="standard")
    assert theirs.verify(json.dumps(body), ours) == body
    with pytest.raises(TheirError):
        theirs.verify(json.dumps(body) + " ", ours)


@given(body=st.binary(max_size=200), secret=SECRETS, data=st.data())
def test_any_flipped_bit_is_noticed(body, secret, data):
    headers = {"X-Loki-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest()}
    webhooks.verify(body, headers, secret)
    other = bytearray(body or b"\0")
    if body:
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        other[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(other, headers, secret)
    assert caught.value.reason == "bad_signature"
    signature = bytearray.fromhex(headers["X-Loki-Signature"])
    bit = data.draw(st.integers(0, 255))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WebhookVerificationError) as caught:
        webhooks.verify(body, {"X-Loki-Signature": signature.hex()}, secret)
    assert caught.value.reason == "bad_signature"


def test_a_header_that_is_none_is_not_there():
    with pytest.raises(webhooks.WebhookVerificationError) as refused:
        webhooks.verify(b"{}", {"X-Loki-Signature": {}.get("X-Loki-Signature")}, SECRET)
    assert refused.value.reason == "missing_signature"
    signed = webhooks.sign(b"{}", SECRET)
    assert webhooks.verify(b"{}", {"webhook-signature": None, **signed}, SECRET) is None
