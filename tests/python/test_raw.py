"""`client.raw`: whole answers."""

from __future__ import annotations

import pickle

import pytest

from loki_mode_sdk import AutonomiClient, Headers, NotFoundError, Project, RawResponse


def test_data_comes_with_status_headers_and_attempts(client_of):
    client = client_of(
        {"status": 503, "json": {}},
        {
            "status": 201,
            "json": {"id": 7, "name": "alpha"},
            "headers": {"X-Request-ID": "r-1", "content-type": "application/json"},
        },
        path_style="guide",
    )
    answer = client.raw.get_project(7)
    assert isinstance(answer, RawResponse)
    assert answer.data == Project(7, "alpha")
    assert (answer.status, answer.attempts) == (201, 2)
    assert answer.headers["x-request-id"] == answer.headers["X-REQUEST-ID"] == "r-1"
    assert "Content-Type" in answer.headers
    assert repr(answer).startswith("RawResponse(status=201, attempts=2, data=Project(id=7")


def test_an_operation_without_data_has_an_answer_too(client_of):
    answer = client_of({"status": 204}).raw.delete_tenant(1)
    assert (answer.data, answer.status) == (None, 204)


def test_errors_and_limits_are_those_of_the_client(client_of, fault_server):
    client = client_of({"status": 404, "json": {"detail": "no such project"}}, path_style="guide")
    with pytest.raises(NotFoundError, match="no such project"):
        client.raw.get_project(7, timeout=5, max_retries=0, headers={"x-trace": "t"})
    with pytest.raises(TypeError, match="max_retries"):
        client.raw.get_project(7, max_retries="0")
    with pytest.raises(TypeError, match="project_id"):
        client.raw.get_project()
    (request,) = fault_server.recorded()["requests"]
    assert request["headers"]["x-trace"] == "t"


def test_every_operation_is_there():
    client = AutonomiClient()
    for name in ("list_runs", "create_api_key", "verify_audit"):
        assert getattr(client.raw, name).__doc__ == getattr(client, name).__doc__
    assert not hasattr(client.raw, "set_token")


def test_headers_that_come_twice():
    headers = Headers([("set-cookie", "a=1"), ("via", "x"), ("set-cookie", "b=2")])
    assert headers["Set-Cookie"] == "a=1, b=2"
    assert headers.get_all("SET-COOKIE") == ["a=1", "b=2"]
    assert headers.get_all("missing") == []
    assert headers.get("missing") is None
    assert list(headers) == ["set-cookie", "via"]
    assert dict(headers) == {"set-cookie": "a=1, b=2", "via": "x"}
    assert 1 not in headers
    with pytest.raises(KeyError):
        headers["missing"]
    assert pickle.loads(pickle.dumps(headers)) == headers


def test_repeated_headers_are_kept(raw_server):
    answer = AutonomiClient(
        raw_server(b"HTTP/1.1 200 OK\r\nVia: a\r\nX-One: 1\r\nVia: b\r\nContent-Length: 2\r\n\r\n{}"),
    ).raw.get_status()
    assert answer.data == {}
    assert answer.headers.get_all("via") == ["a", "b"]
