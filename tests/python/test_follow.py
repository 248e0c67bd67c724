"""Following runs."""

from __future__ import annotations

import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from bad_line import Line
from loki_mode_sdk import (
    APIConnectionError,
    APITimeoutError,
    AutonomiClient,
    ConfigError,
    DecodeError,
    EventStream,
    NotFoundError,
    RunEvent,
    RunFollower,
)
from plane import Plane
from servers import ControlPlane

QUICK = 0.02


@pytest.fixture
def client(control_plane):
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        yield client


@pytest.fixture
def run(client):
    """A run that goes on, with three events."""
    run = client.create_run(client.list_projects()[0].id)
    add(client, run, 3)
    return run


@pytest.fixture
def plane():
    with Plane() as plane:
        yield plane


@pytest.fixture
def followed(plane):
    """Follows the run of the plane."""
    with AutonomiClient(plane.base_url, path_style="guide", timeout=5) as client:
        yield lambda **options: EventStream(client).follow(7, **{"poll_interval": QUICK, **options})


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


# ---- what is given ---------------------------------------------------------------------------------------------------


def test_a_run_is_followed_to_its_end(client, run):
    expected = ids(client.get_run_timeline(run.id))

    def go_on():
        for _ in range(5):
            time.sleep(0.05)
            expected.extend(ids(add(client, run, 4)))
        expected.extend(ids(add(client, run, 1, "run_completed")))

    with meanwhile(go_on):
        follower = EventStream(client).follow(run.id, poll_interval=QUICK)
        assert isinstance(follower, RunFollower)
        assert iter(follower) is follower
        events = list(follower)
    assert all(isinstance(event, RunEvent) for event in events)
    assert ids(events) == expected
    assert events == client.get_run_timeline(run.id)
    assert follower.status == client.get_run(run.id).status == "completed"
    assert next(follower, "no more") == "no more"


def test_a_run_that_has_ended_is_given_as_a_whole(client, run):
    client.cancel_run(run.id)
    follower = EventStream(client).follow(str(run.id))
    assert list(follower) == client.get_run_timeline(run.id)
    assert follower.status == "cancelled"


def test_the_loop_of_the_guide_sees_twenty_events_of_one_second_once(client, run):
    # As in the guide, but for the number of rounds and the length of the sleep.
    events = EventStream(client)
    seen = []
    last_timestamp = None
    for count in (7, 0, 6, 1, 6, 0):
        add(client, run, count)
        new_events = events.poll_events(run.id, since=last_timestamp)
        for event in new_events:
            seen.append(event)
            last_timestamp = event.timestamp
        time.sleep(0.01)
    assert len(seen) == 23
    assert seen == client.get_run_timeline(run.id)


def test_twenty_events_of_one_second_are_followed_over_several_polls(plane, followed):
    follower = followed()
    seen = []
    for number in range(20):
        plane.add(number)
        seen.append(next(follower).id)
    plane.status = "completed"
    assert seen == list(range(20))
    assert list(follower) == []


def test_polling_and_following_do_not_take_events_from_each_other(client, run):
    events = EventStream(client)
    timeline = client.get_run_timeline(run.id)
    follower = events.follow(run.id)
    assert next(follower) == timeline[0]
    assert events.poll_events(run.id) == timeline
    assert [next(follower), next(follower)] == timeline[1:]


def test_since_is_a_timestamp_or_a_datetime(client, run, plane, followed):
    client.cancel_run(run.id)
    timeline = client.get_run_timeline(run.id)
    now = datetime.now(timezone.utc)
    for moment in (now - timedelta(hours=1), now.replace(tzinfo=None) - timedelta(hours=1), timeline[0].timestamp):
        assert list(EventStream(client).follow(run.id, since=moment)) == timeline
        assert EventStream(client).poll_events(run.id, moment) == timeline
    # As far to the east as there are clocks.
    for moment in (now + timedelta(hours=1), (now + timedelta(hours=1)).astimezone(timezone(timedelta(hours=14)))):
        assert list(EventStream(client).follow(run.id, since=moment)) == []
        assert EventStream(client).poll_events(run.id, moment) == []

    plane.add(1, timestamp="2026-11-21T22:50:48")
    plane.add(2, 3)
    plane.status = "completed"
    assert ids(followed(since=datetime(2026, 11, 21, 22, 50, 49))) == [2, 3]
    assert ids(followed(since=datetime(2026, 11, 22, 0, 50, 49, tzinfo=timezone(timedelta(hours=2))))) == [2, 3]


