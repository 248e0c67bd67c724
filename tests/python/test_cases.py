"""The cases that the tests of all languages share: tests/cases/README.md."""

from __future__ import annotations

import builtins
import json

import pytest

import loki_mode_sdk
from loki_mode_sdk import AutonomiClient
from servers import ROOT

FOLDER = ROOT / "tests" / "cases"
OPERATIONS = json.loads((FOLDER / "generated" / "operations.json").read_text("utf-8"))["operations"]
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(FOLDER.glob("*.json"))
    for case in json.loads(path.read_text("utf-8"))["cases"]
]
OPTIONS = {"timeout_seconds": "timeout"}


def test_there_are_cases():
    assert len(CASES) > 100


def same(expected, found, *, subset=False, strict=False):
    """Whether two JSON values are the same; null and missing are, unless `strict`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = set(expected) if subset else set(expected) | set(found)
        if strict and set(expected) != set(found):
            return False
        return all(same(expected.get(key), found.get(key), subset=subset, strict=strict) for key in keys)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(
            same(a, b, subset=subset, strict=strict) for a, b in zip(expected, found)
        )
    if isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    return expected == found


def plain(result):
    if isinstance(result, list):
        return [plain(item) for item in result]
    return result.to_dict() if hasattr(result, "to_dict") else result


def call(client, operation, arguments):
    described = OPERATIONS[operation]
    arguments = dict(arguments)
    keyword = {name: arguments.pop(name) for name in described["keyword"] if name in arguments}
    positional = []
    for name in described["positional"]:
        if not arguments:
            break
        if name not in arguments:
            # A gap: everything behind it has to be named.
            keyword.update(arguments)
            break
        positional.append(arguments.pop(name))
    return getattr(client, operation)(*positional, **keyword)


def check_error(error, expected):
    module = builtins if expected["class"] == "TypeError" else loki_mode_sdk
    assert type(error) is getattr(module, expected["class"]), repr(error)
    for text in expected.get("message_contains", []):
        assert text in str(error)
    for text in expected.get("message_excludes", []):
        assert text not in str(error)
    for name, value in expected.get("fields", {}).items():
        found = getattr(error, name)
        if name == "errors":
            found = [{"location": item.location, "message": item.message} for item in found]
        assert same(value, found), f"{name}: {found!r}"


def check_call(client, expected):
    try:
        result = call(client, expected["operation"], expected["arguments"])
    except Exception as error:
        if "error" not in expected:
            raise
        return check_error(error, expected["error"])
    assert "error" not in expected, f"returned {result!r}"
    if "result_contains" in expected:
        return check_same(expected["result_contains"], plain(result), subset=True)
    return check_same(expected["result"], plain(result), subset=False)


def check_same(expected, found, *, subset):
    assert same(expected, found, subset=subset), f"expected {expected!r}, got {found!r}"


def check_request(expected, found):
    assert (found["method"], found["path"]) == (expected["method"], expected["path"])
    assert same(expected.get("query", {}), found["query"]), found["query"]
    for name, value in expected.get("headers", {}).items():
        assert found["headers"].get(name) == value, f"{name}: {found['headers']}"
    assert (found["pause_ms"] or 0) >= expected.get("pause_ms", 0)
    if expected.get("body") is None:
        assert found["body"] is None, found["body"]
    else:
        assert same(expected["body"], json.loads(found["body"]), strict=True), found["body"]


@pytest.mark.parametrize("case", CASES)
def test_case(case, fault_server):
    refused = case.get("server") == "refused"
    exchanges = case.get("exchanges", [])
    replies = [exchange["response"] for exchange in exchanges]
    base_url = fault_server.refuse() if refused else fault_server.serve(replies)
    settings = dict(case.get("client", {}))
    base_url = settings.pop("base_url", base_url) + settings.pop("base_url_suffix", "")
    options = {OPTIONS.get(name, name): value for name, value in settings.items()}
    calls = case.get("calls", [case])
    try:
        client = AutonomiClient(base_url, **options)
    except Exception as error:
        if "error" not in calls[0]:
            raise
        check_error(error, calls[0]["error"])
    else:
        with client:
            for expected in calls:
                check_call(client, expected)
    if refused:
        return
    recorded = fault_server.recorded()
    assert recorded["remaining"] == 0
    assert len(recorded["requests"]) == len(exchanges), recorded["requests"]
    for exchange, found in zip(exchanges, recorded["requests"]):
        check_request(exchange["request"], found)
