"""Long lists of servers that have habits of their own, that fail, and whose lists change under the reader's hands.

Each test goes through lists with both clients: `gather` makes a list of what an iterator gives, whichever it is.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from list_server import ListServer
from loki_mode_sdk import (
    APITimeoutError,
    AsyncAutonomiClient,
    AutonomiClient,
    ConfigError,
    DecodeError,
    NotAvailableError,
    ServerError,
)

OLD = list(range(30, 0, -1))
ADDED = range(1000, 1000 + 200)


@pytest.fixture
def server():
    with ListServer(OLD.copy()) as server:
        yield server


class Face:
    """One of the two clients, as if both were without asyncio."""

    def __init__(self, client, run):
        self.client, self._run = client, run

    def gather(self, pager):
        """Everything that comes; what is raised is appended."""

        async def awaited():
            items = []
            try:
                if self.is_async:
                    async for item in pager:
                        items.append(item)
                else:
                    items.extend(pager)
            except Exception as error:
                items.append(error)
            return items

        return self._run(awaited())

    @property
    def is_async(self):
        return isinstance(self.client, AsyncAutonomiClient)

    def next(self, pager):
        async def one():
            return await pager.__anext__() if self.is_async else next(pager)

        return self._run(one())

    def ids(self, **options):
        return [getattr(item, "id", item) for item in self.gather(self.client.iter_runs(**options))]


@pytest.fixture(params=[AutonomiClient, AsyncAutonomiClient], ids=["sync", "async"])
def face(request, server):
    loop = asyncio.new_event_loop()
    client = request.param(server.base_url, path_style="guide", max_retries=0)
    yield Face(client, loop.run_until_complete)
    loop.run_until_complete(client.aclose()) if request.param is AsyncAutonomiClient else client.close()
    loop.close()


@pytest.mark.parametrize(
    "ignores", [set(), {"limit"}, {"offset"}, {"limit", "offset"}], ids=lambda names: "+".join(names)
)
@pytest.mark.parametrize("page_size", [1, 7, 30, None])
def test_what_a_server_takes_no_notice_of(face, server, ignores, page_size):
    server.ignores = ignores
    given = face.ids(page_size=page_size)
    if ignores == {"offset"} and page_size in (1, 7):
        # There is more, and it is not to be had.
        error = given.pop()
        assert isinstance(error, NotAvailableError)
        assert given == OLD[: page_size + 1]
    else:
        assert given == OLD
    assert len(server.asked) <= 32


@pytest.mark.parametrize("page_size", [1, 3, 10, 1000])
@pytest.mark.parametrize("cap", [2, 3, 7, 29, 30])
def test_pages_shorter_than_they_were_asked_for(face, server, cap, page_size):
    server.cap = cap
    assert face.ids(page_size=page_size) == OLD


@pytest.mark.parametrize("size", [2, 4, 5, 31])
def test_pages_of_one_length_whatever_is_asked_for(face, server, size):
    server.ignores, server.cap = {"limit"}, size
    for page_size in (1, 3, 10, 1000):
        assert face.ids(page_size=page_size) == OLD


def test_the_same_page_for_ever(face, server):
    page = [{"id": number} for number in (3, 2, 1)]
    server.meanwhile = lambda number: (200, page)
    for page_size in (1, 2, 10):
        assert face.ids(page_size=page_size) == [3, 2, 1]
    # It may be cut: as long as what was asked for.
    assert face.ids(page_size=3) == [3, 2, 1]


def test_a_page_that_is_empty_by_mistake(face, server):
    server.meanwhile = lambda number: (200, []) if number in (2, 3) else None
    assert face.ids(page_size=10) == OLD


@pytest.mark.parametrize("cap", [3, 10**9])
@pytest.mark.parametrize("page_size", [3, 10])
def test_rows_that_are_added_and_removed_with_every_request(face, server, page_size, cap):
    gone, added = [], iter(ADDED)

    def change(number):
        if number > 40:
            return
        if number % 3 == 0:
            gone.append(server.rows.pop(len(server.rows) // 2))
        else:
            server.rows[0:0] = [next(added), next(added)][:: number % 2 or -1]

    server.cap, server.meanwhile = cap, change
    given = face.ids(page_size=page_size)
    assert len(set(given)) == len(given)
    assert set(OLD) - set(gone) <= set(given)


def test_rows_that_are_removed_as_they_are_read(face, server):
    given = []
    pager = face.client.iter_runs(page_size=4)
    for _ in OLD:
        given.append(face.next(pager).id)
        server.rows.remove(given[-1])
    assert given == OLD
    assert face.gather(pager) == []


@pytest.mark.parametrize(
    ("answer", "raised"),
    [((500, "no"), ServerError), ((200, {"rows": []}), DecodeError), ((200, [{"status": "x"}]), DecodeError)],
)
def test_after_a_page_that_fails_it_goes_on_where_it_was(face, server, answer, raised):
    server.meanwhile = lambda number: answer if number in (1, 3, 4) else None
    pager = face.client.iter_runs(page_size=10)
    parts = [face.gather(pager) for _ in range(4)]
    assert [type(part.pop()) for part in parts[:3]] == [raised] * 3
    assert [[run.id for run in part] for part in parts] == [[], OLD[:10], [], OLD[10:]]


def test_a_page_has_retries_and_a_time_of_its_own(face, server):
    server.meanwhile = lambda number: (503, {}) if number % 2 else None
    assert face.ids(page_size=10, max_retries=2) == OLD
    server.meanwhile = lambda number: None
    server.answers.clear()
    pager = face.client.iter_runs(timeout=0.2)
    assert isinstance(face.gather(pager)[0], APITimeoutError)
    server.answers.set()
    assert [run.id for run in face.gather(pager)] == OLD


def test_filters_are_those_of_every_page(face, server):
    assert len(face.ids(project_id="p q", status="a&b", page_size=7)) == 30
    assert len(server.asked) > 4
    assert {(query["project_id"], query["status"]) for query in server.asked} == {("p q", "a&b")}


def test_limits_at_their_ends(face, server):
    assert face.ids(max_items=10**12) == OLD
    assert face.ids(page_size=1000, max_items=1) == OLD[:1]
    assert face.ids(max_items=0) == []
    for options in ({"max_items": -1}, {"page_size": 0}, {"page_size": -1}, {"page_size": 2**70}, {"max_items": 2**70}):
        with pytest.raises(ConfigError) as caught:
            face.client.iter_runs(**options)
        assert caught.value.param in options


def test_a_loop_that_was_left_goes_on_and_two_do_not_know_of_each_other(server):
    with AutonomiClient(server.base_url, path_style="guide") as client:
        one, other = client.iter_runs(page_size=4), client.iter_runs(page_size=7)
        given = []
        for run in one:
            given.append(run.id)
            if len(given) % 5 == 0:
                break
            next(other)
        assert given == OLD[:5]
        assert given + [run.id for run in one] == OLD
        assert [run.id for run in other] == OLD[4:]

    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide") as client:
            one = client.iter_runs(page_size=4)
            async for run in one:
                if run.id == 26:
                    break
            assert [run.id async for run in one] == OLD[5:]
            both = await asyncio.gather(*(collect(client.iter_runs(page_size=size)) for size in (4, 7)))
            assert both == [OLD, OLD]

    async def collect(pager):
        return [run.id async for run in pager]

    asyncio.run(main())


def test_threads_that_share_an_iterator_get_each_row_once(server):
    with AutonomiClient(server.base_url, path_style="guide") as client:
        pager, lock = client.iter_runs(page_size=3), threading.Lock()

        def take(_):
            given = []
            while True:
                with lock:
                    run = next(pager, None)
                if run is None:
                    return given
                given.append(run.id)

        with ThreadPoolExecutor(4) as pool:
            given = [number for part in pool.map(take, range(4)) for number in part]
        assert sorted(given, reverse=True) == OLD
        # Without a lock, one of them is told; nothing is lost.
        server.answers.clear()
        arrived = len(server.asked) + 1
        pager = client.iter_runs(page_size=3)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(next, pager)
            while len(server.asked) < arrived:
                time.sleep(0.01)
            with pytest.raises(ConfigError, match="another thread is waiting"):
                next(pager)
            server.answers.set()
            assert first.result(60).id == 30
        assert [run.id for run in pager] == OLD[1:]


def test_a_cancelled_wait_for_a_page_takes_nothing_away(server):
    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide") as client:
            pager = client.iter_runs(page_size=10)
            given = []
            for _ in range(3):
                server.answers.clear()
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(pager.__anext__(), 0.1)
                server.answers.set()
                given += [(await pager.__anext__()).id for _ in range(10)]
            assert given == OLD
            assert [run async for run in pager] == []

    asyncio.run(main())
