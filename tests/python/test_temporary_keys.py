"""Keys for a while: none stays, whatever ends its block, or keeps it from beginning."""

from __future__ import annotations

import _thread
import asyncio
import json
import pickle
import signal
import threading
import time
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from keys_support import hours_until, key_ids, sent, works
from loki_mode_sdk import (
    APIConnectionError,
    APITimeoutError,
    AsyncAutonomiClient,
    AutonomiClient,
    ConfigError,
    DecodeError,
    ServerError,
    TemporaryApiKey,
    ValidationError,
)


@pytest.fixture
def client(control_plane):
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        yield client


def test_a_temporary_key_is_deleted_at_the_end(client, request):
    name = f"temporary {time.time_ns()}"
    with client.temporary_api_key(name, role="viewer") as key:
        assert isinstance(key, TemporaryApiKey)
        assert key.id in [listed.id for listed in key.client.list_api_keys()]
        assert 23 < hours_until(key.info["expires_at"]) < 25
        assert key.token not in repr(key) + str(key) + repr(key.info) + repr(vars(key))
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(key)
    assert key.id not in key_ids(client)
    assert not works(client, key.token)
    with pytest.raises(ConfigError, match="closed"):
        key.client.list_api_keys()


def test_a_temporary_key_is_deleted_after_an_error_and_may_be_gone(client):
    with pytest.raises(ZeroDivisionError), client.temporary_api_key(f"temporary {time.time_ns()}") as key:
        raise ZeroDivisionError
    assert key.id not in key_ids(client)
    with client.temporary_api_key(f"temporary {time.time_ns()}", scopes=["read"], expires_days=3) as gone:
        client.delete_api_key(gone.id)


def test_a_key_of_a_tenant_sees_its_projects_on_every_server(client):
    [tenant, *_] = client.list_tenants()
    name, scopes = f"temporary {time.time_ns()}", ["read", f"tenant:{tenant.id}"]
    with client.temporary_api_key(name, scopes=scopes) as key:
        assert key.client.list_projects()
        assert key.client.list_runs()


def test_a_temporary_key_for_asyncio(control_plane):
    async def main():
        async with AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
            async with client.temporary_api_key(f"temporary {time.time_ns()}") as key:
                assert key.id in [listed.id for listed in await key.client.list_api_keys()]
            assert key.id not in [listed.id for listed in await client.list_api_keys()]
            with pytest.raises(ZeroDivisionError):
                async with client.temporary_api_key(f"temporary {time.time_ns()}") as key:
                    raise ZeroDivisionError
            assert key.id not in [listed.id for listed in await client.list_api_keys()]

    asyncio.run(main())


def test_a_temporary_key_that_cannot_be_deleted_is_told(client_of, fault_server):
    created = {"status": 201, "json": {"id": "tmp", "name": "n", "token": "loki_tmp", "expires_at": "tomorrow"}}
    failed = {"status": 500, "text": "no"}
    client = client_of(created, failed, created, failed, path_style="guide", max_retries=0)
    with pytest.raises(ServerError), client.temporary_api_key("n"):
        pass
    warned = pytest.warns(RuntimeWarning, match="API key tmp could not be deleted.*works until tomorrow")
    with warned, pytest.raises(ZeroDivisionError), client.temporary_api_key("n"):
        raise ZeroDivisionError
    assert sent(fault_server) == ["POST /api/keys", "DELETE /api/keys/tmp"] * 2


def test_a_temporary_key_is_not_made_before_its_block(client_of, fault_server):
    key = client_of(path_style="guide").temporary_api_key("n")
    assert repr(key) == "TemporaryApiKey(not made yet)"
    with pytest.raises(ConfigError, match="beginning of a `with` block"):
        key.token  # noqa: B018 - it is asked for, and not there
    assert sent(fault_server) == []


# ---- keys whose making or deleting is interrupted --------------------------------------------------------------------