def test_an_event_that_cannot_be_decoded_takes_no_other_with_it(plane, followed):
    plane.add(1)
    follower = followed()
    assert next(follower).id == 1
    plane.add(2)
    plane.add(3, details="no object")
    plane.add(4, 5)
    assert next(follower).id == 2
    with pytest.raises(DecodeError, match="details"):
        next(follower)
    assert [next(follower).id, next(follower).id] == [4, 5]
    del plane.events[2]
    assert ids(take(followed(cursor=follower.cursor), plane)) == []


def test_large_events_come_one_by_one(plane, followed):
    plane.add(*range(40), details={"text": "ä" * 20_000})
    plane.add(40, 41)
    plane.status = "completed"
    follower = followed()
    assert ids(some(follower, 20)) == list(range(20))
    assert ids(followed(cursor=follower.cursor)) == list(range(20, 42))
    rest = list(follower)
    assert ids(rest) == list(range(20, 42))
    assert rest[0].details == {"text": "ä" * 20_000}


def some(follower, count):
    """So many of the next events."""
    return [next(follower) for _ in range(count)]


def take(follower, plane):
    """The rest of the events, once the run has ended."""
    plane.status = "completed"
    return list(follower)


# ---- where it stands -------------------------------------------------------------------------------------------------


def test_the_cursor_is_where_the_caller_stands(plane, followed):
    plane.add(1, 2, 3)
    follower = followed()
    assert ids(take(followed(cursor=follower.cursor), plane)) == [1, 2, 3]
    plane.status = "running"
    for seen in (1, 2, 3):
        next(follower)
        # All three have come, but not all were given.
        assert ids(take(followed(cursor=follower.cursor), plane)) == [1, 2, 3][seen:]
        plane.status = "running"
    follower.close()
    assert ids(take(followed(cursor=follower.cursor), plane)) == []


def test_a_follower_that_is_left_and_closed_tells_where_to_go_on(plane, followed):
    plane.add(1, 2, 3)
    with followed() as follower:
        for event in follower:
            if event.id == 2:
                break
    assert follower.closed
    assert list(follower) == []
    plane.add(4)
    assert ids(take(followed(cursor=follower.cursor), plane)) == [3, 4]


def test_the_cursor_stays_while_another_thread_waits(plane, followed):
    plane.add(1, 2, 3)
    follower = followed()
    for _ in range(3):
        next(follower)
    plane.answers.clear()
    asked = plane.requests
    with meanwhile(lambda: next(follower)):
        until(lambda: plane.requests > asked)
        cursor = follower.cursor
        plane.add(4)
        plane.answers.set()
    assert ids(take(followed(cursor=cursor), plane)) == [4]
    assert ids(take(followed(cursor=follower.cursor), plane)) == []


CHAPTER = """
import sys
from loki_mode_sdk import AutonomiClient, EventStream
base_url, token, run_id, cursor, count = sys.argv[1:]
with AutonomiClient(base_url, token) as client:
    follower = EventStream(client).follow(run_id, cursor=cursor or None, poll_interval=0.02)
    for left, event in zip(reversed(range(int(count))), follower):
        print(event.id)
        if not left:
            break
    print(follower.cursor)
"""


def test_a_new_process_goes_on_where_the_last_one_stopped(client, run, control_plane):
    add(client, run, 20)
    seen, cursor = [], ""
    for count in (5, 1, 8, 20):
        command = [sys.executable, "-c", CHAPTER, control_plane.base_url, control_plane.TOKEN, str(run.id), cursor]
        if count == 20:
            add(client, run, 3, "run_completed")
        *told, cursor = subprocess.check_output([*command, str(count)], encoding="utf-8", timeout=60).split()
        seen += map(int, told)
    assert seen == ids(client.get_run_timeline(run.id))
    assert len(seen) == 26


# ---- when it ends ----------------------------------------------------------------------------------------------------


def test_until_a_state(plane, followed):
    plane.add(1, 2)
    plane.status = "paused"
    for states in ("paused", ["paused"], ("failed", "paused"), {"paused"}, frozenset({"paused"})):
        follower = followed(until=states)
        assert ids(follower) == [1, 2]
        assert follower.status == "paused"
    # The end of a run is an end for all of them, but for an empty collection.
    plane.status = "completed"
    assert ids(followed(until="paused")) == [1, 2]
    follower = followed(until=())
    assert ids([next(follower), next(follower)]) == [1, 2]
    time.sleep(0.2)
    plane.add(3)
    assert next(follower).id == 3


