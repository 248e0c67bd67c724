"""The logger `loki_mode_sdk`, and `LOKI_LOG`."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest

from loki_mode_sdk import APIConnectionError, AutonomiClient, ConfigError

CANARY = "loki_canary_token"

CALL = """
import sys
from loki_mode_sdk import AutonomiClient
print(AutonomiClient(sys.argv[1]).get_status())
print("logging" in sys.modules)
"""


def run(base_url, **environment):
    return subprocess.run(
        [sys.executable, "-c", CALL, base_url],
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_a_line_for_each_attempt(client_of, caplog):
    client = client_of({"status": 503, "json": {}}, {"json": []}, token=CANARY, path_style="guide")
    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"):
        client.list_runs(status="canary-status", headers={"x-a": "canary-header"})
    lines = [record.getMessage() for record in caplog.records]
    assert [re.sub(r"[\d.]+ ms", "T ms", line) for line in lines] == [
        "GET /api/runs: 503 in T ms, attempt 1",
        "GET /api/runs: 200 in T ms, attempt 2",
    ]
    assert {record.levelname for record in caplog.records} == {"DEBUG"}
    assert {record.name for record in caplog.records} == {"loki_mode_sdk"}
    assert "canary" not in caplog.text


def test_attempts_without_an_answer_say_why(fault_server, caplog):
    client = AutonomiClient(fault_server.refuse(), max_retries=1)
    with caplog.at_level(logging.DEBUG, "loki_mode_sdk"), pytest.raises(APIConnectionError):
        client.get_status()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.startswith("GET /api/status: APIConnectionError (") for line in lines)
    assert lines[1].endswith("attempt 2")


def test_nothing_is_logged_at_the_usual_levels(client_of, caplog):
    client = client_of({"json": {}})
    with caplog.at_level(logging.INFO):
        client.get_status()
    assert caplog.records == []


def test_a_handler_that_fails_does_not_lose_the_answer(client_of, monkeypatch):
    class Broken(logging.Filter):
        def filter(self, record):
            raise RuntimeError("broken filter")

    unraised = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    logger = logging.getLogger("loki_mode_sdk")
    broken = Broken()
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    logger.manager._clear_cache()
    logger.addFilter(broken)
    try:
        assert client_of({"json": {"ok": True}}).get_status() == {"ok": True}
    finally:
        logger.removeFilter(broken)
        monkeypatch.undo()
        logger.manager._clear_cache()
    assert [str(problem.exc_value) for problem in unraised] == ["broken filter"]


def test_it_is_off_and_not_even_imported_unless_asked_for(fault_server):
    done = run(fault_server.serve([{"json": {"ok": True}}]))
    assert (done.stdout, done.stderr, done.returncode) == ("{'ok': True}\nFalse\n", "", 0)


def test_loki_log_writes_to_stderr(fault_server):
    done = run(fault_server.serve([{"json": {"ok": True}}]), LOKI_LOG="debug")
    assert done.stdout == "{'ok': True}\nTrue\n"
    assert re.fullmatch(r".* loki_mode_sdk DEBUG GET /api/status: 200 in [\d.]+ ms, attempt 1\n", done.stderr)


def test_loki_log_can_be_off(fault_server):
    done = run(fault_server.serve([{"json": {}}]), LOKI_LOG="off")
    assert (done.stderr, done.returncode) == ("", 0)


def test_loki_log_is_checked(monkeypatch):
    monkeypatch.setenv("LOKI_LOG", "loud")
    with pytest.raises(ConfigError, match="LOKI_LOG must be debug or off") as caught:
        AutonomiClient()
    assert caught.value.param == "LOKI_LOG"
