"""The example that follows a run: where its output goes to a pipe, and in a terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from loki_mode_sdk import AutonomiClient
from servers import ROOT, ControlPlane

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals as POSIX has them")

# A job that runs in the background of a shell has inherited that it ignores the signal.
PROGRAM = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_path("examples/follow_run.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def server():
    with ControlPlane("guide") as server:
        yield server


@pytest.fixture
def client(server):
    with AutonomiClient(server.base_url, server.TOKEN) as client:
        yield client


@pytest.fixture
def run(client):
    return client.create_run(client.list_projects()[0].id)


def start(server, *arguments, out=subprocess.PIPE, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LOKI_BASE_URL": server.base_url, "LOKI_API_TOKEN": server.TOKEN, **environment},
        stdout=out,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def finish(process):
    try:
        return process.communicate(timeout=60)[0].splitlines(), process.returncode
    finally:
        process.kill()


def test_lines_in_a_pipe_and_where_to_go_on(server, client, run):
    client.create_run_event(run.id, "phase_start", phase="ACT", details={"iteration": 1})
    client.create_run_event(run.id, "tool_call", phase="ACT", details={"message": "Edit \x1b[2J a file"})
    first = start(server, run.id)
    assert first.stdout.readline() == f"following run {run.id}\n"
    assert re.fullmatch(r"\d\d:\d\d:\d\d  ACT      phase_start    iteration 1\n", first.stdout.readline())
    assert first.stdout.readline().endswith("ACT      tool_call      Edit  [2J a file\n")
    time.sleep(0.2)
    first.send_signal(signal.SIGINT)
    (stopped, command), status = finish(first)
    assert (stopped, status) == ("stopped after 2 events; to go on from here:", 130)

    client.create_run_event(run.id, "test_result", phase="VERIFY", details={"passed": 41})
    client.create_run_event(run.id, "run_completed")
    program, *arguments = command.split()[1:]
    assert program == "examples/follow_run.py"
    lines, status = finish(start(server, *arguments))
    assert status == 0
    assert len(lines) == 4, lines
    assert lines[1].endswith("VERIFY   test_result    passed 41")
    assert re.fullmatch(rf"run {run.id} completed after \d+:\d\d, 2 events", lines[3])


@pytest.mark.parametrize("colours", [True, False])
def test_a_line_that_is_kept_up_to_date_in_a_terminal(server, client, run, colours):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        process = start(server, run.id, out=theirs, TERM="xterm", NO_COLOR="" if colours else "1")
        os.close(theirs)
        client.create_run_event(run.id, "phase_start", phase="VERIFY", details={"iteration": 1})
        client.create_run_event(run.id, "run_completed")
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                # How a terminal of Linux ends.
                break
            if not part:
                break
            shown += part
        assert process.wait(60) == 0
    finally:
        os.close(ours)
    text = shown.decode("utf-8")
    assert f"run {run.id}" in text
    assert "VERIFY" in text
    assert "\r\x1b[K" in text
    assert "█" in text
    assert ("\x1b[32m" in text) is colours
    assert re.search(r"completed(\x1b\[0m)? after \d+:\d\d, 2 events\r\n$", text)


def test_what_is_wrong_is_said_in_one_line(server):
    for arguments, problem in (
        (["987654"], "error: GET /api/runs/987654: 404 Run not found"),
        (["1", "--cursor", "x"], "error: `cursor` is not one that a stream of this SDK gave"),
    ):
        lines, status = finish(start(server, *arguments))
        assert lines[-1].startswith(problem)
        assert (len(lines) <= 2, status) == (True, 1)
