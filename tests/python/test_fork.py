"""A client that was used before a fork works on both sides of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from loki_mode_sdk import AutonomiClient, TaskManager
from servers import ROOT, ControlPlane, wait_for_line

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

PROJECT = {"json": {"id": 1, "name": "x"}, "repeat": 1_000_000}


@pytest.fixture(params=["plain", "tls"])
def client(request, fault_server):
    if request.param == "plain":
        made = AutonomiClient(fault_server.serve([PROJECT]))
    else:
        served = fault_server.serve_tls([PROJECT])
        made = AutonomiClient(served["base_url"], ca_file=served["ca_file"])
    with made:
        yield made


def fork(work) -> int:
    """Forks a child that ends with 0 if `work` returns; returns its process id."""
    with warnings.catch_warnings():
        # About threads of this process: the child only calls the client.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        signal.alarm(60)
        work()
        status = 0
    finally:
        os._exit(status)


def ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def call(client, times=1):
    for _ in range(times):
        assert client.get_project(1).name == "x"


def connections(fault_server) -> list[int]:
    return [request["connection"] for request in fault_server.recorded()["requests"]]


def test_the_child_leaves_the_connection_of_the_parent_alone(client, fault_server):
    call(client)
    assert ended_well(fork(lambda: call(client, 3)))
    call(client)
    first, *childs, last = connections(fault_server)
    assert first == last
    assert len(set(childs)) == 1
    assert childs[0] != first


def test_a_child_that_closes_its_client_does_not_close_the_parents(client, fault_server):
    call(client)
    assert ended_well(fork(client.close))
    call(client)
    assert len(set(connections(fault_server))) == 1


def test_multiprocessing(client):
    call(client)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=call, args=(client, 5)) for _ in range(3)]
        for child in children:
            child.start()
    call(client, 5)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    call(client)


def test_a_pool_of_forked_workers_and_their_parent_go_on(client, fault_server):
    """As in celery: the parent has used the client, its children loop for long, and fork again."""
    call(client)

    def work():
        call(client, 50)
        assert ended_well(fork(lambda: call(client, 5)))
        call(client, 5)

    children = [fork(work) for _ in range(4)]
    call(client, 50)
    assert [ended_well(child) for child in children] == [True] * 4
    call(client)
    seen = connections(fault_server)
    assert len(seen) == 1 + 4 * 60 + 50 + 1
    # One of its own for each of the nine processes.
    assert len(set(seen)) == 9
    assert seen[0] == seen[-1]


def test_a_fork_amid_calls_of_other_threads(client):
    done = threading.Event()
    errors = []

    def work():
        try:
            while not done.is_set():
                call(client)
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        assert [ended_well(fork(lambda: call(client, 3))) for _ in range(10)] == [True] * 10
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert errors == []


APP = """
import os
import flask_webhook
app = flask_webhook.app
# Used before the fork, as by an application that looks at the server while it starts.
print(flask_webhook.client.get_status()["status"], flush=True)

@app.after_request
def name_the_worker(response):
    response.headers["x-worker"] = str(os.getpid())
    return response
"""


def test_the_flask_example_under_gunicorn_with_preload(tmp_path):
    (tmp_path / "preloaded.py").write_text(APP)
    with ControlPlane("guide") as plane:
        client = AutonomiClient(plane.base_url, plane.TOKEN)
        project = client.list_projects()[0]
        task = TaskManager(client).create_task(project.id, "under load")
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "examples"),
            "LOKI_BASE_URL": plane.base_url,
            "LOKI_API_TOKEN": plane.TOKEN,
        }
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "4", "--bind", "127.0.0.1:0"]
        with (tmp_path / "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, "preloaded:app"], cwd=tmp_path, env=environment, stdout=log, stderr=log
            )
        try:
            url = wait_for_line(server, tmp_path / "log", r"Listening at: (http://\S+)")
            body = f'{{"type": "task_completed", "task_id": {task.id}}}'.encode()

            def post(_):
                headers = {"content-type": "application/json"}
                request = urllib.request.Request(f"{url}/webhook", body, headers)
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, answer.read().strip(), answer.headers["x-worker"]

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(post, range(300)))
        finally:
            server.terminate()
            server.wait(30)
        text = (tmp_path / "log").read_text()
        assert {answer[:2] for answer in answers} == {(200, b'{"ok":true}')}, text
        assert len({worker for *_, worker in answers}) > 1
        assert TaskManager(client).get_task(task.id).status == "completed"
        assert server.returncode == 0, text
