"""A token shows nowhere but on the wire and where a program asks for it by name."""

from __future__ import annotations

import json
import logging
import pickle
import pprint
import sys
import traceback

import pytest

from loki_mode_sdk import AutonomiClient, AutonomiError, EventStream, TaskManager, TokenAuth
from servers import ControlPlane

CANARY = "loki_canary_5ecret"
ECHO = {"detail": f"bad token Bearer {CANARY}", "error": {"code": CANARY, "message": CANARY}}


def told(error):
    """Whatever an error says, in every way in which it can be asked."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    # Those of this file hold the token as a matter of course.
    frames.stack[:] = [frame for frame in frames.stack if "loki_mode_sdk" in frame.filename]
    yield from (repr(error), str(error), repr(vars(error)), repr(error.args))
    yield "".join(frames.format())
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(error, protocol).decode("latin-1")


@pytest.mark.parametrize(
    "reply",
    [
        *({"status": status, "json": ECHO} for status in (400, 401, 403, 404, 405, 409, 410, 418, 422, 429, 500, 501)),
        {"status": 422, "json": {"detail": [{"loc": ["body", "name"], "msg": CANARY, "input": CANARY}]}},
        {"status": 403, "json": {"detail": f"Insufficient permissions. Required scope: {CANARY}"}},
        {"status": 302, "headers": {"location": f"http://elsewhere.test/{CANARY}"}},
        {"status": 200, "text": f"<html>{CANARY}</html>", "headers": {"content-type": "text/html"}},
        {"status": 200, "json": {"id": 1, "name": [CANARY]}},
        {"status": 200, "text": f'{{"id": 1, "name": "{CANARY}', "headers": {"content-type": "application/json"}},
        {"faults": {"garbage": f"{CANARY}\r\n\r\n"}},
        {"faults": {"cut_after": 0}},
    ],
    ids=lambda reply: str(reply.get("status", reply.get("faults"))),
)
@pytest.mark.parametrize("provided", [False, True], ids=["fixed", "provided"])
def test_errors_and_logs(client_of, reply, provided, caplog):
    token = (lambda: CANARY) if provided else CANARY
    client = client_of({**reply, "repeat": 4}, token=token, max_retries=0, path_style="guide")
    with caplog.at_level(logging.DEBUG), pytest.raises(AutonomiError) as caught:
        client.create_project("x", "a description")
    for text in told(caught.value):
        assert CANARY not in text
    assert "/api/projects" in caplog.text
    assert CANARY not in caplog.text


def test_connection_errors(fault_server, caplog):
    for url, options in [
        (fault_server.refuse(), {}),
        ("http://user.invalid", {"proxy": f"http://user:{CANARY}@127.0.0.1:1"}),
    ]:
        client = AutonomiClient(url, max_retries=0, headers={"x-key": CANARY}, **options)
        with caplog.at_level(logging.DEBUG), pytest.raises(AutonomiError) as caught:
            client.list_runs(status=CANARY)
        for text in (*told(caught.value), repr(client), repr(vars(client)), caplog.text):
            # What the call was given stands among its locals, as anything does.
            assert CANARY not in text.replace(f"status = '{CANARY}'", "").replace(f"'{CANARY}', ", "")


def test_wrong_options():
    for options in (
        {"token": f"{CANARY}\n"},
        {"headers": {"x-key": f"{CANARY}\n"}},
        {"headers": {"authorization": CANARY}},
        {"base_url": f"http://user:{CANARY}@localhost"},
        {"base_url": "https://cp.test", "proxy": f"socks5://user:{CANARY}@proxy"},
        {"base_url": "https://cp.test", "proxy": f"http://user:{CANARY}@ bad"},
    ):
        with pytest.raises(AutonomiError) as caught:
            AutonomiClient(**options)
        for text in (str(caught.value), repr(caught.value), repr(vars(caught.value))):
            assert CANARY not in text


def test_objects():
    client = AutonomiClient(token=CANARY, headers={"x-key": CANARY})
    derived = client.with_options(token=TokenAuth(CANARY))
    derived.set_token(CANARY)
    for value in (client, derived, client.raw, TaskManager(client), EventStream(client), TokenAuth(CANARY)):
        for shown in (value, getattr(value, "__dict__", None), getattr(value, "_native", None)):
            assert CANARY not in repr(shown)
            assert CANARY not in str(shown)
    with pytest.raises(TypeError) as caught:
        pickle.dumps(client)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("profile", ["guide", "v5.51", "v9.22"])
def test_new_keys_are_masked_and_there(profile, caplog):
    with ControlPlane(profile) as plane, caplog.at_level(logging.DEBUG):
        client = AutonomiClient(plane.base_url, plane.TOKEN)
        created = client.create_api_key(f"masked-{profile}")
        rotated = client.rotate_api_key(created.get("id") or created["name"], grace_period_hours=1)
        answer = client.raw.create_api_key(f"raw-{profile}")
        for record in (created, rotated, answer.data):
            token = record["token"]
            assert token.startswith("loki_")
            texts = [repr(record), str(record), f"{record}", repr(answer), caplog.text]
            if sys.version_info >= (3, 10):
                # That of 3.9 takes any dict apart by itself when it does not fit in a line.
                texts.append(pprint.pformat(record))
            for text in texts:
                assert token not in text
            assert json.loads(json.dumps(record))["token"] == token