def test_until_a_function_says_so(plane, followed):
    plane.add(1, 2, 3)
    asked = []
    follower = followed(until=lambda event: asked.append(event.id) or event.id == 2)
    assert next(follower).id == 1
    # It is asked once the event was dealt with.
    assert asked == []
    assert next(follower).id == 2
    assert asked == [1]
    assert next(follower, "end") == "end"
    assert asked == [1, 2]
    assert follower.closed
    assert ids(take(followed(cursor=follower.cursor), plane)) == [3]
    # One that never says so does not outlive the run.
    assert ids(followed(until=lambda event: False)) == [1, 2, 3]


def test_what_the_function_raises_takes_no_event_away(plane, followed):
    plane.add(1, 2, 3)
    follower = followed(until=lambda event: 1 / 0 if event.id == 2 else False)
    assert ids([next(follower), next(follower)]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        next(follower)
    assert next(follower).id == 3


def test_the_timeout_bounds_the_iterator(plane, followed):
    plane.add(1)
    follower = followed(timeout=0.3)
    began = time.monotonic()
    assert next(follower).id == 1
    for _ in range(2):
        with pytest.raises(APITimeoutError):
            next(follower)
    assert time.monotonic() - began < 5
    plane.add(2)
    assert ids(take(followed(cursor=follower.cursor), plane)) == [2]


def test_close_ends_a_wait_in_another_thread(plane, followed):
    plane.add(1)
    follower = followed(poll_interval=60)
    assert next(follower).id == 1
    outcome = []
    with meanwhile(lambda: outcome.extend(follower)):
        time.sleep(0.2)
        began = time.monotonic()
        follower.close()
    assert time.monotonic() - began < 1
    assert outcome == []


def test_close_ends_a_request_in_another_thread(plane, followed):
    plane.answers.clear()
    follower = followed()
    with meanwhile(list, follower):
        until(lambda: plane.requests)
        began = time.monotonic()
        follower.close()
    assert time.monotonic() - began < 1


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_a_run_that_is_not_there(client):
    follower = EventStream(client).follow(987654, poll_interval=QUICK)
    with pytest.raises(NotFoundError, match="Run not found"):
        next(follower)


def test_a_server_that_is_not_there(fault_server):
    with AutonomiClient(fault_server.refuse(), timeout=0.3) as client, pytest.raises(APIConnectionError):
        next(EventStream(client).follow(1, poll_interval=QUICK))


def test_what_is_no_good_is_refused_at_once(client):
    events = EventStream(client)
    for options, problem in [
        ({"since": "yesterday"}, "since"),
        ({"cursor": "x"}, "cursor"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"timeout": -1}, "timeout"),
    ]:
        with pytest.raises(ConfigError) as caught:
            events.follow(1, **options)
        assert caught.value.param == problem
    for options in (
        {"since": 5},
        {"since": timedelta(1)},
        {"cursor": 1},
        {"poll_interval": "2"},
        {"until": 5},
        {"until": [5]},
        {"timeout": "x"},
    ):
        with pytest.raises(TypeError, match=next(iter(options))):
            events.follow(1, **options)
    for run_id in (None, True, 1.5, b"1"):
        with pytest.raises(TypeError, match="run_id"):
            events.follow(run_id)
        with pytest.raises(TypeError, match="run_id"):
            events.follow_many([run_id])
    with pytest.raises(TypeError, match="run_ids"):
        events.follow_many("12")
    with pytest.raises(ConfigError):
        events.follow("..")
    with pytest.raises(ConfigError, match="nothing to follow"):
        events.follow_many()
    with pytest.raises(ConfigError, match="not of run 2"):
        events.follow(2, cursor=events.follow(1).cursor)


def test_two_threads_cannot_wait_at_once(plane, followed):
    plane.answers.clear()
    follower = followed()
    with meanwhile(lambda: next(follower)):
        until(lambda: plane.requests)
        with pytest.raises(ConfigError, match="another thread is waiting"):
            next(follower)
        plane.add(1)
        plane.answers.set()


