"""What following does to the process that it is done in: signals, forks, memory, its log, and its end."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref

import pytest

from following import ids, meanwhile, take, until
from loki_mode_sdk import ConfigError, EventStream

# ---- signals, and the end of the interpreter -------------------------------------------------------------------------

FOLLOW = """
import signal, sys, threading
from loki_mode_sdk import AutonomiClient, EventStream
signal.signal(signal.SIGINT, signal.default_int_handler)
client = AutonomiClient(sys.argv[1], path_style="guide")
follower = EventStream(client).follow(7, poll_interval=float(sys.argv[2]))
"""

INTERRUPTED = (
    FOLLOW
    + """
seen = []
for _ in range(2):
    try:
        for event in follower:
            seen.append(event.id)
            print("seen", seen, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.readline()
"""
)


def start(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("where", ["pause", "request"])
def test_ctrl_c_ends_the_wait_and_the_follower_goes_on(plane, where):
    plane.add(1)
    process = start(INTERRUPTED, plane.base_url, "60" if where == "pause" else "0.02")
    try:
        assert process.stdout.readline() == "seen [1]\n"
        if where == "request":
            plane.answers.clear()
        time.sleep(0.3)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - began < 1
        if where == "pause":
            # The next request is a minute away: it ends the same way.
            process.stdin.write("\n")
            process.stdin.flush()
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            assert process.communicate("\n", timeout=60) == ("interrupted\n", "")
        else:
            plane.add(2)
            plane.status = "completed"
            plane.answers.set()
            assert process.communicate("\n", timeout=60) == ("seen [1, 2]\n", "")
        assert process.returncode == 0
    finally:
        process.kill()


LEFT_OPEN = (
    FOLLOW
    + """
print(next(follower).id)
waiting = threading.Event()
def wait():
    waiting.set()
    for event in follower:
        pass
threading.Thread(target=wait, daemon=True).start()
waiting.wait()
other = EventStream(client).follow(8)
print("leaving", flush=True)
"""
)


@pytest.mark.parametrize("interval", ["60", "0.001"])
def test_the_interpreter_ends_while_a_follower_is_open(plane, interval):
    plane.add(1)
    for _ in range(3):
        process = start(LEFT_OPEN, plane.base_url, interval)
        try:
            assert process.communicate(timeout=60) == ("1\nleaving\n", "")
            assert process.returncode == 0
        finally:
            process.kill()


# ---- forks and copies ------------------------------------------------------------------------------------------------


def test_it_cannot_be_pickled(client, run):
    with pytest.raises(TypeError, match="RunFollower cannot be pickled"):
        pickle.dumps(EventStream(client).follow(run.id))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_leaves_the_follower_to_the_parent(plane, followed):
    plane.add(1, 2, 3)
    follower = followed()
    assert next(follower).id == 1
    cursor = follower.cursor
    child = os.fork()
    if not child:
        status = 1
        try:
            with pytest.raises(ConfigError, match="parent"):
                next(follower)
            # Where the parent stood, the child can begin.
            own = followed(cursor=cursor)
            assert ids([next(own), next(own)]) == [2, 3]
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ids(take(follower, plane)) == [2, 3]


# ---- what it leaves behind -------------------------------------------------------------------------------------------


def test_memory_stays_as_it_is_over_many_polls(plane, followed):
    import tracemalloc

    plane.add(*range(100))
    follower = followed(poll_interval=0.001, until=())
    for _ in range(100):
        next(follower)

    def poll(times):
        """Events that come and go: the plane remembers the last hundred."""
        for _ in range(times):
            plane.events = [*plane.events[1:], {**plane.events[-1], "id": plane.events[-1]["id"] + 1}]
            next(follower)

    poll(100)
    gc.collect()
    tracemalloc.start()
    try:
        before, resident = tracemalloc.get_traced_memory()[0], rss()
        poll(600)
        gc.collect()
        # Python's own, and that of the native module.
        assert tracemalloc.get_traced_memory()[0] - before < 200_000
        assert rss() - resident < 8_000_000
    finally:
        tracemalloc.stop()


def rss():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def test_what_nobody_refers_to_is_gone(plane, followed):
    plane.add(1, 2, 3)
    follower = followed()
    gone = weakref.ref(follower)
    assert next(follower).id == 1
    del follower
    assert gone() is None

    class Holder:
        def is_last(self, event):
            return False

    holder = Holder()
    holder.follower = followed(until=holder.is_last)
    assert next(holder.follower).id == 1
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_a_line_in_the_log_for_each_request_of_a_follower(plane, followed, caplog):
    plane.add(1)
    plane.status = "completed"
    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"):
        list(followed())
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == plane.requests
    assert lines[0].startswith("GET /api/runs/7/timeline: 200 in ")


def test_the_lines_come_while_nothing_happens(plane, followed, caplog):
    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"), followed() as follower, meanwhile(list, follower):
        until(lambda: len(caplog.records) >= 3)
        follower.close()


def test_ctrl_c_in_a_log_handler_takes_no_event_away(plane, followed):
    class Interrupting(logging.Handler):
        def emit(self, record):
            raise KeyboardInterrupt

    plane.add(1, 2)
    plane.status = "completed"
    logger, handler = logging.getLogger("loki_mode_sdk"), Interrupting()
    follower = followed()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        with pytest.raises(KeyboardInterrupt):
            next(follower)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert ids(follower) == [1, 2]
