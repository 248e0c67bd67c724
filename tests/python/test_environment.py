"""Clients that are made from environment variables."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import traceback
import warnings

import pytest

from loki_mode_sdk import (
    APITimeoutError,
    AsyncAutonomiClient,
    AutonomiClient,
    ConfigError,
    InsecureTransportWarning,
    ServerError,
)


def sent(fault_server):
    (request,) = fault_server.recorded()["requests"]
    return request


def test_it_reads_base_url_token_and_path_style(monkeypatch, fault_server):
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"json": []}]) + "/prefix")
    monkeypatch.setenv("LOKI_API_TOKEN", "loki_x")
    monkeypatch.setenv("LOKI_PATH_STYLE", "v2")
    assert AutonomiClient.from_env().list_runs() == []
    request = sent(fault_server)
    assert request["path"] == "/prefix/api/v2/runs"
    assert request["headers"]["authorization"] == "Bearer loki_x"


def test_without_variables_it_is_a_client_with_defaults(monkeypatch):
    assert repr(AutonomiClient.from_env()) == repr(AutonomiClient())
    for name in ("LOKI_BASE_URL", "LOKI_API_TOKEN", "LOKI_API_TOKEN_FILE", "LOKI_TIMEOUT", "LOKI_CA_FILE"):
        monkeypatch.setenv(name, "")
    assert repr(AutonomiClient.from_env()) == repr(AutonomiClient())


def test_the_constructor_reads_none_of_them(monkeypatch, fault_server):
    base_url = fault_server.serve([{"json": {}}])
    for name in ("BASE_URL", "API_TOKEN", "API_TOKEN_FILE", "TIMEOUT", "MAX_RETRIES", "PATH_STYLE", "CA_FILE"):
        monkeypatch.setenv(f"LOKI_{name}", "/no good")
    AutonomiClient(base_url).get_status()
    assert "authorization" not in sent(fault_server)["headers"]
    assert repr(AutonomiClient()) == "AutonomiClient(base_url='http://localhost:57374')"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_the_token_may_be_in_a_file(monkeypatch, fault_server, tmp_path, ending):
    (tmp_path / "token").write_bytes(b"loki_x" + ending.encode())
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"json": {}}]))
    monkeypatch.setenv("LOKI_API_TOKEN_FILE", str(tmp_path / "token"))
    AutonomiClient.from_env().get_status()
    assert sent(fault_server)["headers"]["authorization"] == "Bearer loki_x"


def test_timeout_is_in_seconds_and_retries_are_counted(monkeypatch, fault_server):
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"status": 503, "repeat": 9}]))
    monkeypatch.setenv("LOKI_MAX_RETRIES", "0")
    with pytest.raises(ServerError) as caught:
        AutonomiClient.from_env().get_status()
    assert caught.value.attempts == 1
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"json": {}, "faults": {"delay_ms": 20_000}}]))
    monkeypatch.setenv("LOKI_TIMEOUT", "0.2")
    with pytest.raises(APITimeoutError):
        AutonomiClient.from_env().get_status()


def test_a_certificate_file_is_trusted(monkeypatch, fault_server):
    served = fault_server.serve_tls([{"json": {"ok": 1}}])
    monkeypatch.setenv("LOKI_BASE_URL", served["base_url"])
    monkeypatch.setenv("LOKI_CA_FILE", served["ca_file"])
    assert AutonomiClient.from_env().get_status() == {"ok": 1}


WRONG = [
    ("LOKI_BASE_URL", "localhost:57374"),
    ("LOKI_BASE_URL", "http://user:canary@localhost"),
    ("LOKI_API_TOKEN", "canary and more"),
    ("LOKI_API_TOKEN_FILE", "/nowhere/token"),
    ("LOKI_TIMEOUT", "soon"),
    ("LOKI_TIMEOUT", "-1"),
    ("LOKI_TIMEOUT", "30s"),
    ("LOKI_MAX_RETRIES", "many"),
    ("LOKI_PATH_STYLE", "v3"),
    ("LOKI_CA_FILE", "/nowhere/ca.pem"),
    ("LOKI_CA_FILE", __file__),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_what_is_wrong_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        AutonomiClient.from_env()
    assert caught.value.param == name
    assert name in str(caught.value)
    assert "canary" not in str(caught.value)
    if name.endswith("FILE"):
        assert value in str(caught.value)
    # What is given otherwise does not matter.
    option = {"LOKI_API_TOKEN": "token", "LOKI_API_TOKEN_FILE": "token"}.get(name, name[5:].lower())
    good = {"base_url": "http://localhost", "timeout": 1, "max_retries": 1, "path_style": "v2"}
    AutonomiClient.from_env(**{option: good.get(option)})


def test_both_a_token_and_a_file_are_too_much(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("canary_1")
    monkeypatch.setenv("LOKI_API_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("LOKI_API_TOKEN", "canary_2")
    with pytest.raises(ConfigError, match="LOKI_API_TOKEN and LOKI_API_TOKEN_FILE") as caught:
        AutonomiClient.from_env()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"canary two", b"canary\ncanary", b"canary\xff"])
def test_what_is_in_the_file_has_to_be_a_token(monkeypatch, tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    monkeypatch.setenv("LOKI_API_TOKEN_FILE", str(path))
    with pytest.raises(ConfigError) as caught:
        AutonomiClient.from_env()
    assert "LOKI_API_TOKEN_FILE" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(None, caught.value, None))


def test_a_variable_that_is_no_text_is_named(monkeypatch):
    monkeypatch.setitem(os.environ, "LOKI_BASE_URL", os.fsdecode(b"http://\xff"))
    with pytest.raises(ConfigError, match="LOKI_BASE_URL"):
        AutonomiClient.from_env()


def test_overrides_are_parameters_of_the_constructor(monkeypatch, fault_server):
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"json": {}}]))
    monkeypatch.setenv("LOKI_API_TOKEN", "loki_x")
    AutonomiClient.from_env(token=None, headers={"x-team": "a"}).get_status()
    headers = sent(fault_server)["headers"]
    assert ("authorization" in headers, headers["x-team"]) == (False, "a")
    with pytest.raises(TypeError, match="tokne"):
        AutonomiClient.from_env(tokne="x")


def test_a_subclass_makes_its_own_kind(monkeypatch):
    class Ours(AutonomiClient):
        pass

    monkeypatch.setenv("LOKI_BASE_URL", "http://localhost:1")
    assert repr(Ours.from_env()) == "Ours(base_url='http://localhost:1')"


def test_the_warning_points_to_the_caller(monkeypatch):
    monkeypatch.setenv("LOKI_BASE_URL", "http://control-plane.test")
    monkeypatch.setenv("LOKI_API_TOKEN", "loki_x")
    for make in (AutonomiClient.from_env, lambda: AutonomiClient("http://control-plane.test", "loki_x")):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make()
        (warning,) = caught
        assert (warning.category, warning.filename) == (InsecureTransportWarning, __file__)


def test_it_reads_what_the_process_was_started_with(fault_server):
    program = "from loki_mode_sdk import AutonomiClient; AutonomiClient.from_env().get_status()"
    environment = {**os.environ, "LOKI_BASE_URL": fault_server.serve([{"json": {}}]), "LOKI_API_TOKEN": "loki_x"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert sent(fault_server)["headers"]["authorization"] == "Bearer loki_x"


def test_the_client_for_asyncio_reads_them_too(monkeypatch, fault_server):
    monkeypatch.setenv("LOKI_BASE_URL", fault_server.serve([{"json": {}}]))
    monkeypatch.setenv("LOKI_API_TOKEN", "loki_x")
    client = AsyncAutonomiClient.from_env()
    assert type(client) is AsyncAutonomiClient
    asyncio.run(client.get_status())
    assert sent(fault_server)["headers"]["authorization"] == "Bearer loki_x"