def test_many_threads_can_take_turns(plane, followed):
    plane.add(*range(5000))
    plane.status = "completed"
    follower = followed()
    seen = []

    def work():
        while True:
            try:
                event = next(follower, None)
            except ConfigError:
                continue
            if event is None:
                return
            seen.append(event.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(5000))


def test_a_closed_client(client, run):
    follower = EventStream(client).follow(run.id, poll_interval=QUICK)
    assert next(follower) is not None
    client.close()
    with pytest.raises(ConfigError, match="closed"):
        for _ in follower:
            pass


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


# ---- many runs -------------------------------------------------------------------------------------------------------


def test_many_runs_are_followed_at_once(client, run):
    project = client.list_projects()[0].id
    runs = [run] + [client.create_run(project) for _ in range(4)]

    def go_on():
        for _ in range(5):
            for each in runs:
                add(client, each)
        for each in runs:
            add(client, each, 1, "run_completed")

    with meanwhile(go_on):
        follower = EventStream(client).follow_many((each.id for each in runs), poll_interval=QUICK)
        events = list(follower)
    for each in runs:
        assert [event for event in events if event.run_id == each.id] == client.get_run_timeline(each.id)
        assert follower.status_of(each.id) == follower.status_of(str(each.id)) == "completed"
    assert follower.status is None
    assert follower.status_of("nobody") is None


def test_the_runs_of_a_project_are_taken_up_as_they_start(client):
    project = client.list_projects()[0].id
    for each in client.list_runs(project_id=project, status="running"):
        client.cancel_run(each.id)
    first = client.create_run(project)
    add(client, first)
    follower = EventStream(client).follow_many(project_id=project, poll_interval=QUICK)
    assert next(follower).run_id == first.id
    second = client.create_run(project)
    add(client, second)
    assert next(follower).run_id == second.id
    client.cancel_run(first.id)
    # Another one goes on where this one stopped, also with a run that it has not heard of.
    third = client.create_run(project)
    with EventStream(client).follow_many(project_id=project, poll_interval=QUICK, cursor=follower.cursor) as other:
        add(client, third)
        seen = {event.run_id for _, event in zip(range(1), other)}
    assert seen == {third.id}
    client.cancel_run(second.id)
    client.cancel_run(third.id)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts in /proc")
def test_100_runs_need_one_thread(plane, followed):
    plane.add(1, 2)
    with AutonomiClient(plane.base_url, path_style="guide") as client:
        before = len(os.listdir("/proc/self/task")) - plane.connections
        follower = EventStream(client).follow_many(list(range(1, 101)), poll_interval=QUICK)
        seen = [next(follower) for _ in range(200)]
        plane.add(3)
        seen += [next(follower) for _ in range(100)]
        # The server has a thread for each connection.
        assert len(os.listdir("/proc/self/task")) - plane.connections <= before
    for run_id in range(1, 101):
        assert [event.id for event in seen if event.run_id == run_id] == [1, 2, 3]


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


# ---- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["guide", "v9.22"])
def test_a_server_that_is_killed_and_started_again(profile, tmp_path):
    data = str(tmp_path / "plane.db")
    with ControlPlane(profile, "--data", data) as server, AutonomiClient(server.base_url, server.TOKEN) as client:
        run = client.create_run(client.list_projects()[0].id)

        def go_on():
            for _ in range(3):
                add(client, run, 5)
                time.sleep(0.1)
                server.kill()
                time.sleep(0.1)
                server.start()
            add(client, run, 5)
            add(client, run, 1, "run_completed")

        follower = EventStream(client).follow(run.id, poll_interval=QUICK)
        with meanwhile(go_on):
            events = list(follower)
        assert len(events) == 21
        assert events == client.get_run_timeline(run.id)


@pytest.mark.parametrize("profile", ["guide", "v5.51"])
def test_a_bad_line(profile):
    with Line() as line, ControlPlane(profile) as server:
        with AutonomiClient(server.base_url, server.TOKEN) as client:
            run = client.create_run(client.list_projects()[0].id)

            def go_on():
                for _ in range(20):
                    add(client, run, 2)
                    time.sleep(0.05)
                add(client, run, 1, "run_completed")

            address = line.to(server.base_url, seed=7, rate=0.2)
            with AutonomiClient(address, server.TOKEN, timeout=2) as over, meanwhile(go_on):
                events = list(EventStream(over).follow(run.id, poll_interval=QUICK))
            assert events == client.get_run_timeline(run.id)
            assert len(events) == 41
        assert line.broken() > 0