class KeyServer:
    """A server with keys, which makes and deletes them whatever becomes of the answer.

    Attributes:
        keys: The keys by their identifiers; one is there already.
        asked: The methods of the requests, in order.
        answer: What becomes of the answer to a creation: it is lost, or a status and a text.
        before: Is called with the method of each request, before anything is done.
    """

    def __init__(self) -> None:
        self.keys = {"old": {"id": "old", "name": "n", "description": "temporary [0123456789ab]"}}
        self.asked, self.answer, self.before = [], None, lambda method: None

    def make(self, wanted):
        key = {"id": f"k{len(self.asked)}", **wanted, "token": "loki_tmp"}
        self.keys[key["id"]] = key
        return (201, json.dumps(key)) if self.answer is None else self.answer

    def __enter__(self):
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                plane.asked.append(self.command)
                plane.before(self.command)
                if self.command == "POST":
                    answer = plane.make(json.loads(body))
                elif self.command == "DELETE":
                    gone = plane.keys.pop(self.path.rsplit("/", 1)[1], None)
                    answer = (204, "") if gone else (404, '{"detail": "API key not found"}')
                else:
                    answer = (200, json.dumps(list(plane.keys.values())))
                if answer == "lost":
                    self.close_connection = True
                    return
                status, text = answer
                self.send_response(status)
                self.send_header("content-type", "application/json")
                if status != 204:
                    self.send_header("content-length", str(len(text)))
                try:
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    # Whoever asked has given up.
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = handle_any

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    with KeyServer() as server:
        yield server


async def block(client, **options):
    async with client.temporary_api_key("n", **options):
        await asyncio.sleep(60)


def enter(server, kind, **options):
    """Begins a block, which an error ends."""
    if kind is AutonomiClient:
        with kind(server.base_url, path_style="guide", **options) as client, client.temporary_api_key("n"):
            pass
        return

    async def main():
        async with kind(server.base_url, path_style="guide", **options) as client:
            await block(client)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [AutonomiClient, AsyncAutonomiClient])
@pytest.mark.parametrize(
    ("answer", "error"),
    [("lost", APIConnectionError), ((201, "{"), DecodeError), ((502, "no"), ServerError)],
    ids=["lost", "no JSON", "a proxy is in trouble"],
)
def test_a_key_whose_answer_is_lost_is_found_by_its_mark(server, kind, answer, error):
    server.answer = answer
    with pytest.raises(error):
        enter(server, kind)
    assert server.asked == ["POST", "GET", "DELETE"]
    assert list(server.keys) == ["old"], "and none but that"


@pytest.mark.parametrize("kind", [AutonomiClient, AsyncAutonomiClient])
def test_a_key_with_which_no_client_can_be_made_is_deleted(server, kind):
    server.make = lambda wanted: server.keys.update(k={"id": "k"}) or (201, '{"id": "k", "token": "two words"}')
    with pytest.raises(ConfigError, match="token"):
        enter(server, kind)
    assert (server.asked, list(server.keys)) == (["POST", "DELETE"], ["old"])


@pytest.mark.parametrize("kind", [AutonomiClient, AsyncAutonomiClient])
def test_one_that_was_refused_is_not_looked_for(server, kind):
    for status, error in ((400, ValidationError), (503, ServerError)):
        server.make = lambda wanted, status=status: (status, '{"detail": "the name is taken"}')
        with pytest.raises(error):
            enter(server, kind)
    assert server.asked == ["POST"] * 2


@pytest.mark.parametrize("kind", [AutonomiClient, AsyncAutonomiClient])
def test_one_that_is_made_late_is_found_by_the_second_look(server, kind):
    def hold(method):
        if method == "POST":
            wait_for(lambda: server.asked.count("GET") == 1)

    server.before = hold
    with pytest.raises(APITimeoutError):
        enter(server, kind, timeout=0.3)
    assert server.asked == ["POST", "GET", "GET", "DELETE"]
    assert list(server.keys) == ["old"]


@pytest.mark.parametrize("kind", [AutonomiClient, AsyncAutonomiClient])
def test_that_nothing_is_known_is_told(server, kind, caplog):
    server.answer = "lost"

    def fail(method):
        if method == "GET":
            raise ConnectionAbortedError

    server.before = fail
    server._server.handle_error = lambda *request: None
    with pytest.raises(APIConnectionError, match="POST"):
        enter(server, kind, max_retries=0)
    assert "not known whether the temporary API key 'n' was made: GET /api/keys: lost the connection" in caplog.text


