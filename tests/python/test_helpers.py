"""What is made of several calls: the end of a run, rotations that lose no token."""

from __future__ import annotations

import asyncio
import functools
import math
import pickle
import threading
import time
import traceback
from unittest.mock import MagicMock, Mock

import pytest

from keys_support import hours_until, key_ids, sent, works
from loki_mode_sdk import (
    APIConnectionError,
    APITimeoutError,
    AsyncAutonomiClient,
    AsyncLokiClient,
    AutonomiClient,
    ConfigError,
    ConflictError,
    CreatedApiKey,
    EventStream,
    KeyRotation,
    KeyRotationError,
    LokiClient,
    NotFoundError,
    RotatedApiKey,
    Run,
    ServerError,
)

ROTATED = {"new_key": {"id": "new"}, "old_key_id": "old", "token": "loki_new"}


@pytest.fixture
def key(client, request):
    """A key of this test's own."""
    return client.create_api_key(f"{request.node.name} {time.time_ns()}".replace("/", " "))


def run_at(status):
    return {"json": {"id": 7, "status": status}}


# ---- the end of a run ------------------------------------------------------------------------------------------------


def test_the_end_of_a_run_is_waited_for(client):
    run = client.create_run(1)
    timer = threading.Timer(0.1, client.cancel_run, [run.id])
    timer.start()
    ended = client.wait_for_run(run.id, poll_interval=0.02, timeout=30)
    timer.join()
    assert isinstance(ended, Run)
    assert (ended.id, ended.status) == (run.id, "cancelled")
    assert client.wait_for_run(run.id).status == "cancelled"
    with pytest.raises(NotFoundError):
        client.wait_for_run(987654)


def test_a_wait_ends_with_its_time(client):
    run = client.create_run(1)
    with pytest.raises(APITimeoutError) as error:
        client.wait_for_run(run.id, poll_interval=0.02, timeout=0.2)
    # What was being waited for may stand behind it.
    assert str(error.value).startswith(f"run {run.id} has not ended within 0.2 s; its last known state is running")


def test_the_end_of_a_run_is_awaited(control_plane):
    async def main():
        async with AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
            run = await client.create_run(1)
            waiting = asyncio.ensure_future(client.wait_for_run(run.id, poll_interval=0.02, timeout=30))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await client.cancel_run(run.id)
            assert (await waiting).status == "cancelled"
            with pytest.raises(NotFoundError):
                await client.wait_for_run(987654)
            other = await client.create_run(1)
            with pytest.raises(APITimeoutError):
                await client.wait_for_run(other.id, poll_interval=0.02, timeout=0.1)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.wait_for_run(other.id), 0.1)

    asyncio.run(main())


def test_a_wait_survives_failures_of_the_server(client_of):
    failed, lost = {"status": 500, "text": "no"}, {"faults": {"read_then_close": True}}
    client = client_of(run_at("running"), failed, lost, run_at("completed"), path_style="guide", max_retries=0)
    assert client.wait_for_run(7, poll_interval=0.01).status == "completed"


@pytest.mark.parametrize("endless", [None, math.inf])
def test_a_wait_without_end(control_plane, endless):
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        run = client.create_run(1)
        client.cancel_run(run.id)
        assert client.wait_for_run(run.id, timeout=endless).status == "cancelled"
        follower = EventStream(client).follow(run.id, timeout=endless)
        assert [event.event_type for event in follower][-1:] == [event.event_type for event in run_events(client, run)]
        client.events(timeout=endless).close()
        client.watch(timeout=endless).close()
    with LokiClient(control_plane.base_url, control_plane.TOKEN) as loki:
        loki.subscribe(print, timeout=endless)()

    async def main():
        async with AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
            assert (await client.wait_for_run(run.id, timeout=endless)).status == "cancelled"
        async with AsyncLokiClient(control_plane.base_url, control_plane.TOKEN) as loki:
            loki.subscribe(print, timeout=endless)()

    asyncio.run(main())


