"""The programs of the SDK guide: the same calls, arguments and order, on every profile.

Where the guide names things by words ("proj-1"), servers of the profiles `v5.51` and `v9.22` have
numbers: there the tests take those of things that exist. Nothing else differs.
"""

from __future__ import annotations

import pytest

from loki_mode_sdk import (
    AuthenticationError,
    AutonomiClient,
    AutonomiError,
    EventStream,
    NotFoundError,
    PermissionDeniedError,
    SessionManager,
    TaskManager,
)


@pytest.fixture
def connect(control_plane):
    """Makes the clients of the programs."""
    clients = []

    def make(**options):
        client = AutonomiClient(base_url=control_plane.base_url, token=control_plane.TOKEN, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ids(control_plane, connect):
    """What the guide calls "proj-1", "run-1" and so on, under its name on this server."""
    client = connect()
    if control_plane.profile == "guide":
        found = {
            "project": "proj-1",
            "run": "run-1",
            "session": "session-id",
            "missing": "nonexistent",
        }
    else:
        (session, *_) = SessionManager(client).list_sessions(client.list_projects()[0].id)
        found = {
            "project": client.list_projects()[-1].id,
            "run": client.list_runs()[-1].id,
            "session": session.id,
            "missing": 999_999,
        }
    if all(key.name != "ci-pipeline" for key in client.list_api_keys()):
        client.create_api_key("ci-pipeline")
    return found


def test_quick_start(connect, capsys):
    client = connect()

    status = client.get_status()
    print(f"API version: {status.get('version')}")

    projects = client.list_projects()
    for p in projects:
        print(f"  {p.id}: {p.name} ({p.status})")

    version, *lines = capsys.readouterr().out.splitlines()
    assert status["version"] in version
    assert lines
    assert all(p.id is not None and p.name and p.status for p in projects)


def test_client_methods(connect, ids):
    client = connect()
    tenant = client.create_tenant("Guide Tenant", description="of the guide")
    assert tenant.name == "Guide Tenant"
    assert tenant.slug
    assert tenant.id in [t.id for t in client.list_tenants()]

    # Servers from 6.37.8 on want to know the tenant; the guide's call is the one without it.
    project = client.create_project("guide project", "made by a test", tenant_id=tenant.id)
    assert (project.name, project.description) == ("guide project", "made by a test")
    assert client.get_project(project.id) == project

    run = client.create_run(project.id)
    assert client.get_run(run.id).id == run.id
    assert run.id in [r.id for r in client.list_runs(project.id)]
    cancelled = client.cancel_run(run.id)
    assert (cancelled.id, cancelled.status) == (run.id, "cancelled")
    replayed = client.replay_run(run.id)
    assert replayed.id != run.id
    timeline = client.get_run_timeline(ids["run"])
    assert timeline
    assert {event.run_id for event in timeline} == {client.get_run(ids["run"]).id}


def test_session_manager(connect, ids):
    sessions = SessionManager(connect())

    project_sessions = sessions.list_sessions(ids["project"])
    session = sessions.get_session(ids["session"])

    assert session.id == ids["session"]
    assert session.status
    assert isinstance(project_sessions, list)


def test_task_manager(connect, ids):
    tasks = TaskManager(connect())

    all_tasks = tasks.list_tasks(project_id=ids["project"], status="pending")
    assert all(task.status == "pending" for task in all_tasks)

    task = tasks.create_task(
        project_id=ids["project"],
        title="Implement auth module",
        description="Add JWT-based authentication",
        priority="high",
    )
    assert (task.title, task.priority) == ("Implement auth module", "high")
    assert task.description == "Add JWT-based authentication"

    updated = tasks.update_task(task.id, status="in_progress")
    assert (updated.id, updated.status) == (task.id, "in_progress")


def test_event_stream(connect, ids, capsys):
    client = connect()
    events = EventStream(client)
    expected = client.get_run_timeline(ids["run"])

    last_timestamp = None
    seen = []
    for _ in range(4):
        new_events = events.poll_events(ids["run"], since=last_timestamp)
        for event in new_events:
            print(f"[{event.event_type}] {event.phase}: {event.details}")
            last_timestamp = event.timestamp
            seen.append(event)
        # The guide's loop sleeps here; the run goes on meanwhile.
        created = client.create_run_event(ids["run"], "phase_start", phase="ACT", details={"n": 1})
        expected.append(created)

    # The event of the last turn has not been asked for.
    assert [event.id for event in seen] == [event.id for event in expected[:-1]]
    assert len(capsys.readouterr().out.splitlines()) == len(seen)


def test_error_handling(connect, ids, control_plane):
    client = connect()
    with pytest.raises(NotFoundError) as caught:
        client.get_project(ids["missing"])
    assert caught.value.status_code == 404
    assert str(caught.value)

    stranger = AutonomiClient(base_url=control_plane.base_url, token="loki_wrong")
    with pytest.raises(AuthenticationError):
        stranger.list_runs()

    viewer_key = client.create_api_key("guide-viewer")
    viewer = AutonomiClient(base_url=control_plane.base_url, token=viewer_key["token"])
    with pytest.raises(PermissionDeniedError) as caught:
        viewer.create_api_key("forbidden")
    assert isinstance(caught.value, AutonomiError)
    assert caught.value.status_code == 403
    assert caught.value.response_body


def test_create_api_key_is_a_viewer_unless_told(connect):
    client = connect()
    key = client.create_api_key("guide-default-role")
    assert key["token"].startswith("loki_")
    (listed,) = [k for k in client.list_api_keys() if k.id == key["id"]]
    assert listed.role == "viewer"
    assert "*" not in listed.scopes


def test_pagination(connect):
    entries = connect().query_audit(limit=50)
    assert 0 < len(entries) <= 50


def test_filtering(connect, ids):
    client = connect()
    active_runs = client.list_runs(project_id=ids["project"], status="running")
    assert all(run.status == "running" for run in active_runs)
    assert {run.project_id for run in active_runs} <= {client.get_project(ids["project"]).id}


def test_webhook_processing(connect, ids):
    from flask import Flask, request

    app = Flask(__name__)
    client = connect()

    @app.route("/webhook", methods=["POST"])
    def handle_webhook():
        payload = request.json
        event_type = payload.get("type")

        if event_type == "task_completed":
            tasks = TaskManager(client)
            tasks.update_task(payload["task_id"], status="completed")

        return {"ok": True}

    task = client.create_task(ids["project"], "of the webhook")
    payload = {"type": "task_completed", "task_id": task.id}
    assert app.test_client().post("/webhook", json=payload).get_json() == {"ok": True}
    assert client.get_task(task.id).status in ("completed", "done")


def test_api_key_rotation(connect, ids, control_plane):
    client = connect()

    result = client.rotate_api_key("ci-pipeline", grace_period_hours=24)
    new_token = result.get("token")

    assert new_token.startswith("loki_")
    assert new_token not in repr(result)
    rotated = AutonomiClient(base_url=control_plane.base_url, token=new_token)
    assert rotated.get_status()["version"]
    # Clean up: a key in rotation cannot be rotated again.
    client.delete_api_key(result["old_key_id"])


def test_audit_chain_verification(connect, capsys):
    client = connect()
    client.create_api_key("guide-audit")

    entries = client.query_audit(start_date="2026-02-01", limit=1000)
    print(f"Audit entries: {len(entries)}")
    for entry in entries:
        if not entry.success:
            print(f"  FAILED: {entry.action} on {entry.resource_type}/{entry.resource_id}")

    assert capsys.readouterr().out.startswith(f"Audit entries: {len(entries)}\n")
    assert any(entry.resource_type == "api_key" for entry in entries)
    result = client.verify_audit()
    assert result.valid is True
    assert result.entries_checked >= len(entries) > 0
