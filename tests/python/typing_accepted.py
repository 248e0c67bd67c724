"""Code as the guide has it, for mypy --strict; it is not executed."""

from __future__ import annotations

import asyncio
import copy
import pathlib
import time
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Any, get_args

from loki_mode_sdk import (
    ApiKey,
    AsyncAutonomiClient,
    AsyncClient,
    AsyncLokiClient,
    AsyncPager,
    AsyncSessionManager,
    AsyncTaskManager,
    AuditEntry,
    AutonomiClient,
    AutonomiError,
    Client,
    EventStream,
    ForbiddenError,
    Headers,
    KeyRotation,
    KeyRotationError,
    LiveEvent,
    NotFoundError,
    Pager,
    PermissionDeniedError,
    Project,
    RawResponse,
    RotatedApiKey,
    Run,
    RunEvent,
    Session,
    SessionManager,
    SessionStatus,
    StartedSession,
    Task,
    TaskManager,
    Tenant,
    TokenAuth,
    WebhookVerificationError,
    parse_timestamp,
    webhooks,
)
from loki_mode_sdk.types import LiveEventType, RunStatus, TaskPriority


def quick_start() -> None:
    client = AutonomiClient(base_url="http://localhost:57374", token="loki_your_token_here")
    status: dict[str, Any] = client.get_status()
    print(f"API version: {status.get('version')}")
    projects: list[Project] = client.list_projects()
    for p in projects:
        print(f"  {p.id}: {p.name.upper()} ({p.status})")


def methods(client: AutonomiClient) -> None:
    project: Project = client.get_project("proj-1")
    project = client.create_project("name", "description")
    project = client.create_project(name="name", description=None)
    tenants: list[Tenant] = client.list_tenants()
    tenant: Tenant = client.create_tenant("name", description="description")
    runs: list[Run] = client.list_runs(project_id="proj-1", status="running")
    run: Run = client.get_run("run-1")
    run = client.cancel_run(run.id)
    run = client.replay_run(run_id=7)
    timeline: list[RunEvent] = client.get_run_timeline("run-1")
    keys: list[ApiKey] = client.list_api_keys()
    created: dict[str, Any] = client.create_api_key("name", role="viewer")
    rotated: dict[str, Any] = client.rotate_api_key("ci-pipeline", grace_period_hours=24)
    entries: list[AuditEntry] = client.query_audit(start_date="2026-02-01", limit=1000)
    nothing: None = client.delete_tenant(tenant.id)  # type: ignore[func-returns-value]
    print(project, tenants, runs, timeline, keys, created, rotated, entries, nothing)


def helpers(client: Client) -> None:
    sessions = SessionManager(client)
    print(sessions.list_sessions("proj-1"), sessions.get_session("session-id").status)
    tasks = TaskManager(client)
    pager: Pager[Task] = tasks.iter_tasks("proj-1", "pending", page_size=5)
    print([len(page) for page in pager.pages()])
    all_tasks = tasks.list_tasks(project_id="proj-1", status="pending")
    task = tasks.create_task(
        project_id="proj-1",
        title="Implement auth module",
        description="Add JWT-based authentication",
        priority="high",
    )
    tasks.update_task(task.id, status="in_progress")
    print(all_tasks)
    events = EventStream(client)
    last_timestamp: str | None = None
    while True:
        for event in events.poll_events("run-1", since=last_timestamp):
            print(f"[{event.event_type}] {event.phase}: {event.details}")
            last_timestamp = event.timestamp
        time.sleep(2)


def sessions(client: AutonomiClient) -> LiveEvent:
    started: StartedSession = client.start_session("./docs/prd.md", options={"dryRun": True})
    status: SessionStatus = client.get_session_status(started.session_id)
    completed: int = status.tasks.completed
    phase: str | None = status.session.current_phase
    wanted: list[LiveEventType] = ["task:completed", "task:failed"]
    history = client.get_event_history(started.session_id, [*wanted], limit=10)
    data: dict[str, Any] = history.events[0].data
    stopped: dict[str, Any] = client.stop_session(started.session_id)
    print(completed, phase, data, stopped, client.get_run_timeline(1, after=7))
    return history.events[0]


