"""Errors: classes, fields, pickles, messages."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import multiprocessing
import pickle
import sys

import pytest

import loki_mode_sdk
from loki_mode_sdk import (
    APIConnectionError,
    APITimeoutError,
    AutonomiError,
    ConfigError,
    FieldError,
    ForbiddenError,
    KeyRotationError,
    NotAvailableError,
    NotAvailableOnControlPlaneError,
    PermissionDeniedError,
    ValidationError,
    WebhookVerificationError,
)
from loki_mode_sdk import errors as module

CLASSES = sorted(
    {c for n in module.__all__ if issubclass(c := getattr(module, n), Exception)},
    key=lambda c: c.__name__,
)
EXTRA = {
    PermissionDeniedError: {"required_scope": "control"},
    ValidationError: {"errors": [FieldError("body.name", "Field required")]},
    APIConnectionError: {"maybe_executed": True},
    APITimeoutError: {"maybe_executed": False},
    ConfigError: {"param": "timeout"},
}
FIELDS = {
    "status_code": 404,
    "response_body": "{}",
    "code": "X",
    "method": "GET",
    "path": "/api/runs",
    "attempts": 3,
    "retry_after": 1.5,
}


# Those that are not about an answer have fields of their own.
OTHERS = {
    KeyRotationError: {"token": "loki_x", "new_key_id": "b", "old_key_id": "a", "stored": True},
    WebhookVerificationError: {"reason": "too_old"},
}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_has_its_fields_and_can_be_pickled(cls):
    fields = OTHERS.get(cls) or {**FIELDS, **EXTRA.get(cls, {})}
    error = cls("what happened", **fields)
    assert isinstance(error, AutonomiError)
    assert str(error) == "what happened"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is cls
        assert str(again) == "what happened"
        assert {name: getattr(again, name) for name in fields} == fields
    assert cls.__module__ == "loki_mode_sdk"
    assert getattr(loki_mode_sdk, cls.__name__) is cls
    assert str(cls()) == ""


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_can_be_copied(cls, duplicate):
    error = cls("what happened", **(OTHERS.get(cls) or {**FIELDS, **EXTRA.get(cls, {})}))
    error.of_the_program = ["its own"]
    again = duplicate(error)
    assert again is not error
    assert (type(again), again.args, vars(again)) == (cls, error.args, vars(error))
    assert (again.of_the_program is error.of_the_program) == (duplicate is copy.copy)


def test_both_names_are_the_same_class():
    assert ForbiddenError is PermissionDeniedError
    assert NotAvailableOnControlPlaneError is NotAvailableError


def test_the_tree():
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(ConfigError, ValueError)


def test_nobody_listens(fault_server):
    base_url = fault_server.refuse()
    port = base_url.rsplit(":", 1)[1]
    client = loki_mode_sdk.AutonomiClient(base_url, max_retries=0)
    with pytest.raises(APIConnectionError) as caught:
        client.get_status()
    assert port in str(caught.value)
    assert caught.value.maybe_executed is False


def test_a_decode_error_shows_place_and_excerpt(client_of):
    client = client_of({"json": [{"id": 1}, {"id": 2, "name": 5}]})
    with pytest.raises(loki_mode_sdk.DecodeError, match=r"\[1\]\.name") as caught:
        client.list_projects()
    assert '"name":5' in str(caught.value)
    assert caught.value.status_code == 200


def test_an_integer_with_more_digits_than_python_converts(client_of):
    limit = getattr(sys, "get_int_max_str_digits", lambda: 0)()
    digits = "1" + "0" * 5000
    headers = {"content-type": "application/json"}
    client = client_of({"text": f'{{"id":{digits}}}', "headers": headers})
    if limit:
        with pytest.raises(loki_mode_sdk.DecodeError, match="digits"):
            client.get_project(1)
    else:
        assert client.get_project(1).id == int(digits)


# ---- in another process ----------------------------------------------------------------------------------------------

ANSWERS = {
    "AuthenticationError": {"status": 401, "json": {"detail": "Invalid, expired, or revoked token"}},
    "PermissionDeniedError": {"status": 403, "json": {"detail": "Insufficient permissions. Required scope: control"}},
    "NotFoundError": {"status": 404, "json": {"error": "Session not found: x", "code": "SESSION_NOT_FOUND"}},
    "ConflictError": {"status": 409, "json": {"detail": "in the way"}},
    "ValidationError": {
        "status": 422,
        "json": {"detail": [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {}}]},
    },
    "RateLimitError": {"status": 429, "json": {"detail": "no"}, "headers": {"retry-after": "7"}},
    "ServerError": {"status": 500, "text": "Internal Server Error"},
    "NotAvailableError": {"status": 501, "json": {"error": "not yet", "code": "NOT_IMPLEMENTED"}},
    "DecodeError": {"json": [1, 2]},
    "APIConnectionError": {"faults": {"read_then_close": True}},
    "APITimeoutError": {"faults": {"hold": True}},
}


def call(base_url, face):
    """Makes a call that fails; in a worker, for the process that waits for its outcome."""
    options = {"max_retries": 0, "timeout": 0.5 if face.endswith("quick") else 30}
    if face.startswith("asyncio"):

        async def main():
            async with loki_mode_sdk.AsyncAutonomiClient(base_url, **options) as client:
                await client.get_project(7)

        return asyncio.run(main())
    with loki_mode_sdk.AutonomiClient(base_url, **options) as client:
        return client.get_project(7)


@pytest.fixture(scope="module")
def workers():
    # Not forked: a child would have threads' locks, but not the threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        yield pool


@pytest.mark.parametrize("face", ["plain", "asyncio"])
@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_worker_raises_comes_as_it_was_raised(fault_server, workers, name, face):
    face += " quick" if name == "APITimeoutError" else ""
    base_url = fault_server.serve([{**ANSWERS[name], "repeat": 2}])
    with pytest.raises(AutonomiError) as here:
        call(base_url, face)
    with pytest.raises(AutonomiError) as there:
        workers.submit(call, base_url, face).result(60)
    assert type(there.value) is type(here.value) is getattr(loki_mode_sdk, name)
    assert there.value.args == here.value.args
    assert vars(there.value) == vars(here.value)
