"""The webhook handlers in `examples/`, run as their first lines say, against all three profiles."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from loki_mode_sdk import AutonomiClient, TaskManager, webhooks
from servers import ROOT, wait_for_line

SECRET, OLD_SECRET = "a secret of both sides", "the one before it"
EXAMPLES = {
    "flask": ["-m", "flask", "--app", "examples/flask_webhook", "run", "--port", "0"],
    "fastapi": ["-m", "uvicorn", "--app-dir", "examples", "fastapi_webhook:app", "--port", "0"],
}


@contextmanager
def running(example: str, plane, log: Path, **settings: str):
    environment = {**os.environ, "LOKI_BASE_URL": plane.base_url, "LOKI_API_TOKEN": plane.TOKEN, **settings}
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, *EXAMPLES[example]], cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    try:
        yield wait_for_line(server, log, r"[Rr]unning on (http://[\d.:]+)")
    finally:
        server.terminate()
        server.wait(30)


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict]:
    request = urllib.request.Request(f"{url}/webhook", body, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_signed_webhook_completes_the_task(example, control_plane, tmp_path):
    client = AutonomiClient(control_plane.base_url, control_plane.TOKEN)
    tasks = TaskManager(client)
    project = client.list_projects()[0]
    secrets = {"LOKI_WEBHOOK_SECRET": SECRET, "LOKI_WEBHOOK_OLD_SECRET": OLD_SECRET}
    bodies = {
        "guide": lambda task: {"type": "task_completed", "task_id": task.id},
        "servers": lambda task: {"event": "task_complete", "metadata": {"task_id": task.id}},
    }
    with running(example, control_plane, tmp_path / "log", **secrets) as url:
        for name, body in bodies.items():
            for scheme, secret in [("loki", SECRET), ("standard", OLD_SECRET), ("github", SECRET)]:
                task = tasks.create_task(project.id, f"{name}, {scheme}")
                raw = json.dumps(body(task)).encode()
                assert post(url, raw, {})[0] == 401
                assert post(url, raw, webhooks.sign(raw, "another", scheme=scheme))[0] == 401
                assert post(url, raw + b" ", webhooks.sign(raw, secret, scheme=scheme))[0] == 401
                assert tasks.get_task(task.id).status == "pending"
                assert post(url, raw, webhooks.sign(raw, secret, scheme=scheme)) == (200, {"ok": True})
                assert tasks.get_task(task.id).status in ("completed", "done")

        def signed(body: bytes) -> int:
            return post(url, body, webhooks.sign(body, SECRET))[0]

        assert signed(b'{"event": "session_start"}') == 200
        assert signed(b'{"type": "task_completed"}') == 200
        assert signed(b'{"type": "task_completed", "task_id": 999999}') == 404
        assert signed(b"[]") == 400
        assert signed(b"") == 400
    log = (tmp_path / "log").read_text()
    assert "webhook refused: the webhook is not signed" in log
    assert SECRET not in log
    assert not re.search("Traceback", log)


def test_without_a_secret_fastapi_takes_nothing(control_plane, tmp_path):
    with running("fastapi", control_plane, tmp_path / "log") as url:
        body = b'{"event": "session_start"}'
        assert post(url, body, webhooks.sign(body, SECRET))[0] == 401


def test_without_a_secret_flask_takes_what_servers_send_unsigned(control_plane, tmp_path):
    with running("flask", control_plane, tmp_path / "log") as url:
        assert post(url, b'{"event": "session_start"}', {}) == (200, {"ok": True})
