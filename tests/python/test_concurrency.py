"""Threads, signals, forks: a waiting call gets in nobody's way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

import pytest

from loki_mode_sdk import APITimeoutError, AutonomiClient


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


def test_one_client_in_many_threads(client_of):
    threads, calls = 16, 25
    client = client_of({"json": {"id": 1, "name": "x"}, "repeat": threads * calls})
    outcomes = []

    def work():
        for _ in range(calls):
            outcomes.append(client.get_project(1).name)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert outcomes == ["x"] * threads * calls


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_parent_and_child_go_on_after_a_fork(client_of):
    client: AutonomiClient = client_of({"json": {"id": 1, "name": "x"}, "repeat": 20})
    assert client.get_project(1).name == "x"
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def child():
        queue.put([client.get_project(1).name for _ in range(3)])

    processes = [context.Process(target=child) for _ in range(3)]
    for process in processes:
        process.start()
    assert [client.get_project(1).name for _ in range(3)] == ["x"] * 3
    assert [queue.get() for _ in processes] == [["x"] * 3] * 3
    for process in processes:
        process.join(10)
        assert process.exitcode == 0
    assert client.get_project(1).name == "x"