def test_a_call_has_an_end(client_of):
    client = client_of(path_style="guide")
    for call in (client.get_status, client.iter_runs):
        with pytest.raises(ConfigError, match="`timeout` must be a finite number of seconds above zero, not inf"):
            call(timeout=math.inf)
    with pytest.raises(ConfigError, match="`timeout` must be a number of seconds above zero, not 0"):
        client.wait_for_run(1, timeout=0)


def run_events(client, run):
    return client.get_run_timeline(run.id)[-1:]


def test_a_wait_refuses_what_is_no_good(client_of, fault_server):
    client = client_of(path_style="guide")
    for arguments, options, error in [
        ((None,), {}, TypeError),
        (("../x",), {}, ConfigError),
        ((7,), {"timeout": 0}, ConfigError),
        ((7,), {"timeout": -math.inf}, ConfigError),
        ((7,), {"timeout": math.nan}, ConfigError),
        ((7,), {"timeout": "1"}, TypeError),
        ((7,), {"poll_interval": 0}, ConfigError),
        ((7,), {"poll_interval": "1"}, TypeError),
    ]:
        with pytest.raises(error):
            client.wait_for_run(*arguments, **options)
    assert sent(fault_server) == []


# ---- states of a run -------------------------------------------------------------------------------------------------


def test_a_run_in_the_wrong_state_is_a_conflict_and_one_that_is_not_there_is_not_found(client):
    run = client.create_run(1)
    with pytest.raises(ConflictError) as error:
        client.replay_run(run.id)
    assert error.value.status_code == 409
    client.cancel_run(run.id)
    with pytest.raises(ConflictError, match="already ended") as error:
        client.cancel_run(run.id)
    assert error.value.status_code == 409
    for method in (client.cancel_run, client.replay_run):
        with pytest.raises(NotFoundError) as error:
            method(987654)
        assert "state" not in str(error.value)


# ---- rotations -------------------------------------------------------------------------------------------------------


def test_records_of_keys_say_the_same_on_every_server(client, key):
    assert isinstance(key, CreatedApiKey)
    assert (key.id, key.token) == (key["id"], key["token"])
    rotated = client.rotate_api_key(key.id, grace_period_hours=3)
    assert isinstance(rotated, RotatedApiKey)
    assert isinstance(rotated, dict)
    assert rotated.token == rotated["token"] != key.token
    assert rotated.old_key_id == key.id
    assert rotated.new_key_id in key_ids(client)
    assert 2.9 < hours_until(rotated.old_key_expires_at) < 3.1
    assert rotated.token not in repr(rotated)
    assert pickle.loads(pickle.dumps(rotated)) == rotated
    assert RotatedApiKey({"token": "x"}).new_key_id is None


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_rotated_token_is_stored_before_the_old_key_is_deleted(client, key, by):
    stored = []

    def store(token):
        assert works(client, key.token), "the old key works until the new one is stored"
        stored.append(token)

    rotation = client.rotate_and_store(key[by], store, delete_old=True)
    assert isinstance(rotation, KeyRotation)
    assert stored == [rotation.token]
    assert (rotation.old_key_id, rotation.old_key_deleted, rotation.old_key_expires_at) == (key.id, True, None)
    assert (works(client, rotation.token), works(client, key.token)) == (True, False)
    assert rotation.new_key_id in key_ids(client)
    assert key.id not in key_ids(client)
    assert rotation.token not in repr(rotation)


def test_the_old_key_is_left_to_its_grace_period(client, key):
    rotation = client.rotate_and_store(key.id, lambda token: None, grace_period_hours=2)
    assert not rotation.old_key_deleted
    assert 1.9 < hours_until(rotation.old_key_expires_at) < 2.1
    assert works(client, key.token)


