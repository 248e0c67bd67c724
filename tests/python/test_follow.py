"""Following a run: what is given, where the follower stands, and when it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest

from following import QUICK, add, ids, meanwhile, some, take, until
from loki_mode_sdk import APITimeoutError, DecodeError, EventStream, RunEvent, RunFollower

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
