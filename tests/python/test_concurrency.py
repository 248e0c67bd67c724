"""Threads and signals: a waiting call gets in nobody's way."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from loki_mode_sdk import APITimeoutError, AutonomiClient, Run
from servers import EchoServer


def test_other_threads_run_while_a_call_waits(client_of):
    client = client_of({"json": {}, "faults": {"delay_ms": 400}})
    ticks = 0
    done = threading.Event()

    def call():
        client.get_status()
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not done.is_set():
        time.sleep(0.005)
        ticks += 1
    thread.join()
    # Holding the interpreter would leave room for a tick or two.
    assert ticks >= 10


def test_10000_calls_from_64_threads_over_few_connections():
    threads, calls, connections = 64, 157, 16
    crossed, errors = [], []
    with EchoServer() as server, AutonomiClient(server.base_url, max_connections=connections) as client:

        def work(number):
            try:
                for call in range(calls):
                    project = number * calls + call
                    answer = client.get_project(project, timeout=60)
                    if (answer.id, answer.name) != (project, f"project {project}"):
                        crossed.append((project, answer))
            except Exception as error:
                errors.append(error)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        counted = client.get_status()
    assert errors == []
    assert crossed == []
    assert counted["answers"] == threads * calls
    assert 1 < counted["peak"] <= connections


def test_no_thread_is_started_for_plain_calls(fault_server):
    served = fault_server.serve_tls([{"json": {}, "repeat": 2}])
    script = """
import os, sys, threading
from loki_mode_sdk import AutonomiClient
def threads():
    return len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else threading.active_count()
counts = [threads()]
client = AutonomiClient(sys.argv[1], ca_file=sys.argv[2], token=lambda: "x")
counts.append(threads())
client.get_status()
client.raw.get_status()
counts.append(threads())
client.close()
print(counts)
"""
    command = [sys.executable, "-c", script, served["base_url"], served["ca_file"]]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.stdout, done.stderr) == ("[1, 1, 1]\n", "")


def test_a_call_keeps_to_its_timeout(client_of):
    client = client_of({"faults": {"hold": True}}, max_retries=0)
    with pytest.raises(APITimeoutError) as caught:
        client.get_status(timeout=0.2)
    assert caught.value.attempts == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_a_signal_handler_that_raises_ends_the_call(client_of):
    class Woken(Exception):
        pass

    def handler(number, frame):
        raise Woken

    client = client_of({"faults": {"hold": True}}, {"json": {"ok": True}}, timeout=20)
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Woken):
            client.get_status()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert client.get_status() == {"ok": True}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals")
def test_a_signal_handler_that_returns_does_not_end_the_call(client_of):
    seen = []
    client = client_of({"json": {"ok": True}, "faults": {"delay_ms": 500}})
    before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert client.get_status() == {"ok": True}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [signal.SIGALRM]


def test_models_and_a_client_shared_by_threads_that_also_change_what_is_inside(client_of):
    """Without the interpreter's lock, threads are really in there at the same time."""
    client = client_of(*[{"json": {"id": 1, "status": "running", "config": {"a": [1], "b": {}}, "x": {"y": 1}}}] * 40)
    shared = Run.from_dict({"id": 1, "config": {str(n): [n, {"n": n}] for n in range(50)}, "x": {"y": [1]}})
    errors, done = [], threading.Event()

    def change():
        count = 0
        while not done.is_set():
            count += 1
            shared.config[f"new {count % 1000}"] = {"count": count}
            shared.config.pop(f"new {(count + 500) % 1000}", None)

    def look():
        try:
            for _ in range(300):
                found = shared.to_dict()
                assert found["x"] == {"y": [1]}
                assert Run.from_dict(found).id == 1
                assert hash(copy.deepcopy(shared)) == hash(pickle.loads(pickle.dumps(shared))) == hash(shared)
                assert repr(shared).startswith("Run(id=1")
        except BaseException as error:
            errors.append(error)

    def call():
        try:
            for _ in range(10):
                assert client.get_run(1, timeout=60).config == {"a": [1], "b": {}}
        except BaseException as error:
            errors.append(error)

    changing = threading.Thread(target=change)
    changing.start()
    workers = [threading.Thread(target=target) for target in (look, look, look, call, call, call, call)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done.set()
    changing.join()
    assert errors == []
