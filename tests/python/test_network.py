"""Proxies and TLS, through the options and the environment."""

from __future__ import annotations

import pytest

from loki_mode_sdk import APIConnectionError, AutonomiClient, ConfigError

OK = {"json": {"ok": True}, "repeat": 5}
CONTROL = "http://control.test"


@pytest.fixture
def proxy(fault_server):
    """A proxy that knows `control.test`."""

    def start(credentials=None):
        address = fault_server.serve([OK])[len("http://") :]
        return fault_server.proxy({"control.test:80": address}, credentials)

    return start


def passed(fault_server):
    return fault_server.recorded(name="proxy")["requests"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_from_the_environment(proxy, fault_server, monkeypatch, name):
    monkeypatch.setenv(name, proxy())
    assert AutonomiClient(CONTROL).get_status() == {"ok": True}
    assert len(passed(fault_server)) == 1


def test_no_proxy_exempts_a_host(proxy, fault_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", proxy())
    monkeypatch.setenv("NO_PROXY", "example.com,.test")
    with pytest.raises(APIConnectionError, match=r"cannot find the host control\.test"):
        AutonomiClient(CONTROL, max_retries=0).get_status()
    assert passed(fault_server) == []


def test_loopback_is_direct_whatever_the_environment_says(fault_server, monkeypatch):
    base_url = fault_server.serve([OK])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, fault_server.proxy({}))
    for url in (base_url, base_url.replace("127.0.0.1", "localhost")):
        assert AutonomiClient(url).get_status() == {"ok": True}
    assert passed(fault_server) == []


def test_the_option_comes_before_the_environment(proxy, fault_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", fault_server.refuse())
    url = proxy("user:secret").replace("http://", "http://user:secret@")
    client = AutonomiClient(CONTROL, proxy=url)
    assert client.get_status() == {"ok": True}
    assert "secret" not in repr(client)
    with pytest.raises(APIConnectionError, match="cannot find the host"):
        AutonomiClient(CONTROL, proxy="", max_retries=0).get_status()
    assert [request["refused"] for request in passed(fault_server)] == [None]


def test_ca_file_is_trusted(fault_server, tmp_path):
    served = fault_server.serve_tls([OK])
    with pytest.raises(APIConnectionError, match="certificate"):
        AutonomiClient(served["base_url"]).get_status()
    path = tmp_path / "ca.pem"
    with open(served["ca_file"], "rb") as file:
        path.write_bytes(file.read())
    client = AutonomiClient(served["base_url"], ca_file=path, token="x")
    assert client.get_status() == {"ok": True}


def test_a_ca_file_that_holds_something_else_is_noticed_before_it_is_needed(fault_server, tmp_path):
    path = tmp_path / "ca.pem"
    with open(fault_server.serve_tls([OK])["ca_file"], encoding="ascii") as file:
        path.write_text(file.read() + "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
    for base_url in (CONTROL, "https://localhost:1"):
        with pytest.raises(ConfigError, match="certificate 2 in it cannot be read") as caught:
            AutonomiClient(base_url, ca_file=path)
        assert caught.value.param == "ca_file"


@pytest.mark.parametrize("variant", ["wrong_host", "expired", "self_signed"])
def test_other_certificates_are_refused(fault_server, variant):
    served = fault_server.serve_tls([OK], variant)
    with pytest.raises(APIConnectionError, match="certificate") as caught:
        AutonomiClient(served["base_url"], ca_file=served["ca_file"]).get_status()
    assert (caught.value.maybe_executed, caught.value.attempts) == (False, 1)


def test_client_certificates(fault_server):
    served = fault_server.serve_tls([OK], "client_certificate")
    base_url = served.pop("base_url")
    assert AutonomiClient(base_url, **served).get_status() == {"ok": True}
    with pytest.raises(APIConnectionError):
        AutonomiClient(base_url, ca_file=served["ca_file"], max_retries=0).get_status()