def errors() -> None:
    with AutonomiClient(token=TokenAuth("loki_xxx"), timeout=5, max_retries=0) as client:
        try:
            client.get_project("nonexistent", timeout=1.5)
        except NotFoundError as e:
            print(f"Status code: {e.status_code}")
        except ForbiddenError as e:
            scope: str | None = e.required_scope
            print(scope)
        except AutonomiError as e:
            print(e.status_code, e.response_body)


def open_enumerations(client: AutonomiClient, word: str) -> dict[str, list[Run]]:
    urgent: TaskPriority = "critical"
    TaskManager(client).create_task(1, "title", priority=urgent)
    TaskManager(client).create_task(1, "title", priority="a word of tomorrow")
    ended: list[RunStatus] = ["completed", "failed"]
    runs = [run for status in ended for run in client.list_runs(status=status)]
    runs += client.list_runs(status=word)
    statuses: set[str] = {run.status for run in runs}
    by_status: dict[str, list[Run]] = {status: [run for run in runs if run.status == status] for status in statuses}
    first: str = runs[0].status
    if runs[0].status == "a state of tomorrow" or first in get_args(RunStatus):
        client.create_api_key("ci", role=word)
    constructed: Run = Run(1, status=word)
    print(constructed, Run(id="2", status="failed"), copy.copy(constructed), constructed.__replace__(status="failed"))
    same: type[ForbiddenError] = PermissionDeniedError
    print(same)
    return by_status


def models() -> Project:
    return Project.from_dict(Project(1, name="alpha").to_dict())


def fetch_token() -> str:
    return "loki_xxx"


class Traced(AutonomiClient):
    """A subclass keeps its type through `with_options`."""


def options(path: pathlib.Path) -> None:
    client = Traced(
        "https://cp.example.com",
        fetch_token,
        max_connections=8,
        headers={"x-team": "a"},
        ca_file=path,
        client_cert_file="cert.pem",
        client_key_file=path / "key.pem",
    )
    derived: Traced = client.with_options(timeout=1, token=None, headers={})
    derived.set_token(TokenAuth("x"))
    derived.set_token(lambda: "x")
    runs: RawResponse[list[Run]] = derived.raw.list_runs(status="running", headers={"x-a": "b"})
    first: Run = runs.data[0]
    headers: Headers = runs.headers
    value: str = headers["retry-after"]
    deleted: RawResponse[None] = derived.raw.delete_tenant(1)
    print(first, value, runs.status + runs.attempts, headers.get_all("via"), deleted)


def moments(client: AutonomiClient, run: Run, since: datetime) -> datetime | None:
    client.query_audit(since, date(2026, 2, 1))
    client.query_audit(end_date="2026-02-01")
    client.get_run_timeline(1, since=since)
    EventStream(client).poll_events(1, since)
    started: datetime = run.started_at_dt
    return run.ended_at_dt or parse_timestamp(f"{started}")


def lists_and_keys(client: AutonomiClient) -> Run:
    for run in client.iter_runs("proj-1", "running", page_size=5, max_items=9, timeout=5.0):
        started: str = run.started_at
        print(started)
    pages: list[list[Project]] = list(client.iter_projects(status="active").pages())
    audit: Pager[AuditEntry] = client.iter_audit(date(2026, 2, 1), action="rotate")
    rotation: KeyRotation = client.rotate_and_store("ci", print, grace_period_hours=2, delete_old=True)
    rotated: RotatedApiKey = client.rotate_api_key("ci")
    as_in_the_guide: dict[str, Any] = rotated
    old: str | None = rotated.old_key_id
    with client.temporary_api_key("ci", "operator", expires_days=2) as key:
        token: str = key.token
        key.client.get_status()
    try:
        client.rotate_and_store("ci", lambda token: None)
    except KeyRotationError as error:
        token = error.token
    print(pages, audit, rotation.token, as_in_the_guide, old, token)
    return client.wait_for_run("run-1", timeout=5, poll_interval=0.5, max_retries=3, headers={"x-a": "b"})


