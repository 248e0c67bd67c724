"""The client for asyncio: it is the other one, awaited."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import logging
import pickle
import re
import subprocess
import sys
import threading

import pytest

import loki_mode_sdk
from async_support import on_linux, until
from loki_mode_sdk import (
    AsyncAutonomiClient,
    AsyncClient,
    AsyncLokiClient,
    AsyncSessionManager,
    AsyncTaskManager,
    AutonomiClient,
    ConfigError,
    LokiClient,
    NotFoundError,
    Project,
    RawResponse,
    SessionManager,
    TaskManager,
)
from servers import EchoServer

CANARY = "loki_canary_token"


def test_quick_start(control_plane, capsys):
    async def main():
        async with AsyncAutonomiClient(base_url=control_plane.base_url, token=control_plane.TOKEN) as client:
            status = await client.get_status()
            print(f"API version: {status.get('version')}")

            projects = await client.list_projects()
            for p in projects:
                print(f"  {p.id}: {p.name} ({p.status})")
            return status, projects

    status, projects = asyncio.run(main())
    version, *lines = capsys.readouterr().out.splitlines()
    assert status["version"] in version
    assert len(lines) == len(projects) > 0
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        assert client.list_projects() == projects


def test_every_operation_is_there_and_looks_the_same():
    pairs = [
        (AsyncAutonomiClient, AutonomiClient),
        (AsyncTaskManager, TaskManager),
        (AsyncSessionManager, SessionManager),
        (AsyncLokiClient, LokiClient),
        (type(AsyncAutonomiClient().raw), type(AutonomiClient().raw)),
    ]
    for of_asyncio, plain in pairs:
        names = [name for name, _ in inspect.getmembers(plain, inspect.isfunction) if not name.startswith("_")]
        assert len(names) >= 2
        for name in set(names) - {"close", "with_options", "set_token"}:
            method, counterpart = getattr(of_asyncio, name), getattr(plain, name)
            assert list(inspect.signature(method).parameters) == list(inspect.signature(counterpart).parameters)
            if not counterpart.__module__.startswith("loki_mode_sdk.generated") or name.startswith("iter_"):
                # What it gives is the counterpart, and it says what the other one says.
                continue
            assert inspect.iscoroutinefunction(method), name
            assert inspect.signature(method) == inspect.signature(counterpart)
            assert method.__doc__ == counterpart.__doc__
    assert inspect.signature(AsyncAutonomiClient) == inspect.signature(AutonomiClient)
    assert "client_cert_file: " in AsyncAutonomiClient.__init__.__doc__
    assert AsyncClient is AsyncAutonomiClient


def test_every_class_that_waits_has_its_counterpart_with_the_same_surface():
    def public(cls):
        return {name for name in dir(cls) if not name.startswith("_")}

    plain = [name for name in loki_mode_sdk.__all__ if f"Async{name}" in loki_mode_sdk.__all__]
    assert {"AutonomiClient", "LokiClient", "EventStream", "RunFollower", "Pager", "TemporaryApiKey"} <= set(plain)
    # Whatever of the package waits, does so for asyncio as well.
    waits = {"close", "__enter__", "__next__", "poll_events", "list_tasks", "list_sessions"}
    named = [(name, getattr(loki_mode_sdk, name)) for name in loki_mode_sdk.__all__ if name[0].isupper()]
    of_plain = [name for name, thing in named if waits & set(dir(thing)) and not name.startswith("Async")]
    assert sorted(of_plain) == sorted(plain)
    for name in plain:
        of_asyncio, counterpart = getattr(loki_mode_sdk, f"Async{name}"), getattr(loki_mode_sdk, name)
        assert public(of_asyncio) - {"aclose"} == public(counterpart), name
        for method in public(counterpart):
            if inspect.isfunction(getattr(counterpart, method)):
                parameters = inspect.signature(getattr(counterpart, method)).parameters
                assert list(inspect.signature(getattr(of_asyncio, method)).parameters) == list(parameters), method


def test_it_is_imported_when_it_is_used():
    script = "import sys, loki_mode_sdk; print('asyncio' in sys.modules, loki_mode_sdk.AsyncTaskManager.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "False AsyncTaskManager\n"
    assert {"AsyncAutonomiClient", "AsyncClient", "AsyncTaskManager", "AsyncSessionManager"} <= set(
        loki_mode_sdk.__all__
    )


def test_whole_answers(async_client_of):
    client = async_client_of(
        {"status": 201, "json": {"id": 7, "name": "a"}, "headers": {"x-one": "1"}}, {"status": 204}
    )

    async def main():
        return await client.raw.get_project(7), await client.raw.delete_tenant(1)

    answer, deleted = asyncio.run(main())
    assert isinstance(answer, RawResponse)
    assert (answer.data, answer.status, answer.attempts) == (Project(7, "a"), 201, 1)
    assert answer.headers["X-One"] == "1"
    assert (deleted.data, deleted.status) == (None, 204)


def test_arguments_are_checked_when_it_is_awaited(async_client_of, fault_server):
    client = async_client_of()

    async def main():
        with pytest.raises(TypeError, match=r"^project_id must be int or str, not list$"):
            await client.get_project([1])
        with pytest.raises(TypeError, match="max_retries"):
            await client.raw.get_status(max_retries="1")
        for timeout in (0, -1, float("nan")):
            with pytest.raises(ConfigError, match="timeout"):
                await client.get_status(timeout=timeout)
        with pytest.raises(ConfigError, match="Authorization"):
            await client.get_status(headers={"Authorization": "x"})

    asyncio.run(main())
    assert fault_server.recorded()["requests"] == []


def test_secrets_are_not_shown_and_it_cannot_be_pickled():
    client = AsyncAutonomiClient(token=CANARY)
    assert CANARY not in repr(client) + repr(client._native) + repr(vars(client))
    assert repr(client) == "AsyncAutonomiClient(base_url='http://localhost:57374')"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)


def test_a_closed_client_says_so(async_client_of):
    async def main():
        client = async_client_of({"json": {}, "repeat": 3})
        async with client as entered:
            assert entered is client
            await client.get_status()
            derived = client.with_options(timeout=5)
        with pytest.raises(ConfigError, match="closed"):
            await client.get_status()
        assert await derived.get_status() == {}
        await derived.aclose()
        await derived.close()
        with pytest.raises(ConfigError, match="closed"):
            await derived.get_status()

    asyncio.run(main())


def test_derived_clients_are_of_the_same_class(async_client_of, fault_server):
    class Mine(AsyncAutonomiClient):
        def __init__(self, url, label):
            super().__init__(url)
            self.label = label

    async def main():
        client = Mine(async_client_of({"json": {}, "repeat": 2})._native.base_url, "x")
        derived = client.with_options(timeout=5, token="own", headers={"x-team": "a"})
        assert (type(derived), derived.label) == (Mine, "x")
        await client.get_status()
        await derived.get_status()

    asyncio.run(main())
    plain, own = fault_server.recorded()["requests"]
    assert plain["connection"] == own["connection"]
    assert (own["headers"]["authorization"], own["headers"]["x-team"]) == ("Bearer own", "a")


def test_it_is_inherited_and_mocked_like_any_class():
    class Mine(AsyncAutonomiClient):
        async def list_tasks(self, *args, **kwargs):
            return ["mine", args, kwargs]

    tasks = asyncio.run(AsyncTaskManager(Mine()).list_tasks("p", status="done"))
    assert tasks[:2] == ["mine", ("p", "done")]


# ---- logging and context -------------------------------------------------------------------------------------------


def test_a_line_for_each_attempt_in_the_context_of_the_caller(async_client_of, caplog):
    request_id = contextvars.ContextVar("request_id", default="none")
    seen = []

    class Context(logging.Filter):
        def filter(self, record):
            seen.append(request_id.get())
            return True

    client = async_client_of({"status": 503, "json": {}}, {"json": []}, token=CANARY, path_style="guide")

    async def main():
        request_id.set("r-1")
        await client.list_runs(status="canary-status")

    logger, context = logging.getLogger("loki_mode_sdk"), Context()
    logger.addFilter(context)
    try:
        with caplog.at_level(logging.DEBUG, "loki_mode_sdk"):
            asyncio.run(main())
    finally:
        logger.removeFilter(context)
    lines = [re.sub(r"[\d.]+ ms", "T ms", record.getMessage()) for record in caplog.records]
    assert lines == [
        "GET /api/runs: 503 in T ms, attempt 1",
        "GET /api/runs: 200 in T ms, attempt 2",
    ]
    assert seen == ["r-1", "r-1"]
    assert "canary" not in caplog.text


def test_errors_have_the_callers_traceback(async_client_of):
    client = async_client_of({"status": 404, "json": {"detail": "no such project"}}, path_style="guide")

    async def mine():
        await client.get_project(7)

    with pytest.raises(NotFoundError, match="no such project") as caught:
        asyncio.run(mine())
    assert {"mine", "get_project"} <= {entry.name for entry in caught.traceback}
    assert caught.value.__context__ is None


# ---- many, and large -----------------------------------------------------------------------------------------------


def test_256_calls_are_in_flight_at_once(async_client_of, fault_server, loops):
    client = async_client_of({"json": {"ok": 1}, "repeat": 256, "faults": {"delay_ms": 1500}}, max_retries=0)

    async def main():
        return await asyncio.gather(*(client.get_status() for _ in range(256)))

    assert loops.run(main()) == [{"ok": 1}] * 256
    assert len({request["connection"] for request in fault_server.recorded()["requests"]}) == 256


def test_10000_calls_are_not_crossed():
    async def main(server):
        async with AsyncAutonomiClient(server.base_url, max_connections=16) as client:
            gate = asyncio.Semaphore(200)

            async def call(number):
                async with gate:
                    answer = await client.get_project(number, timeout=60)
                    return answer.id == number and answer.name == f"project {number}"

            assert all(await asyncio.gather(*(call(number) for number in range(10_000))))
            return await client.get_status()

    with EchoServer() as server:
        counted = asyncio.run(main(server))
    assert counted["answers"] == 10_000
    assert 1 < counted["peak"] <= 16


@pytest.mark.parametrize("kind", ["data", "raw"])
def test_a_large_answer_is_decoded_beside_the_loop(async_client_of, kind):
    rows = [{"id": number, "name": f"project {number}", "description": "x" * 200} for number in range(20_000)]
    client = async_client_of({"json": rows})
    threads = set()

    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                threads.update(thread.name for thread in threading.enumerate())
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        answer = await (client.list_projects() if kind == "data" else client.raw.list_projects())
        ticking.cancel()
        assert ticks > 10
        return answer if kind == "data" else answer.data

    projects = asyncio.run(main())
    assert [project.to_dict() for project in projects] == rows
    assert gc.isenabled()
    assert any(name.startswith("asyncio_") for name in threads)


def test_the_collector_stays_off_if_the_program_has_turned_it_off(async_client_of):
    client = async_client_of({"json": [{"id": 1, "name": "x" * 2_000_000}]})
    gc.disable()
    try:
        assert len(asyncio.run(client.list_projects())) == 1
        assert not gc.isenabled()
    finally:
        gc.enable()


@on_linux
def test_threads_are_started_by_the_first_call_and_none_by_a_client(fault_server):
    script = """
