"""Following runs where something is wrong: with what is asked for, with the server, or with the line to it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from bad_line import Line
from following import QUICK, add, meanwhile, until
from loki_mode_sdk import APIConnectionError, AutonomiClient, ConfigError, EventStream, NotFoundError
from servers import ControlPlane

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


# ---- servers and lines that come and go ------------------------------------------------------------------------------


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
