"""Sessions, their tasks and the health of a server, against the local control plane."""

from __future__ import annotations

import time

import pytest

from loki_mode_sdk import (
    AutonomiClient,
    ConflictError,
    NotFoundError,
    ServerError,
    Session,
    SessionManager,
    SessionStatus,
    ValidationError,
)
from loki_mode_sdk.generated.loki import LokiOperations
from servers import ControlPlane


class Loki(LokiOperations):
    def __init__(self, client):
        self._client = client


def connect(server):
    return AutonomiClient(server.base_url, server.TOKEN)


@pytest.fixture
def client(control_plane):
    with connect(control_plane) as client:
        yield client


@pytest.fixture(scope="module")
def loki():
    """A client of a server whose sessions are over in a moment."""
    with ControlPlane("guide", "--session-speed", "10") as server, connect(server) as client:
        yield Loki(client)


def ended(loki, session_id):
    deadline = time.monotonic() + 30
    while (status := loki.get_session(session_id)).session.status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status


def test_a_session_from_its_start_to_its_end(loki):
    started = loki.start_session("./docs/prd.md", "claude", {"verbose": True})
    with pytest.raises(ConflictError) as conflict:
        loki.start_session()
    assert conflict.value.code == "SESSION_ALREADY_RUNNING"
    status = ended(loki, started.session_id)
    assert isinstance(status, SessionStatus)
    assert (status.session.status, status.session.prd_path) == ("completed", "./docs/prd.md")
    assert (status.tasks.total, status.tasks.completed, status.agents.active) == (3, 3, 0)
    tasks = loki.list_session_tasks(started.session_id, "completed", limit=2)
    assert [task.session_id for task in tasks.tasks] == [started.session_id] * 2
    assert (tasks.pagination.total, tasks.pagination.has_more) == (3, True)
    history = loki.get_event_history(started.session_id, ["task:completed", "session:completed"])
    assert [event.type for event in history.events] == ["task:completed"] * 3 + ["session:completed"]
    assert history.events[0].data["title"]
    assert loki.get_event_stats()["eventsByType"]["task:completed"] >= 3
    assert loki.delete_session(started.session_id) is None
    with pytest.raises(NotFoundError) as unknown:
        loki.get_session(started.session_id)
    assert unknown.value.code == "SESSION_NOT_FOUND"
    with pytest.raises(ValidationError):
        loki.start_session(provider="nobody")


def test_a_session_can_be_stopped_and_talked_to(loki):
    session_id = loki._client.create_run("proj-1").session_id
    assert loki.send_input(session_id, "yes", context="deploy")["success"] is True
    assert loki.stop_session(session_id)["status"] == "stopped"
    for refused in (lambda: loki.stop_session(session_id), lambda: loki.send_input(session_id, "yes")):
        with pytest.raises(ConflictError):
            refused()
    listed = loki.list_sessions()
    assert {session.id: session.status for session in listed.sessions}[session_id] == "stopped"
    assert listed.total == len(listed.sessions) > listed.running
    assert loki.list_active_tasks().count == loki.list_queued_tasks().count == 0
    assert len(loki.list_tasks(limit=2)) == 2


def test_both_views_of_a_session_show_the_same_on_every_server(client):
    listed = client.list_all_sessions()
    session_id = listed.sessions[0].id
    session, status = client.get_session(session_id), client.get_session_status(session_id)
    assert isinstance(session, Session)
    assert (session.id, session.status) == (status.session.id, status.session.status)
    assert session.started_at == status.session.started_at
    assert SessionManager(client).get_session(session_id) == session
    for look in (client.get_session, client.get_session_status):
        with pytest.raises(NotFoundError):
            look("nope")


def test_a_server_that_is_not_well_says_so_without_an_error():
    with ControlPlane("guide", "--without-providers") as server, connect(server) as client:
        loki = Loki(client)
        health = loki.health()
        assert (health.status, health.providers["claude"]) == ("unhealthy", False)
        assert client.raw.get_health().status == 503
        assert loki.ready() == {"status": "not_ready"}
        assert loki.live() == {"status": "alive"}
        with pytest.raises(ServerError) as unavailable:
            loki.start_session()
        assert unavailable.value.code == "PROVIDER_NOT_AVAILABLE"


def test_health_on_every_server(client):
    assert client.get_health().status == "healthy"


def test_a_timeline_begins_where_it_is_asked_to(client, control_plane):
    run = client.create_run(client.list_projects()[0].id)
    for number in range(3):
        client.create_run_event(run.id, "log", details={"number": number})
    events = client.get_run_timeline(run.id)
    rest = client.get_run_timeline(run.id, after=events[0].id)
    assert rest == (events[1:] if control_plane.profile == "guide" else events)
