"""Options that show on the wire, tokens that change, clients derived from others."""

from __future__ import annotations

import base64
import gzip
import os
import threading
import warnings
from decimal import Decimal
from fractions import Fraction

import pytest

from loki_mode_sdk import (
    APITimeoutError,
    AuthenticationError,
    AutonomiClient,
    ConfigError,
    DecodeError,
    InsecureTransportWarning,
    RateLimitError,
    ServerError,
    TokenAuth,
)


def sent(fault_server, name="authorization"):
    return [request["headers"].get(name) for request in fault_server.recorded()["requests"]]


def test_headers_and_app_info_are_sent(client_of, fault_server):
    reply = {"json": {}, "repeat": 3}
    client = client_of(reply, headers={"X-Team": "a", "X-Env": "prod"}, app_info="deploy-bot/2.1")
    client.get_status()
    client.get_status(headers={"x-team": "b", "x-more": "1"})
    client.with_options(headers={"x-team": "c"}).get_status()
    assert sent(fault_server, "x-team") == ["a", "b", "c"]
    assert sent(fault_server, "x-env") == ["prod", "prod", None]
    assert sent(fault_server, "x-more") == [None, "1", None]
    for agent in sent(fault_server, "user-agent"):
        assert agent.startswith("loki-mode-sdk/")
        assert agent.endswith(" deploy-bot/2.1")


def test_headers_of_a_call_are_checked(client_of, fault_server):
    client = client_of()
    with pytest.raises(ConfigError, match="Authorization"):
        client.get_status(headers={"Authorization": "Bearer x"})
    with pytest.raises(TypeError, match="headers must be a mapping"):
        client.get_status(headers=["x"])
    assert fault_server.recorded()["requests"] == []


def test_a_body_beyond_the_limit_is_refused(client_of):
    body = {"pad": "x" * 2000}
    compressed = base64.b64encode(gzip.compress(b'{"pad":"' + b"x" * 20000 + b'"}')).decode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    client = client_of(
        {"json": body},
        {"base64": compressed, "headers": headers},
        {"json": {"ok": True}},
        max_body_bytes=1000,
    )
    for _ in range(2):
        with pytest.raises(DecodeError, match="max_body_bytes"):
            client.get_status()
    assert client.get_status() == {"ok": True}


def test_gzip_is_accepted(client_of, fault_server):
    compressed = base64.b64encode(gzip.compress(b'{"id": 1, "name": "alpha"}')).decode()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    client = client_of({"base64": compressed, "headers": headers})
    assert client.get_project(1).name == "alpha"
    assert sent(fault_server, "accept-encoding") == ["gzip"]


def test_retry_after_is_obeyed_or_raised(client_of):
    again = {"status": 429, "json": {}, "headers": {"retry-after": "0"}}
    assert client_of(again, again, {"json": {"ok": 1}}).raw.get_status().attempts == 3
    with pytest.raises(RateLimitError) as caught:
        client_of({"status": 429, "json": {}, "headers": {"retry-after": "121"}}).get_status()
    assert (caught.value.retry_after, caught.value.attempts) == (121.0, 1)


def test_a_date_in_retry_after_is_told_in_seconds(client_of):
    for status in (429, 503):
        with pytest.raises((RateLimitError, ServerError)) as caught:
            client_of({"status": status, "json": {}, "headers": {"retry-after": "{{date+600}}"}}).get_status()
        assert caught.value.attempts == 1
        assert 500 < caught.value.retry_after <= 600


