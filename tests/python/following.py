"""What the tests of following runs have in common."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

QUICK = 0.02


def add(client, run, count=1, event_type="phase_start"):
    return [client.create_run_event(run.id, event_type, phase="ACT", details={"n": n}) for n in range(count)]


@contextmanager
def meanwhile(work, *arguments):
    """Does something in another thread, and raises here what it raised there."""
    raised = []

    def guarded():
        try:
            work(*arguments)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)
        assert not thread.is_alive()
    if raised:
        raise raised[0]


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def ids(events):
    return [event.id for event in events]


def some(follower, count):
    """So many of the next events."""
    return [next(follower) for _ in range(count)]


def take(follower, plane):
    """The rest of the events, once the run has ended."""
    plane.status = "completed"
    return list(follower)
