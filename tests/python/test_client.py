"""The client itself: options, arguments, life cycle."""

from __future__ import annotations

import enum
import inspect
import json
import pickle

import pytest

from loki_mode_sdk import AutonomiClient, Client, ConfigError, TaskManager, TokenAuth
from loki_mode_sdk.generated.client import Operations

CANARY = "loki_canary_token"


def body(fault_server):
    return json.loads(fault_server.recorded()["requests"][0]["body"])


def test_signature_is_the_guides():
    parameters = inspect.signature(AutonomiClient).parameters
    assert [(p.name, p.default) for p in parameters.values()][:3] == [
        ("base_url", "http://localhost:57374"),
        ("token", None),
        ("timeout", 30.0),
    ]
    assert parameters["max_retries"].kind is inspect.Parameter.KEYWORD_ONLY
    assert Client is AutonomiClient


def test_secrets_are_not_shown():
    client = AutonomiClient(token=CANARY)
    auth = TokenAuth(CANARY)
    for value in (client, client._native, auth, TaskManager(client), client.__dict__, vars(client)):
        assert CANARY not in repr(value)
    assert "localhost:57374" in repr(client)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_client_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(AutonomiClient(), protocol)


def test_the_token_is_sent_either_way(client_of, fault_server):
    for token in (CANARY, TokenAuth(CANARY)):
        client_of({"json": {}}, token=token).get_status()
        headers = fault_server.recorded()["requests"][0]["headers"]
        assert headers["authorization"] == f"Bearer {CANARY}"
        assert "Python/3." in headers["user-agent"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"base_url": 1}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"token": 5}, "token"),
        ({"token": b"x"}, "token"),
        ({"timeout": "30"}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"max_retries": 1.5}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"path_style": 2}, "path_style"),
        ({"connect_timeout": "5"}, "connect_timeout"),
        ({"connect_timeout": None}, "connect_timeout"),
        ({"max_connections": 1.0}, "max_connections"),
        ({"max_connections": None}, "max_connections"),
        ({"headers": [("a", "b")]}, "headers"),
        ({"headers": "a: b"}, "headers"),
        ({"headers": {"a": 1}}, "headers"),
        ({"headers": {1: "a"}}, "headers"),
        ({"max_body_bytes": "1"}, "max_body_bytes"),
        ({"app_info": 1}, "app_info"),
        ({"proxy": False}, "proxy"),
        ({"ca_file": b"x"}, "ca_file"),
        ({"ca_file": 1}, "ca_file"),
        ({"system_roots": 1}, "system_roots"),
        ({"system_roots": None}, "system_roots"),
        ({"client_cert_file": 1}, "client_cert_file"),
        ({"client_key_file": 1}, "client_key_file"),
    ],
)
def test_options_of_the_wrong_type(options, word):
    with pytest.raises(TypeError, match=word):
        AutonomiClient(**options)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"base_url": "localhost"}, "base_url"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "\ud800"}, "base_url"),
        ({"token": "a\nb"}, "token"),
        ({"token": ""}, "token"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": 10**400}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 2**40}, "max_retries"),
        ({"path_style": "v3"}, "path_style"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"max_connections": 0}, "max_connections"),
        ({"max_connections": -1}, "max_connections"),
        ({"max_connections": 2**70}, "max_connections"),
        ({"headers": {"authorization": "x"}}, "headers"),
        ({"headers": {"x-a": "1\r\nx-b: 2"}}, "headers"),
        ({"max_body_bytes": -1}, "max_body_bytes"),
        ({"app_info": "caf\xe9"}, "app_info"),
        ({"proxy": "socks5://proxy:1080", "base_url": "https://cp.test"}, "proxy"),
        ({"ca_file": "/no/such/file.pem", "base_url": "https://cp.test"}, "ca_file"),
        ({"client_cert_file": "cert.pem"}, "client_cert_file"),
        ({"client_key_file": "key.pem"}, "client_cert_file"),
    ],
)
def test_options_with_the_wrong_value(options, word):
    with pytest.raises(ConfigError, match=word) as caught:
        AutonomiClient(**options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.param == word


def test_limits_of_a_call_are_checked_like_options(client_of, fault_server):
    client = client_of()
    for bad in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="timeout"):
            client.get_status(timeout=bad)
    with pytest.raises(TypeError, match="timeout"):
        client.get_status(timeout="1")
    with pytest.raises(TypeError, match="max_retries"):
        client.get_status(max_retries="1")
    assert fault_server.recorded()["requests"] == []