def test_a_token_that_cannot_be_stored_is_in_the_error(client, key):
    cause = OSError("the vault is sealed")

    def store(token):
        raise cause

    with pytest.raises(KeyRotationError) as caught:
        client.rotate_and_store(key.id, store, delete_old=True)
    error = caught.value
    assert error.__cause__ is cause
    assert (error.stored, error.old_key_id) == (False, key.id)
    assert f"the old key ({key.id}) works until {error.old_key_expires_at}" in str(error)
    assert (works(client, key.token), works(client, error.token)) == (True, True)
    printed = [repr(error), str(error), *traceback.format_exception(type(error), error, error.__traceback__)]
    assert error.token not in "".join(printed)
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.token, copied.new_key_id, str(copied)) == (error.token, error.new_key_id, str(error))


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_takes_the_new_token_along(client, key, cause):
    def store(token):
        raise cause

    with pytest.raises(type(cause)) as caught:
        client.rotate_and_store(key.id, store, delete_old=True)
    assert caught.value is cause
    error = cause.__cause__
    assert isinstance(error, KeyRotationError)
    assert (error.stored, error.old_key_id) == (False, key.id)
    assert (works(client, key.token), works(client, error.token)) == (True, True)


def test_an_interruption_of_the_rotation_itself_is_as_for_every_call(client_of, fault_server):
    def interrupt():
        raise KeyboardInterrupt

    client = client_of({"json": ROTATED}, path_style="guide", token=interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        client.rotate_and_store("k", print, delete_old=True)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("step", ["storing", "deleting"])
def test_a_cancelled_task_takes_the_new_token_along(fault_server, step):
    answers = [{"json": ROTATED}, {"faults": {"delay_ms": 60_000}, "json": {}}]
    base_url = fault_server.serve(answers)

    async def main():
        reached = asyncio.Event()

        async def store(token):
            if step == "storing":
                reached.set()
                await asyncio.sleep(60)

        async def has_deleted():
            while not (step == "deleting" and len(sent(fault_server)) == 2):
                await asyncio.sleep(0.01)

        async with AsyncAutonomiClient(base_url, "t", path_style="guide") as client:
            task = asyncio.create_task(client.rotate_and_store("k", store, delete_old=True))
            waits = [asyncio.create_task(reached.wait()), asyncio.create_task(has_deleted())]
            await asyncio.wait({*waits, task}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            for wait in waits:
                wait.cancel()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            return caught.value

    cancelled = asyncio.run(main())
    # Before Python 3.11, who awaits a cancelled task gets another exception than the task, with it as context.
    error = (cancelled if cancelled.__cause__ else cancelled.__context__).__cause__
    assert isinstance(error, KeyRotationError)
    assert (error.token, error.stored) == ("loki_new", step == "deleting")


@pytest.mark.parametrize("stores", ["with a function", "with a coroutine"])
def test_a_rotation_is_awaited(control_plane, key, stores):
    async def main():
        async with AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
            stored = []

            async def store(token):
                await asyncio.sleep(0.01)
                assert not stored
                stored.append(token)

            chosen = stored.append if stores == "with a function" else store
            rotation = await client.rotate_and_store(key.id, chosen, delete_old=True)
            assert stored == [rotation.token]
            assert key.id not in [listed.id for listed in await client.list_api_keys()]

            async def fail(token):
                raise OSError("no")

            with pytest.raises(KeyRotationError) as error:
                await client.rotate_and_store(rotation.new_key_id, fail)
            assert error.value.old_key_id == rotation.new_key_id

    asyncio.run(main())


def test_a_key_is_not_rotated_twice(client_of, fault_server):
    client = client_of({"faults": {"read_then_close": True}}, path_style="guide", max_retries=5)
    stored = []
    with pytest.raises(APIConnectionError) as error:
        client.rotate_and_store("k", stored.append, delete_old=True)
    assert error.value.maybe_executed
    assert stored == []
    assert sent(fault_server) == ["POST /api/keys/k/rotate"]


def test_an_old_key_that_cannot_be_deleted_is_an_error_that_says_that_the_rest_went_well(client_of, fault_server):
    client = client_of({"json": ROTATED}, {"status": 500, "text": "no"}, path_style="guide", max_retries=0)
    stored = []
    message = r"stored, but the old key \(old\).*works until 5 h from now, on deployed servers longer: delete it$"
    with pytest.raises(KeyRotationError, match=message) as error:
        client.rotate_and_store("k", stored.append, grace_period_hours=5, delete_old=True)
    assert isinstance(error.value.__cause__, ServerError)
    assert (error.value.stored, error.value.token, stored) == (True, "loki_new", ["loki_new"])
    assert sent(fault_server) == ["POST /api/keys/k/rotate", "DELETE /api/keys/old"]


def test_an_old_key_that_is_gone_is_deleted(client_of, fault_server):
    answers = [{"json": ROTATED}, {"faults": {"read_then_close": True}}, {"status": 404, "json": {"detail": "gone"}}]
    rotation = client_of(*answers, path_style="guide").rotate_and_store("k", lambda token: None, delete_old=True)
    assert (rotation.old_key_deleted, rotation.old_key_expires_at) == (True, None)
    assert sent(fault_server)[1:] == ["DELETE /api/keys/old"] * 2

    async def main():
        async with AsyncAutonomiClient(fault_server.serve(answers), path_style="guide") as client:
            return await client.rotate_and_store("k", lambda token: None, delete_old=True)

    assert asyncio.run(main()).old_key_deleted


def test_an_old_key_of_which_the_id_is_not_known_is_not_deleted_by_its_name(client_of, fault_server):
    client = client_of({"json": {"token": "loki_new"}}, path_style="guide")
    with pytest.raises(KeyRotationError, match="did not give its identifier") as error:
        client.rotate_and_store("k", lambda token: None, delete_old=True)
    assert error.value.stored
    assert sent(fault_server) == ["POST /api/keys/k/rotate"]


def test_a_rotation_that_could_leave_no_working_key_is_refused(client_of, fault_server):
    client = client_of(path_style="guide")
    with pytest.raises(ConfigError) as error:
        client.rotate_and_store("k", print, grace_period_hours=0)
    assert error.value.param == "grace_period_hours"
    for store, options in [("file.txt", {}), (print, {"delete_old": 1}), (print, {"grace_period_hours": "1"})]:
        with pytest.raises(TypeError):
            client.rotate_and_store("k", store, **options)
    assert sent(fault_server) == []


@pytest.mark.parametrize("kind", ["partial", "partial of a partial", "object"])
def test_a_function_that_only_looks_plain_is_refused_before_the_key_is_rotated(client_of, fault_server, kind):
    async def store(token, where=None):
        raise AssertionError("nobody awaits it")

    class Vault:
        async def __call__(self, token):
            raise AssertionError("nobody awaits it")

    partial = functools.partial(store, where="vault")
    given = {"partial": partial, "partial of a partial": functools.partial(partial), "object": Vault()}[kind]
    with pytest.raises(TypeError, match="plain function, not an async one"):
        client_of(path_style="guide").rotate_and_store("k", given)
    assert sent(fault_server) == []


def test_a_token_that_nobody_would_wait_to_see_stored_is_not_taken_for_stored(client, key):
    async def store(token):
        raise AssertionError("nobody awaits it")

    with pytest.raises(TypeError, match="plain function, not an async one"):
        client.rotate_and_store(key.id, store, delete_old=True)
    assert [listed.name for listed in client.list_api_keys() if listed.id == key.id] == [key["name"]]
    # What does not look like one from outside.
    with pytest.raises(KeyRotationError, match="storing its new token failed: store returned something") as caught:
        client.rotate_and_store(key.id, lambda token: store(token), delete_old=True)
    error = caught.value
    assert isinstance(error.__cause__, TypeError)
    assert not error.stored
    assert (works(client, key.token), works(client, error.token)) == (True, True)


@pytest.mark.parametrize("kind", [MagicMock, Mock])
def test_a_token_is_stored_by_what_stands_in_for_a_function(client, key, kind):
    store = kind()
    rotation = client.rotate_and_store(key.id, store, delete_old=True)
    store.assert_called_once_with(rotation.token)
    assert rotation.old_key_deleted
