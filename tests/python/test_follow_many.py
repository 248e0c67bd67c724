"""Following many runs at once."""

from __future__ import annotations

import os

import pytest

from following import QUICK, add, meanwhile
from loki_mode_sdk import AutonomiClient, EventStream


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