def from_environment() -> Traced:
    return Traced.from_env(timeout=1, token=None, headers={"x-team": "a"}, ca_file=pathlib.Path("ca.pem"))


def webhook(body: bytes, headers: dict[str, str], environ: dict[str, object], scope: list[tuple[bytes, bytes]]) -> str:
    webhooks.verify(body, environ, None)
    webhooks.verify(memoryview(body), scope, ["a", b"b", None], tolerance=60, now=1.5)
    event: webhooks.WebhookEvent = webhooks.unwrap(body, headers, "a")
    if isinstance(event, webhooks.ApprovalRequest):
        gate: str | None = event.gate
        print(gate)
    signed: dict[str, str] = webhooks.sign(body, b"a", scheme="standard", id="a", timestamp=1)
    raise WebhookVerificationError(f"{signed} {event.payload['x']}", reason=event.type)


async def fetch_token_from_afar() -> str:
    return "loki_xxx"


class TracedAsync(AsyncAutonomiClient):
    """So does one of the client for asyncio, also through `async with`."""


async def for_asyncio(path: pathlib.Path) -> None:
    async with TracedAsync("https://cp.example.com", fetch_token_from_afar, ca_file=path) as client:
        traced: TracedAsync = client
        derived: TracedAsync = traced.with_options(timeout=1, token=fetch_token)
        derived.set_token(TokenAuth("x"))
        derived.set_token(fetch_token_from_afar)
        derived.set_token(None)
        status, projects = await asyncio.gather(client.get_status(), client.list_projects())
        version: str = status["version"]
        names: list[str] = [project.name for project in projects]
        run: Run = await client.get_run("run-1", timeout=5, max_retries=0, headers={"x-a": "b"})
        runs: RawResponse[list[Run]] = await client.raw.list_runs(status="running")
        call: asyncio.Task[Run] = asyncio.create_task(client.get_run(run.id))
        print(version, names, runs.data[0].id, (await call).status)
        await derived.aclose()
        await derived.close()
        derived.close()


async def lists_and_keys_for_asyncio(client: AsyncAutonomiClient) -> Run:
    async def store(token: str) -> None:
        print(token)

    ids = [run.id async for run in client.iter_runs(7, page_size=5)]
    pages: AsyncIterator[list[Project]] = client.iter_projects().pages()
    tasks: AsyncPager[Task] = client.iter_tasks()
    rotation: KeyRotation = await client.rotate_and_store("ci", store)
    async with client.temporary_api_key("ci") as key:
        await key.client.get_status()
    print(ids, pages, tasks, rotation)
    return await client.wait_for_run(7)


async def helpers_for_asyncio(client: AsyncClient) -> None:
    tasks, sessions = AsyncTaskManager(client), AsyncSessionManager(client)
    task: Task = await tasks.create_task("proj-1", "title")
    pager: AsyncPager[Task] = tasks.iter_tasks(status="done", max_items=9)
    print([listed.id async for listed in pager])
    session: Session = await sessions.get_session("session-id")
    print(task.status, session.status)


async def sessions_of_asyncio() -> None:
    async def later(event: LiveEvent) -> None:
        print(event.type)

    async with AsyncLokiClient("http://localhost:57374", fetch_token_from_afar) as client:
        started: StartedSession = await client.start_session(provider="claude")
        unsubscribe = client.subscribe(later, types=["task:completed"], on_error=print)
        client.subscribe(print, session_id=started.session_id)
        unsubscribe()
        client.close()