def test_wrong_types_name_parameter_and_type(client_of, fault_server):
    client = client_of()
    with pytest.raises(TypeError, match=r"^project_id must be int or str, not list$"):
        client.get_project([1])
    with pytest.raises(TypeError, match=r"^project_id must be int or str, not bool$"):
        client.get_project(True)
    with pytest.raises(TypeError, match=r"^name must be str, not bytes$"):
        client.create_project(b"x")
    with pytest.raises(TypeError, match=r"^scopes must be a list of str, not a list with int$"):
        client.create_api_key("k", scopes=["read", 1])
    with pytest.raises(TypeError, match=r"^config must be dict, not str$"):
        client.create_run(1, config="{}")
    with pytest.raises(TypeError, match=r"^config cannot be written as JSON: .*set"):
        client.create_run(1, config={"a": {1}})
    with pytest.raises(ConfigError, match=r"^config cannot be written as JSON: "):
        client.create_run(1, config={"a": float("nan")})
    with pytest.raises(ConfigError, match="name"):
        client.create_project("\ud800")
    assert fault_server.recorded()["requests"] == []


def test_missing_and_surplus_arguments_are_pythons_own_errors():
    client = AutonomiClient()
    with pytest.raises(TypeError, match="project_id"):
        client.get_project()
    with pytest.raises(TypeError, match="colour"):
        client.list_projects(colour="red")


def test_what_python_has_for_numbers_and_strings_is_taken(client_of, fault_server):
    class Level(enum.IntEnum):
        HIGH = 3

    class Name(str, enum.Enum):
        ALPHA = "alpha"

    class Index:
        def __index__(self):
            return 7

    run = {"status": 201, "json": {"id": 1}}
    client = client_of(run, run, run, {"json": []}, path_style="guide")
    client.create_run(2**70, trigger=Name.ALPHA, config={"level": Level.HIGH, "name": Name.ALPHA})
    assert body(fault_server) == {
        "project_id": 2**70,
        "trigger": "alpha",
        "config": {"level": 3, "name": "alpha"},
    }
    client.create_run(Level.HIGH)
    client.create_run(Index())
    client.list_runs(limit=Index())
    requests = fault_server.recorded()["requests"]
    assert [json.loads(request["body"])["project_id"] for request in requests[1:3]] == [3, 7]
    assert requests[3]["query"] == {"limit": "7"}


def test_a_closed_client_says_so(client_of):
    client = client_of({"json": {}})
    with client as entered:
        assert entered is client
        client.get_status()
    with pytest.raises(ConfigError, match="closed"):
        client.get_status()
    client.close()


def test_methods_can_be_replaced_and_inherited(client_of):
    class Mine(AutonomiClient):
        def list_tasks(self, *args, **kwargs):
            return ["mine", args, kwargs]

    tasks = TaskManager(Mine())
    assert tasks.list_tasks("p", status="done") == [
        "mine",
        ("p", "done"),
        {"limit": None, "offset": None, "timeout": None, "max_retries": None, "headers": None},
    ]


def test_every_method_is_documented():
    for name, method in inspect.getmembers(AutonomiClient, inspect.isfunction):
        if not name.startswith("_"):
            assert method.__doc__, name
            if hasattr(Operations, name):
                assert {"timeout", "max_retries", "headers"} <= inspect.signature(method).parameters.keys()
