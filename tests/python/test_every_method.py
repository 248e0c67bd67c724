"""What every method that makes a call takes, and what that does where the call is one of many: streams, waits, keys."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

import loki_mode_sdk
from loki_mode_sdk import (
    APITimeoutError,
    AsyncAutonomiClient,
    AsyncEventStream,
    AutonomiClient,
    ConfigError,
    EventStream,
    LokiClient,
    ServerError,
)

TERMS = {"timeout", "max_retries", "headers"}
# What makes no call.
NO_CALLS = {"close", "aclose", "from_env", "set_token", "with_options", "from_dict"}
HEADERS = {"x-both": "call", "x-call": "a b"}
UNAVAILABLE = {"status": 503, "json": {"detail": "no"}, "repeat": 50}
HELD = {"json": {}, "faults": {"hold": True}}


def methods():
    client = AutonomiClient("http://127.0.0.1:9")
    owners = {name: getattr(loki_mode_sdk, name) for name in loki_mode_sdk.__all__}
    clients = {
        name: owner
        for name, owner in owners.items()
        if isinstance(owner, type) and name.endswith(("Client", "Manager", "EventStream")) and "Live" not in name
    }
    assert {"AutonomiClient", "AsyncAutonomiClient", "LokiClient", "TaskManager", "AsyncEventStream"} <= set(clients)
    for name, owner in {**clients, "raw": type(client.raw)}.items():
        for method, function in inspect.getmembers(owner, inspect.isfunction):
            if not method.startswith("_") and method not in NO_CALLS:
                yield f"{name}.{method}", function


@pytest.mark.parametrize(("name", "method"), list(methods()))
def test_every_method_that_makes_a_call_takes_them(name, method):
    taken = {name: parameter.kind for name, parameter in inspect.signature(method).parameters.items() if name in TERMS}
    assert taken == dict.fromkeys(TERMS, inspect.Parameter.KEYWORD_ONLY), name


# What is asked for more than once, or for long: each as a function of the client and of what is said about it.
SEVERAL = {
    "follow": lambda client, **terms: next(EventStream(client).follow(7, **terms)),
    "follow_many": lambda client, **terms: next(EventStream(client).follow_many([7], **terms)),
    "events": lambda client, **terms: next(client.events(**terms)),
    "watch": lambda client, **terms: next(client.watch(**terms)),
    "wait_for_run": lambda client, **terms: client.wait_for_run(7, **terms),
    "iter_runs": lambda client, **terms: next(client.iter_runs(**terms)),
    "rotate_and_store": lambda client, **terms: client.rotate_and_store("k", print, **terms),
    "temporary_api_key": lambda client, **terms: client.temporary_api_key("k", **terms).__enter__(),
}


async def ask(awaited):
    return await (awaited.__anext__() if hasattr(awaited, "__anext__") else awaited)


def awaiting(call):
    """The same for a client of asyncio."""

    def run(address, options, terms):
        async def main():
            async with AsyncAutonomiClient(address, **options) as client:
                return await ask(call(client, **terms))

        return asyncio.run(main())

    return run


AWAITED = {
    "follow": lambda client, **terms: AsyncEventStream(client).follow(7, **terms),
    "follow_many": lambda client, **terms: AsyncEventStream(client).follow_many([7], **terms),
    "events": lambda client, **terms: client.events(**terms),
    "watch": lambda client, **terms: client.watch(**terms),
    "wait_for_run": lambda client, **terms: client.wait_for_run(7, **terms),
    "iter_runs": lambda client, **terms: client.iter_runs(**terms),
    "rotate_and_store": lambda client, **terms: client.rotate_and_store("k", print, **terms),
    "temporary_api_key": lambda client, **terms: client.temporary_api_key("k", **terms).__aenter__(),
}


def called(call):
    def run(address, options, terms):
        with AutonomiClient(address, **options) as client:
            return call(client, **terms)

    return run


CALLS = [
    *(pytest.param(called(call), id=name) for name, call in SEVERAL.items()),
    *(pytest.param(awaiting(call), id=f"async {name}") for name, call in AWAITED.items()),
]


@pytest.mark.parametrize("call", CALLS)
def test_headers_and_retries_are_those_of_the_call(call, fault_server):
    address = fault_server.serve([UNAVAILABLE])
    options = {"path_style": "guide", "headers": {"x-both": "client", "x-client": "c"}}
    with pytest.raises(ServerError):
        call(address, options, {"max_retries": 0, "headers": HEADERS})
    (request,) = fault_server.recorded()["requests"]
    found = {name: request["headers"].get(name) for name in ("x-both", "x-client", "x-call")}
    assert found == {"x-both": "call", "x-client": "c", "x-call": "a b"}


@pytest.mark.parametrize("call", CALLS)
def test_the_timeout_is_that_of_the_call(call, fault_server):
    address = fault_server.serve([HELD])
    with pytest.raises(APITimeoutError):
        call(address, {"path_style": "guide"}, {"timeout": 0.3})


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"timeout": 0}, ConfigError),
        ({"timeout": "5"}, TypeError),
        ({"max_retries": -1}, (ConfigError, TypeError)),
        ({"max_retries": "x"}, TypeError),
        ({"headers": {"authorization": "canary"}}, ConfigError),
        ({"headers": {"x-a": 5}}, (ConfigError, TypeError)),
        ({"headers": 5}, (ConfigError, TypeError)),
    ],
)
def test_what_is_no_good_is_named_and_nothing_is_sent(call, terms, error, fault_server):
    address = fault_server.serve([])
    with pytest.raises(error) as caught:
        call(address, {"path_style": "guide"}, terms)
    assert next(iter(terms)) in str(caught.value)
    assert "canary" not in str(caught.value)
    assert fault_server.recorded()["requests"] == []


def test_a_stream_counts_failures_in_a_row_and_begins_anew_when_it_is_asked_again(client_of, fault_server):
    follower = EventStream(client_of(UNAVAILABLE, path_style="guide")).follow(7, max_retries=1)
    for count in (2, 4):
        with pytest.raises(ServerError):
            next(follower)
        assert len(fault_server.recorded()["requests"]) == count


def test_both_steps_of_a_key_have_them(client_of, fault_server):
    rotated = {"json": {"token": "loki_new", "old_key_id": "old", "new_key_id": "new"}}
    created = {"status": 201, "json": {"id": "tmp", "name": "n", "token": "loki_tmp"}}
    client = client_of(rotated, {"json": {}}, created, {"json": {}}, path_style="guide")
    client.rotate_and_store("k", lambda token: None, delete_old=True, headers=HEADERS)
    with client.temporary_api_key("n", headers=HEADERS):
        pass
    requests = fault_server.recorded()["requests"]
    assert [(request["method"], request["headers"].get("x-call")) for request in requests] == [
        ("POST", "a b"),
        ("DELETE", "a b"),
    ] * 2


def test_a_subscription_has_them_and_ends_with_its_time(fault_server):
    address = fault_server.serve([UNAVAILABLE])
    told, heard = [], threading.Event()

    def on_error(error):
        told.append(error)
        heard.set()

    with LokiClient(address) as client:
        client.subscribe(print, max_retries=0, headers=HEADERS, on_error=on_error)
        assert heard.wait(30)
    assert isinstance(told[0], ServerError)
    assert fault_server.recorded()["requests"][0]["headers"]["x-call"] == "a b"

    told.clear()
    with LokiClient(fault_server.serve([HELD])) as client:
        client.subscribe(print, timeout=0.2, on_error=told.append)
        (subscription,) = client._subscriptions
        subscription.join(30)
        assert not subscription.is_alive()
    assert [type(error) for error in told] == [APITimeoutError]