import asyncio, os, sys
from loki_mode_sdk import AsyncAutonomiClient
def threads():
    return len(os.listdir("/proc/self/task"))
client = AsyncAutonomiClient(sys.argv[1])
counts = [threads()]
async def main():
    await client.get_status()
    counts.append(threads())
    for _ in range(20):
        await client.get_status()
    counts.append(threads())
asyncio.run(main())
print(*counts)
"""
    base_url = fault_server.serve([{"json": {}, "repeat": 21}])
    done = subprocess.run([sys.executable, "-c", script, base_url], capture_output=True, encoding="utf-8", timeout=60)
    assert done.stderr == ""
    at_first, after_one, after_many = map(int, done.stdout.split())
    # A second one, if a call came while the first was on its way to wait for it.
    assert (at_first, after_one) == (1, 2)
    assert after_many <= 3


# ---- where there is no loop, or one without file descriptors -------------------------------------------------------


def test_without_a_loop_of_asyncio_it_says_so():
    coroutine = AsyncAutonomiClient().get_status()
    with pytest.raises(RuntimeError, match=r"no event loop of asyncio is running.*trio is not supported"):
        coroutine.send(None)


def test_a_loop_that_cannot_watch_files_is_served_by_a_thread(async_client_of, loops):
    class Proactor(asyncio.SelectorEventLoop):
        """As the default loop of Windows."""

        def add_reader(self, fd, callback, *args):
            raise NotImplementedError

    def listeners():
        return [thread for thread in threading.enumerate() if thread.name == "loki-mode-listener"]

    client = async_client_of({"json": {"ok": 1}, "repeat": 60})

    async def main():
        for _ in range(10):
            assert await client.get_status() == {"ok": 1}
        assert await asyncio.gather(*(client.get_status() for _ in range(50))) == [{"ok": 1}] * 50
        assert len(listeners()) == 1

    loops.run(main(), Proactor())
    asyncio.run(until(lambda: not listeners()))
