"""What holds while connections break: the short form of `make soak`."""

from __future__ import annotations

import threading

import pytest

from bad_line import KINDS, Line, write_over
from loki_mode_sdk import AutonomiClient
from servers import ControlPlane


@pytest.fixture(scope="module")
def plane():
    with ControlPlane("guide") as server:
        yield server


def test_no_write_is_doubled_and_none_is_lost(plane):
    with Line() as line:
        url = line.to(plane.base_url, seed=20261122, rate=0.4)
        tallies = write_over(url, plane, each=25, threads=8)
        # Otherwise this says nothing.
        assert line.broken() >= 20
    for kind in KINDS:
        tally = tallies[kind]
        assert tally.wrong == [], f"{kind}: {tally}"
        assert tally.acknowledged + tally.maybe_executed + tally.not_executed == 25
        assert tally.acknowledged > 0


def test_64_threads_get_their_own_answers(plane):
    threads, calls = 64, 15
    crossed, errors = [], []
    with AutonomiClient(plane.base_url, plane.TOKEN) as client:
        ids = [client.create_project(f"own {n}").id for n in range(threads)]

        def work(own):
            try:
                for _ in range(calls):
                    got = client.get_project(own).id
                    if got != own:
                        crossed.append((own, got))
            except Exception as error:
                errors.append(error)

        workers = [threading.Thread(target=work, args=(own,)) for own in ids]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert errors == []
    assert crossed == []
