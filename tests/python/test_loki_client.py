"""The client of the HTTP/SSE API, as its readme shows it."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import subprocess
import sys
import threading

import pytest

from loki_mode_sdk import ConfigError, ConflictError, DecodeError, LokiClient, NotFoundError
from loki_mode_sdk.generated.client import Operations
from loki_mode_sdk.generated.loki import LokiOperations
from servers import ControlPlane

PATIENCE = 60


@pytest.fixture(scope="module")
def plane():
    with ControlPlane("guide", "--session-speed", "5") as plane:
        yield plane


@pytest.fixture
def client(plane):
    with LokiClient(plane.base_url, plane.TOKEN) as client:
        yield client


@pytest.fixture
def session(client):
    started = client.start_session(provider="claude", prd_path="./docs/prd.md")
    yield started
    # The test may have stopped it, or it has come to its end.
    with contextlib.suppress(ConflictError):
        client.stop_session(started.session_id)


def test_errors_do_not_name_methods_of_the_other_client(client_of):
    """Those have other names there: `get_session` is not the `get_session` of `AutonomiClient`."""
    client = LokiClient(client_of({"text": "?", "repeat": 100}, max_retries=0)._native.base_url, path_style="guide")
    others = {name for name in dir(Operations) if not name.startswith("_")} - {"events"}
    for name in dir(LokiOperations):
        call = getattr(client, name)
        if name.startswith(("_", "iter_")):
            continue
        wanted = [each for each in inspect.signature(call).parameters.values() if each.default is each.empty]
        if name != "delete_session":  # the one that returns nothing
            with pytest.raises(DecodeError, match="is not what the operation returns") as caught:
                call(*("x" for _ in wanted))
            assert not others & set(re.findall(r"\w+", str(caught.value))), str(caught.value)
        if wanted:
            with pytest.raises((TypeError, ConfigError)) as refused:
                call(*(None for _ in wanted))
            assert not others & set(re.findall(r"\w+", str(refused.value))), str(refused.value)


def test_a_session_from_start_to_stop(client):
    assert client.live() is not None
    assert client.health().status == "healthy"
    seen = threading.Event()
    kinds = []

    def note(event):
        kinds.append(event.type)
        if event.type == "task:created":
            seen.set()

    unsubscribe = client.subscribe(note)
    started = client.start_session(provider="claude", prd_path="./docs/prd.md")
    status = client.get_session(started.session_id)
    assert status.session.id == started.session_id
    assert status.session.prd_path == "./docs/prd.md"
    assert status.tasks.total >= 0
    assert seen.wait(PATIENCE)
    assert started.session_id in [each.id for each in client.list_sessions().sessions]
    client.stop_session(started.session_id)
    unsubscribe()
    count = len(kinds)
    unsubscribe()
    assert client.get_session(started.session_id).session.status in ("stopped", "completed", "stopping")
    assert len(kinds) == count
    assert client.get_event_history(limit=5).count >= 1


def test_errors_have_the_servers_code(client):
    with pytest.raises(NotFoundError) as caught:
        client.get_session("nobody")
    assert caught.value.code == "SESSION_NOT_FOUND"


def test_what_a_callback_raises_is_logged_and_ends_nothing(client, session, caplog):
    told = threading.Semaphore(0)

    def fail(event):
        told.release()
        raise RuntimeError("the callback's own")

    with caplog.at_level(logging.ERROR, logger="loki_mode_sdk"):
        unsubscribe = client.subscribe(fail, history=100)
        assert all(told.acquire(timeout=PATIENCE) for _ in range(2))
        unsubscribe()
    assert "the callback's own" in caplog.text


def test_a_callback_can_end_its_own_subscription(client, session):
    ended = threading.Event()
    calls = []

    def once(event):
        calls.append(event)
        unsubscribe()
        ended.set()

    ready = threading.Event()

    def wait(event):
        ready.wait(PATIENCE)
        once(event)

    unsubscribe = client.subscribe(wait, history=100)
    ready.set()
    assert ended.wait(PATIENCE)
    unsubscribe()
    assert len(calls) == 1


def test_callbacks_can_end_each_other(plane, session):
    """All of them at the same time: none waits for one that waits for it."""
    client = LokiClient(plane.base_url, plane.TOKEN)
    together = threading.Barrier(3, timeout=PATIENCE)
    ended = threading.Semaphore(0)

    def close(event):
        together.wait()
        client.close()
        ended.release()

    for _ in range(3):
        client.subscribe(close, history=100)
    assert all(ended.acquire(timeout=PATIENCE) for _ in range(3))
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "loki-mode-subscription"]


def test_closing_ends_subscriptions_and_their_threads(plane):
    client = LokiClient(plane.base_url, plane.TOKEN)
    client.subscribe(lambda event: None)
    client.subscribe(lambda event: None, types=["task:completed"])
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "loki-mode-subscription"]


def test_errors_of_a_subscription_are_told(plane):
    told = threading.Event()
    with LokiClient(plane.base_url, "loki_wrong") as client:
        client.subscribe(lambda event: None, on_error=lambda error: told.set())
        assert told.wait(PATIENCE)


def test_a_callback_has_to_be_one(client):
    with pytest.raises(TypeError, match="callback must be a function, not str"):
        client.subscribe("print")


LEFT_OPEN = """
import sys
from loki_mode_sdk import LokiClient
client = LokiClient(sys.argv[1], sys.argv[2])
client.subscribe(print)
print("leaving")
"""


def test_the_interpreter_ends_with_a_subscription_open(plane):
    command = [sys.executable, "-c", LEFT_OPEN, plane.base_url, plane.TOKEN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "leaving" in done.stdout
