"""Live events and the dashboard's messages."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from itertools import islice

import pytest

from loki_mode_sdk import (
    AuthenticationError,
    AutonomiClient,
    ConfigError,
    NotAvailableError,
    PermissionDeniedError,
)
from servers import ControlPlane

# Seconds after which a test gives up waiting: the failure of the test, not its pace.
PATIENCE = 60


@pytest.fixture(scope="module")
def guide():
    with ControlPlane("guide", "--keep-alive", "1") as plane:
        yield plane


def client_of(plane, token=ControlPlane.TOKEN):
    return AutonomiClient(plane.base_url, token)


@pytest.fixture
def client(guide):
    with client_of(guide) as client:
        yield client


@pytest.fixture
def run(client):
    return client.create_run(client.list_projects()[0].id)


@contextmanager
def bounded(stream):
    """Closes the stream when a test waits for something that does not come."""
    timer = threading.Timer(PATIENCE, stream.close)
    timer.start()
    try:
        with stream:
            yield stream
    finally:
        timer.cancel()


def take(stream, count):
    """The next events, but for heartbeats."""
    events = []
    while len(events) < count:
        event = next(stream)
        if event.type not in ("heartbeat", "connected"):
            events.append(event)
    return events


def refusal(kind, stream):
    """What asking for the next event raises."""
    with pytest.raises(kind) as caught:
        next(stream)
    return f"{caught.value} {caught.value!r}"


def listening(stream, client, run):
    """Waits until the server sends events to this stream: one that was made before is not seen."""
    done = threading.Event()

    def call():
        while not done.wait(0.05):
            client.create_run_event(run.id, "my:call")

    caller = threading.Thread(target=call)
    caller.start()
    try:
        while next(stream).type != "my:call":
            pass
    finally:
        done.set()
        caller.join()
    client.create_run_event(run.id, "my:end")
    while next(stream).type != "my:end":
        pass


def test_events_come_once_and_in_order(client, run):
    with bounded(client.events(session_id=f"session-{run.id}")) as events:
        listening(events, client, run)
        for number in range(20):
            client.create_run_event(run.id, "task:progress", details={"taskId": str(number)})
        seen = take(events, 20)
    assert [event.data["taskId"] for event in seen] == [str(number) for number in range(20)]
    assert len({event.id for event in seen}) == 20
    assert {event.session_id for event in seen} == {f"session-{run.id}"}
    with pytest.raises(StopIteration):
        next(events)


def test_only_what_is_asked_for(client, run):
    wanted = {"types": ["task.completed", "log:warn", "log:info", "my:call", "my:end"], "min_level": "warn"}
    with bounded(client.events(f"session-{run.id}", **wanted)) as events:
        listening(events, client, run)
        for kind in ("task:created", "log:info", "log:warn", "task:failed", "task:completed"):
            client.create_run_event(run.id, kind, details={"title": kind})
        assert [event.type for event in take(events, 2)] == ["log:warn", "task:completed"]


def test_the_latest_events_first(client, run):
    for number in range(5):
        client.create_run_event(run.id, "my:own", details={"number": number})
    with bounded(client.events(f"session-{run.id}", types=["my:own"], history=3)) as events:
        assert [event.data["number"] for event in take(events, 3)] == [2, 3, 4]


def test_a_server_that_is_restarted_leaves_a_gap_that_is_told(tmp_path):
    data = str(tmp_path / "plane.db")
    with ControlPlane("guide", "--data", data) as plane, client_of(plane) as client:
        run = client.create_run(client.list_projects()[0].id)
        with bounded(client.events(types=["my:call", "my:end", "my:own", "gap"])) as events:
            listening(events, client, run)
            plane.kill()
            plane.start()
            made = threading.Timer(1.5, client.create_run_event, (run.id, "my:own"))
            made.start()
            gap, event = take(events, 2)
            made.join()
        assert (gap.type, gap.id) == ("gap", None)
        assert gap.data["reason"] in ("server_restarted", "history_too_short")
        assert event.type == "my:own"


def test_close_ends_a_wait_in_another_thread(client):
    with bounded(client.events(types=["my:own"])) as events:
        threading.Timer(0.3, events.close).start()
        began = time.monotonic()
        assert list(events) == []
        assert time.monotonic() - began < PATIENCE / 2


def test_dashboards_have_no_live_events():
    with ControlPlane("v5.51") as plane, client_of(plane) as client, bounded(client.events()) as events:
        assert "follow runs" in refusal(NotAvailableError, events)


def test_what_cannot_be_asked_for_is_refused_at_once(client):
    with pytest.raises(ConfigError, match="min_level"):
        client.events(min_level="loud")
    with pytest.raises(ConfigError, match="session_id"):
        client.events(session_id="")
    with pytest.raises(TypeError, match="types"):
        client.events(types="task:completed")
    with pytest.raises(TypeError, match="history"):
        client.events(history="all")


def test_a_token_that_is_refused(guide):
    with client_of(guide, "loki_canary") as client, bounded(client.events()) as events:
        assert "canary" not in refusal(AuthenticationError, events)


# ---- the dashboard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["guide", "v5.51", "v9.22"])
def test_messages_of_the_dashboard(profile):
    with ControlPlane(profile) as plane, client_of(plane) as client:
        project = client.list_projects()[0]
        with bounded(client.watch(subscribe={"channels": ["projects"]})) as messages:
            greeting, confirmation = next(messages), next(messages)
            assert (greeting.type, confirmation.type) == ("connected", "subscribed")
            assert confirmation.data == {"channels": ["projects"]}
            client.update_project(project.id, name="another name")
            told = next(messages)
        assert (told.type, told.data["id"]) == ("project_updated", project.id)


def test_a_lost_dashboard_is_told_and_connected_to_again(tmp_path):
    data = str(tmp_path / "plane.db")
    with ControlPlane("v9.22", "--data", data) as plane, client_of(plane) as client:
        messages = client.watch()
        with bounded(messages):
            assert next(messages).type == "connected"
            plane.kill()
            plane.start()
            assert [next(messages).type for _ in range(2)] == ["gap", "connected"]


def test_a_dashboard_that_refuses_does_not_show_the_token(guide):
    with client_of(guide, "loki_canary") as client, bounded(client.watch()) as messages:
        assert "canary" not in refusal(PermissionDeniedError, messages)


# ---- what comes in bursts, and what comes alone ----------------------------------------------------------------------


def frames(count):
    event = '{{"id":"evt_{0}_1","type":"task:created","timestamp":"2026-11-21T22:57:36Z","data":{{"n":{0}}}}}'
    return "".join(f"id: evt_{n}_1\nevent: task:created\ndata: {event.format(n)}\n\n" for n in range(count))


@pytest.fixture(params=["plain", "tls"])
def sending(request, fault_server):
    """Makes a client of a server that sends this text as its stream of events."""

    def make(text, **faults):
        reply = {"headers": {"content-type": "text/event-stream"}, "text": text, "faults": {"chunked": True, **faults}}
        if request.param == "plain":
            return AutonomiClient(fault_server.serve([reply]))
        served = fault_server.serve_tls([reply])
        return AutonomiClient(served["base_url"], ca_file=served["ca_file"])

    return make


def test_a_burst_comes_whole_and_in_order(sending):
    with sending(frames(20_000)) as client, bounded(client.events()) as events:
        assert [event.data["n"] for event in islice(events, 20_000)] == list(range(20_000))


def test_an_event_does_not_wait_for_the_next_ones(sending):
    """What follows takes a minute, of which nothing is waited for."""
    with sending(frames(1) + ": nothing\n" * 2000, drip_ms=3) as client, bounded(client.events()) as events:
        began = time.monotonic()
        assert next(events).data["n"] == 0
        assert time.monotonic() - began < 10