def test_blocks_of_one_key_come_one_after_the_other(server):
    with AutonomiClient(server.base_url, path_style="guide") as client:
        key = client.temporary_api_key("n")
        ids = []
        for _ in range(2):
            with key:
                ids.append(key.id)
                with pytest.raises(ConfigError, match="has not ended"), key:
                    pass
        assert len(set(ids)) == 2

    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide") as client:
            key = client.temporary_api_key("n")
            for _ in range(2):
                async with key:
                    with pytest.raises(ConfigError, match="has not ended"):
                        await key.__aenter__()

    asyncio.run(main())
    assert (server.asked, list(server.keys)) == (["POST", "DELETE"] * 4, ["old"])


def test_a_wrong_option_is_told_as_for_every_call(server):
    with AutonomiClient(server.base_url) as client:
        for option in ({"timeout": "x"}, {"role": 5}, {"description": 5}):
            with (
                pytest.raises(TypeError, match=f"{next(iter(option))} must be"),
                client.temporary_api_key("n", **option),
            ):
                pass
    assert server.asked == []


def test_a_description_of_ones_own_has_the_mark_too(server):
    client = AutonomiClient(server.base_url, path_style="guide")
    with client, client.temporary_api_key("n", description="for the report") as key:
        description = server.keys[key.id]["description"]
    assert description.startswith("for the report [")
    assert description[-14:-1].strip("0123456789abcdef") == "["


@pytest.fixture
def ctrl_c():
    """Sends the process a Ctrl-C. A shell has what it runs in the background ignore that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: _thread.interrupt_main()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_the_key_is_made(server, ctrl_c):
    def interrupt(method):
        if method == "POST":
            time.sleep(0.2)
            ctrl_c()
            time.sleep(0.3)

    server.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        enter(server, AutonomiClient)
    assert list(server.keys) == ["old"]
    assert server.asked[-1] == "DELETE"


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


async def reached(condition):
    await asyncio.get_running_loop().run_in_executor(None, wait_for, condition)


@contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("step", ["POST", "DELETE"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_cancelled_task_waits_for_the_key(server, step, times):
    """However often it is cancelled, and whatever the key is just about to."""
    go_on = threading.Event()
    server.before = lambda method: method != step or go_on.wait(30)

    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide") as client:
            task = asyncio.create_task(block(client))
            await reached(lambda: server.asked)
            if step == "DELETE":
                await reached(lambda: len(server.keys) == 2)
                await asyncio.sleep(0.05)
                task.cancel()
                await reached(lambda: server.asked[-1] == "DELETE")
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0.02)
            assert not task.done()
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    with no_warnings():
        asyncio.run(main())
    assert (server.asked, list(server.keys)) == (["POST", "DELETE"], ["old"])


def test_the_scope_of_anyio_leaves_no_key(server):
    """Within one that was cancelled, every wait is cancelled, again and again."""
    import anyio

    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide") as client:
            with anyio.move_on_after(0.2) as scope:
                await block(client)
            assert scope.cancelled_caught

    with no_warnings():
        asyncio.run(main())
    assert (server.asked, list(server.keys)) == (["POST", "DELETE"], ["old"])


def test_the_end_of_asyncio_run_leaves_no_key(server):
    """It cancels all tasks, those that delete keys too."""
    slow = threading.Event()
    server.before = lambda method: method == "DELETE" and slow.wait(0.2)

    async def main(kept):
        client = AsyncAutonomiClient(server.base_url, path_style="guide")
        kept.append(asyncio.create_task(block(client)))
        await reached(lambda: len(server.keys) == 2)
        await asyncio.sleep(0.05)
        kept[0].cancel()
        await reached(lambda: server.asked[-1] == "DELETE")

    with no_warnings():
        asyncio.run(main([]))
    assert list(server.keys) == ["old"]


def test_a_server_that_does_not_answer_does_not_hold_up_a_cancellation_for_long(server, monkeypatch, caplog):
    for module in ("keys", "aio_helpers"):
        monkeypatch.setattr(f"loki_mode_sdk.{module}.HURRY", 0.3)
    never = threading.Event()
    server.before = lambda method: never.wait(60)

    async def main():
        async with AsyncAutonomiClient(server.base_url, path_style="guide", timeout=1000) as client:
            task = asyncio.create_task(block(client))
            await reached(lambda: server.asked)
            task.cancel()
            await asyncio.wait([task], timeout=30)
            assert task.cancelled()

    try:
        asyncio.run(main())
    finally:
        never.set()
    assert "not known whether" in caplog.text
