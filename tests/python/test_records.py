"""Key creation and rotation return dicts that do not show their secrets."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

CREATED = {"id": "k", "name": "ci", "hash": "canary-h", "salt": "canary-s", "token": "loki_canary"}
ROTATED = {"new_key": {"id": "k2", "hash": "canary-h", "salt": "canary-s"}, "token": "loki_canary"}


@pytest.fixture(params=["create", "rotate"])
def record(request, client_of):
    if request.param == "create":
        return client_of({"status": 201, "json": CREATED}, path_style="guide").create_api_key("ci")
    return client_of({"json": ROTATED}, path_style="guide").rotate_api_key("ci")


def test_a_record_is_a_dict(record):
    assert isinstance(record, dict)
    assert record in (CREATED, ROTATED)
    assert record["token"] == record.get("token") == "loki_canary"
    assert json.loads(json.dumps(record)) == record


def test_secrets_are_never_shown(record):
    shown = [record, record.copy(), copy.copy(record), copy.deepcopy(record), record | {"a": 1}]
    shown += [{"a": 1} | record, record.get("new_key"), [record], (record, "x")]
    shown += [pickle.loads(pickle.dumps(record, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
    for value in shown:
        assert "canary" not in repr(value)
        assert "canary" not in f"{value}"


def test_copies_are_records_with_everything_in_them(record):
    for again in (record.copy(), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert type(again) is type(record)
        assert again == record