class LikeNumPy:
    """As its scalars, most of which are no `float` and no `int`."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value


@pytest.mark.parametrize("number", [0.25, Decimal("0.25"), Fraction(1, 4), LikeNumPy(0.25)], ids=type)
def test_seconds_are_any_number(client_of, number):
    client = client_of({"faults": {"hold": True}}, timeout=number, max_retries=0)
    with pytest.raises(APITimeoutError, match=r"0\.25 s"):
        client.get_status()


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("timeout", Decimal("NaN")),
        ("timeout", LikeNumPy(float("inf"))),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        ("timeout", 10**400),
        ("connect_timeout", -0.0),
        ("max_retries", 2**32),
        ("max_connections", 0),
        ("max_body_bytes", 0),
        ("app_info", "a\nb"),
        ("proxy", "http://proxy:99999"),
        ("proxy", "\ud800"),
        ("ca_file", "\0"),
        ("headers", {"x-a": "\ud800"}),
        ("headers", {"x-a\n": "b"}),
        ("headers", {"x-a": "b\r\nx-b: c"}),
        ("token", "\ud800"),
    ],
)
def test_a_value_that_is_no_good_is_refused_by_its_name(param, value):
    with pytest.raises(ConfigError, match=param) as caught:
        AutonomiClient("https://cp.example.com", **{param: value})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("timeout", True),
        ("timeout", 5j),
        ("timeout", Decimal("sNaN")),
        ("timeout", "5"),
        ("connect_timeout", b"5"),
        ("max_retries", True),
        ("max_retries", 2.0),
        ("max_connections", "3"),
        ("path_style", b"v2"),
        ("proxy", b"http://proxy:1"),
        ("ca_file", b"/ca.pem"),
        ("system_roots", 1),
        ("headers", [("x-a", "b")]),
        ("headers", {b"x-a": b"b"}),
        ("token", b"x"),
        ("base_url", b"http://h"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_its_name(param, value):
    with pytest.raises(TypeError, match=param):
        AutonomiClient(**{"base_url": "https://cp.example.com", param: value})


# ---- long lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_long_token_header_or_query_is_sent_whole(fault_server, tls):
    replies = [{"json": {}}, {"json": []}, {"json": {"id": 1, "name": "p"}}]
    served = fault_server.serve_tls(replies) if tls else {"base_url": fault_server.serve(replies), "ca_file": None}
    token, status = "t" * 65536, "s" * 60000
    with AutonomiClient(served["base_url"], token, ca_file=served["ca_file"], headers={"x-long": status}) as client:
        client.get_status()
        client.list_runs(status=status)
        client.create_project("p")
    requests = fault_server.recorded()["requests"]
    assert [request["headers"]["authorization"] for request in requests] == [f"Bearer {token}"] * 3
    assert [request["headers"]["x-long"] for request in requests] == [status] * 3
    assert requests[1]["query"] == {"status": status}
    assert {request["connection"] for request in requests} == {1}


def test_what_no_server_reads_is_refused_by_its_name(client_of, fault_server):
    long = "canary" * 11_000
    client = client_of(token="x")
    url = "http://127.0.0.1:1"
    for param, call in [
        ("token", lambda: client.set_token(long)),
        ("token", lambda: AutonomiClient(url, long)),
        ("token", lambda: client.with_options(token=lambda: long).get_status()),
        ("headers", lambda: client.with_options(headers={"x-long": long})),
        ("headers", lambda: client.get_status(headers={"x-long": long})),
        ("app_info", lambda: AutonomiClient(url, app_info=long)),
        ("base_url", lambda: AutonomiClient(f"{url}/{long}")),
        ("project_id", lambda: client.get_project(long)),
        ("status", lambda: client.list_runs(status=long)),
    ]:
        with pytest.raises(ConfigError, match=f"`{param}`") as caught:
            call()
        assert caught.value.param == param
        assert "canary" not in str(caught.value)
        assert len(str(caught.value)) < 300
    assert fault_server.recorded()["requests"] == []


# ---- tokens --------------------------------------------------------------------------------------------------------


def test_the_provider_is_asked_before_each_attempt(client_of, fault_server):
    tokens = iter(["one", "two", "three"])
    replies = [{"status": 503, "json": {}}, {"json": {}, "repeat": 2}]
    client = client_of(*replies, token=lambda: next(tokens), path_style="guide")
    client.get_status()
    client.get_status()
    assert sent(fault_server) == ["Bearer one", "Bearer two", "Bearer three"]


def test_a_401_asks_the_provider_once_more(client_of, fault_server):
    tokens = iter(["old", "new", "a", "b", "c"])
    refused = {"status": 401, "json": {"detail": "no"}}
    client = client_of(refused, {"json": {}}, refused, refused, token=lambda: next(tokens))
    client.get_status()
    with pytest.raises(AuthenticationError) as caught:
        client.get_status()
    assert caught.value.attempts == 2
    assert sent(fault_server) == ["Bearer old", "Bearer new", "Bearer a", "Bearer b"]


class Vault(Exception):
    """A token that cannot be had."""


@pytest.mark.parametrize("error", [Vault("sealed"), KeyboardInterrupt(), SystemExit(3)])
def test_what_the_provider_raises_comes_as_it_is(client_of, fault_server, error):
    def provider():
        raise error

    with pytest.raises(type(error)) as caught:
        client_of(token=provider).get_status()
    assert caught.value is error
    assert "provider" in [entry.name for entry in caught.traceback]
    assert fault_server.recorded()["requests"] == []


@pytest.mark.parametrize("value", [None, b"bytes", 5])
def test_a_provider_has_to_return_text(client_of, value):
    with pytest.raises(TypeError, match="what the token provider returns must be str, not "):
        client_of(token=lambda: value).get_status()


def test_a_provider_cannot_break_the_header(client_of, fault_server):
    with pytest.raises(ConfigError, match="line break") as caught:
        client_of(token=lambda: "canary\nx-injected: 1").get_status()
    assert "canary" not in str(caught.value)
    assert fault_server.recorded()["requests"] == []


def test_a_provider_may_use_the_client_it_belongs_to(client_of, fault_server):
    def provider():
        client.set_token("fetched")
        # A call of its own, with the token just set.
        client.get_status()
        return "first"

    client = client_of({"json": {}, "repeat": 3}, token=provider)
    client.get_status()
    client.get_status()
    assert sent(fault_server) == ["Bearer fetched", "Bearer first", "Bearer fetched"]


def test_a_provider_shared_by_threads_does_not_lock_up(client_of):
    lock = threading.Lock()
    calls = []

    def provider():
        with lock:
            calls.append(1)
            return f"t{len(calls)}"

    client = client_of({"json": {}, "repeat": 80}, token=provider)

    def work():
        for _ in range(10):
            client.get_status()
            client.set_token(provider)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(calls) == 80


def test_set_token(client_of, fault_server):
    client = client_of({"json": {}, "repeat": 5}, token="a")
    client.get_status()
    for token in ("b", TokenAuth("c"), lambda: "d", None):
        client.set_token(token)
        client.get_status()
    assert sent(fault_server) == ["Bearer a", "Bearer b", "Bearer c", "Bearer d", None]


def test_a_bad_token_leaves_the_old_one(client_of, fault_server):
    client = client_of({"json": {}}, token="old")
    with pytest.raises(ConfigError, match="line break"):
        client.set_token("a\nb")
    with pytest.raises(TypeError, match="token must be str or a function"):
        client.set_token(5)
    client.get_status()
    assert sent(fault_server) == ["Bearer old"]


# ---- derived clients -----------------------------------------------------------------------------------------------


def test_derived_clients_share_connections(client_of, fault_server):
    client = client_of({"json": {}, "repeat": 4}, token="a")
    client.get_status()
    for derived in (client.with_options(timeout=5), client.with_options(token="b"), client.with_options(token=None)):
        derived.get_status()
    requests = fault_server.recorded()["requests"]
    assert {request["connection"] for request in requests} == {1}
    assert sent(fault_server) == ["Bearer a", "Bearer a", "Bearer b", None]


def test_derived_clients_have_a_token_of_their_own_only_if_told(client_of, fault_server):
    client = client_of({"json": {}, "repeat": 3}, token="a")
    same, other = client.with_options(max_retries=0), client.with_options(token="own")
    client.set_token("b")
    for each in (client, same, other):
        each.get_status()
    assert sent(fault_server) == ["Bearer b", "Bearer b", "Bearer own"]


def test_options_of_a_derived_client_count(client_of):
    client = client_of({"status": 503, "json": {}, "repeat": 2}, {"json": {"ok": 1}}, max_retries=2)
    with pytest.raises(Exception, match="503") as caught:
        client.with_options(max_retries=0).get_status()
    assert caught.value.attempts == 1
    assert client.get_status() == {"ok": 1}


def test_derived_clients_are_of_the_same_class_and_closed_alone(client_of):
    class Mine(AutonomiClient):
        def __init__(self, url, label):
            super().__init__(url)
            self.label = label

    client = Mine(client_of({"json": {}, "repeat": 2})._native.base_url, "x")
    derived = client.with_options(timeout=1)
    assert type(derived) is Mine
    assert derived.label == "x"
    derived.close()
    client.get_status()
    with pytest.raises(ConfigError, match="closed"):
        derived.get_status()


def test_changes_are_checked(client_of):
    client = client_of()
    with pytest.raises(ConfigError, match="timeout"):
        client.with_options(timeout=0)
    with pytest.raises(TypeError, match="token"):
        client.with_options(token=1)
    with pytest.raises(TypeError, match="base_url"):
        client.with_options(base_url="http://elsewhere")
    client.close()
    with pytest.raises(ConfigError, match="closed"):
        client.with_options(timeout=1)


# ---- warnings ------------------------------------------------------------------------------------------------------


def test_a_token_in_clear_text_warns_once_where_the_client_is_made():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = AutonomiClient("http://cp.example.com", "canary")
        client.set_token("canary-2")
        client.with_options(token="canary-3")
    (warning,) = caught
    assert warning.category is InsecureTransportWarning
    assert os.path.samefile(warning.filename, __file__)
    assert "cp.example.com" in str(warning.message)
    assert "canary" not in str(warning.message)


def test_a_token_that_comes_later_warns_then():
    client = AutonomiClient("http://cp.example.com")
    with pytest.warns(InsecureTransportWarning):
        client.with_options(token=lambda: "x")
    with pytest.warns(InsecureTransportWarning):
        client.set_token("x")


@pytest.mark.parametrize(
    ("base_url", "token"),
    [
        ("http://localhost:1", "x"),
        ("http://127.0.0.1:1", "x"),
        ("http://[::1]:1", "x"),
        ("https://cp.example.com", "x"),
        ("http://cp.example.com", None),
    ],
)
def test_nothing_else_warns(base_url, token):
    AutonomiClient(base_url, token)
