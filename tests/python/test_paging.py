"""Long lists: every row once, on each of the servers there are, while rows are added and removed."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import pickle
import re
import threading
import weakref

import pytest

from loki_mode_sdk import (
    AsyncAutonomiClient,
    AsyncLokiClient,
    AsyncPager,
    AsyncSessionManager,
    AsyncTaskManager,
    AutonomiClient,
    ConfigError,
    LokiClient,
    NotAvailableError,
    Pager,
    PermissionDeniedError,
    Run,
    SessionManager,
    TaskManager,
)
from servers import ControlPlane


@pytest.fixture(scope="module", params=["guide", "v5.51", "v9.22"])
def plane(request):
    with ControlPlane(request.param) as server:
        yield server


@pytest.fixture
def client(plane):
    with AutonomiClient(plane.base_url, plane.TOKEN) as client:
        yield client


@pytest.fixture
def project(client):
    """The id of a project with 55 runs."""
    project = client.create_project("paged", tenant_id=1).id
    for _ in range(55):
        client.create_run(project)
    return project


def ids(items):
    return [item.id for item in items]


def page(*numbers):
    return {"json": [{"id": number, "status": "running"} for number in numbers]}


def sent(fault_server):
    return [(seen["path"], seen["query"]) for seen in fault_server.recorded()["requests"]]


def test_runs_come_one_by_one_and_page_by_page_with_their_filters(client, project):
    expected = client.list_runs(project, limit=1000)
    assert len(expected) == 55
    assert list(client.iter_runs(project)) == expected
    assert list(client.iter_runs(project, "running", page_size=7)) == expected
    assert list(client.iter_runs(project, status="failed")) == []
    pages = list(client.iter_runs(project, page_size=20).pages())
    assert [len(page) for page in pages] == [20, 20, 15]
    assert list(itertools.chain(*pages)) == expected
    assert list(client.iter_runs(project, page_size=4, max_items=10)) == expected[:10]
    pager = client.iter_runs(project, page_size=20)
    assert [next(pager), next(pager)] == expected[:2]
    assert [len(page) for page in pager.pages()] == [18, 20, 15]


def test_the_same_for_asyncio(plane, project):
    async def main():
        async with AsyncAutonomiClient(plane.base_url, plane.TOKEN) as client:
            expected = await client.list_runs(project, limit=1000)
            pager = client.iter_runs(project, "running", page_size=7)
            assert isinstance(pager, AsyncPager)
            assert [run async for run in pager] == expected
            pages = [page async for page in client.iter_runs(project, page_size=20).pages()]
            assert [len(page) for page in pages] == [20, 20, 15]
            assert list(itertools.chain(*pages)) == expected
            entries = [entry async for entry in client.iter_audit(action="create", max_items=30)]
            assert entries == await client.query_audit(action="create", limit=30)
            both = await asyncio.gather(*(everything(client.iter_projects(page_size=size)) for size in (2, 500)))
            assert both[0] == both[1]
            assert len(both[0]) > 2

    async def everything(pager):
        return [item async for item in pager]

    asyncio.run(main())


def test_runs_that_are_started_meanwhile_repeat_none(client, project):
    before = ids(client.list_runs(project, limit=1000))
    given = []
    for page in client.iter_runs(project, page_size=10).pages():
        given += ids(page)
        client.create_run(project)
        client.create_run(project)
    assert len(set(given)) == len(given)
    assert set(before) <= set(given)


def test_runs_that_leave_the_list_as_they_are_dealt_with_hide_none(client, project):
    cancelled = 0
    for run in client.iter_runs(project, "running", page_size=5):
        client.cancel_run(run.id)
        cancelled += 1
    assert cancelled == 55
    assert client.list_runs(project, "running") == []


def test_projects_come_whole_whatever_the_server_makes_of_a_limit(client):
    made = {client.create_project(f"p{number}", tenant_id=1).id for number in range(60)}
    everything = ids(client.iter_projects())
    assert made <= set(everything)
    assert sorted(ids(client.iter_projects(page_size=7))) == sorted(everything)
    assert len(list(client.iter_projects(status="active"))) == len(everything)
    assert list(client.iter_projects(status="archived", page_size=2)) == []


def test_the_audit_log_comes_whole_newest_first_while_it_grows(client, project):
    entries, added = [], 0
    for page in client.iter_audit(action="create", page_size=25).pages():
        entries += page
        client.create_run(project)
        added += 1
    assert added > 2
    assert entries == client.query_audit(action="create", limit=10_000)[added:]


def test_the_audit_log_comes_whole_between_two_moments(client, project):
    entries = client.query_audit(action="create", limit=10_000)
    newest, oldest = entries[10].timestamp_dt, entries[40].timestamp_dt
    expected = [entry for entry in entries if oldest <= entry.timestamp_dt <= newest]
    assert len(expected) > 20
    for page_size in (7, 1000):
        assert list(client.iter_audit(oldest, newest, "create", page_size=page_size)) == expected
    assert list(client.iter_audit(oldest, newest, "create", page_size=7, max_items=9)) == expected[:9]


def test_tasks_come_whole_wherever_they_are_listed(client, plane):
    expected = client.list_tasks()
    assert list(client.iter_tasks()) == expected
    tasks = TaskManager(client)
    assert list(tasks.iter_tasks(page_size=1)) == expected
    assert [len(page) for page in tasks.iter_tasks(max_items=1).pages()] == [1][: len(expected)]
    with LokiClient(plane.base_url, plane.TOKEN) as loki:
        assert list(loki.iter_tasks(status="pending")) == loki.list_tasks(status="pending")
        assert list(itertools.chain(*loki.iter_tasks(page_size=2).pages())) == expected

    async def main():
        async with AsyncAutonomiClient(plane.base_url, plane.TOKEN) as client:
            through = [task async for task in AsyncTaskManager(client).iter_tasks(page_size=2)]
        async with AsyncLokiClient(plane.base_url, plane.TOKEN) as loki:
            return through, [task async for task in loki.iter_tasks(page_size=1)]

    assert asyncio.run(main()) == (expected, expected)


def test_whoever_lists_gives_all_of_it_too():
    pagers = {name: method for name, method in inspect.getmembers(AutonomiClient) if name.startswith("iter_")}
    assert len(pagers) >= 5
    of = {re.search(r"everything that `(\w+)` lists", method.__doc__)[1]: name for name, method in pagers.items()}
    counted = 0
    helpers = (TaskManager, AsyncTaskManager, SessionManager, AsyncSessionManager)
    for face in (AsyncAutonomiClient, *helpers, LokiClient, AsyncLokiClient):
        offered = {of[name] for name in of if hasattr(face, name)}
        assert {name for name in dir(face) if name.startswith("iter_")} == offered, face
        for name in offered:
            assert inspect.signature(getattr(face, name)).parameters == inspect.signature(pagers[name]).parameters
            counted += 1
    assert counted >= 11


def test_a_helper_class_hands_everything_on(client_of, fault_server):
    client = client_of({"json": [{"id": 1}, {"id": 2}]}, path_style="guide")
    pager = TaskManager(client).iter_tasks("p", "done", max_items=1, page_size=5, max_retries=0, headers={"x-a": "b"})
    assert isinstance(pager, Pager)
    assert ids(pager) == [1]
    seen = fault_server.recorded()["requests"][0]
    assert (seen["path"], seen["query"]) == ("/api/tasks", {"project_id": "p", "status": "done", "limit": "1"})
    assert seen["headers"]["x-a"] == "b"
    with pytest.raises(ConfigError) as error:
        TaskManager(client).iter_tasks(page_size=0)
    assert error.value.param == "page_size"


def test_session_tasks_come_whole():
    with ControlPlane("guide", "--session-speed", "10") as plane, AutonomiClient(plane.base_url, plane.TOKEN) as client:
        session = client.start_session().session_id
        for event in client.events(history=1000):
            if event.type == "session:completed":
                break
        expected = client.list_session_tasks(session).tasks
        assert len(expected) > 2
        assert list(client.iter_session_tasks(session, page_size=2)) == expected
        assert list(client.iter_session_tasks(session, "failed", page_size=2)) == []
        with LokiClient(plane.base_url, plane.TOKEN) as loki:
            assert loki.list_session_tasks(session).tasks == expected
            pages = list(loki.iter_session_tasks(session, page_size=2).pages())
            assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
            assert list(itertools.chain(*pages)) == expected


def test_nothing_is_asked_for_before_it_is_wanted_and_no_more(client_of, fault_server):
    client = client_of(page(5, 4, 3), path_style="guide")
    pager = client.iter_runs(7, "running", page_size=3)
    assert isinstance(pager, Pager)
    assert sent(fault_server) == []
    assert ids(itertools.islice(pager, 3)) == [5, 4, 3]
    assert sent(fault_server) == [("/api/runs", {"project_id": "7", "status": "running", "limit": "3"})]
    with pager:
        pass
    assert pager.closed
    assert list(pager) == []


def test_after_an_error_it_goes_on_where_it_stood(client_of, fault_server):
    refused = {"status": 403, "json": {"detail": "no"}}
    busy = {"status": 503, "headers": {"retry-after": "0"}, "json": {}}
    client = client_of(page(5, 4), refused, busy, page(4, 3), page(3), path_style="guide")
    pager = client.iter_runs(page_size=2, headers={"x-a": "b"})
    assert [next(pager).id, next(pager).id] == [5, 4]
    with pytest.raises(PermissionDeniedError):
        next(pager)
    assert ids(pager) == [3]
    headers = [seen["headers"]["x-a"] for seen in fault_server.recorded()["requests"]]
    assert headers == ["b"] * 5


def test_a_list_of_which_only_the_beginning_is_to_be_had(client_of):
    client = client_of(page(9, 8), page(9, 8, 7), page(9, 8, 7), page(9, 8), path_style="guide")
    pager = client.iter_runs(page_size=2)
    assert [next(pager).id for _ in range(3)] == [9, 8, 7]
    with pytest.raises(NotAvailableError, match="no notice of `offset`, so that only the first 3"):
        next(pager)


def test_what_is_no_good_is_refused_before_anything_is_sent(client_of, fault_server):
    client = client_of(path_style="guide")
    for options, param in [
        ({"page_size": 0}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"max_items": -1}, "max_items"),
        ({"timeout": 0}, "timeout"),
    ]:
        with pytest.raises(ConfigError) as error:
            client.iter_runs(**options)
        assert error.value.param == param
    for options in [{"page_size": "5"}, {"max_items": 1.5}, {"limit": 5}, {"headers": 5}, {"project_id": []}]:
        with pytest.raises(TypeError):
            client.iter_runs(**options)
    with pytest.raises(ConfigError):
        client.iter_session_tasks("../x")
    assert list(client.iter_runs(max_items=0)) == []
    assert sent(fault_server) == []
    assert not hasattr(client.raw, "iter_runs")


def test_a_pager_can_be_closed_from_another_thread(client_of):
    client = client_of({"faults": {"hold": True}}, path_style="guide")
    pager = client.iter_runs()
    timer = threading.Timer(0.2, pager.close)
    timer.start()
    assert list(pager) == []
    timer.join()


def test_a_cancelled_task_takes_nothing_away(async_client_of):
    async def main():
        slow = {**page(3, 2, 1), "faults": {"delay_ms": 300}}
        client = async_client_of(slow, page(3, 2, 1), page(1), path_style="guide")
        pager = client.iter_runs(page_size=10)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(pager.__anext__(), 0.1)
        assert [run.id async for run in pager] == [3, 2, 1]

    asyncio.run(main())


def test_a_pager_is_typed_and_lets_go(client_of):
    assert Pager[Run] is not None
    client = client_of(page(1), page(1), path_style="guide")
    pager = client.iter_runs()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(pager)
    assert ids(pager) == [1]
    gone = weakref.ref(pager)
    del pager
    gc.collect()
    assert gone() is None
