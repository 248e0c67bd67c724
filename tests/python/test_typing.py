"""Type checkers accept what the guide shows and reject mistakes."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from language_server import LanguageServer
from servers import ROOT

pytest.importorskip("mypy", reason="mypy is not installed")

HERE = Path(__file__).parent


def mypy(*files: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
    return subprocess.run(
        [*command, *map(str, files)],
        cwd=HERE,
        env={"MYPYPATH": str(ROOT / "bindings-python"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def marked(path: Path) -> set[int]:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    return {number for number, line in lines if line.endswith("# error")}


needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None, reason="pyright is not installed for this Python"
)


def pyright(*files: str, folder: Path) -> dict[str, set[int]]:
    """The lines, by file, of which pyright's strict mode complains, for the oldest Python."""
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.9", "extraPaths": [str(ROOT / "bindings-python")]}
    (folder / "pyrightconfig.json").write_text(json.dumps({**config, "include": [*files]}), "utf-8")
    for file in files:
        (folder / file).write_bytes((HERE / file).read_bytes())
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8")
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == len(files)
    found: dict[str, set[int]] = {file: set() for file in files}
    for item in told["generalDiagnostics"]:
        found[Path(item["file"]).name].add(item["range"]["start"]["line"] + 1)
    return found


def test_mypy_accepts_the_guides_code():
    done = mypy(HERE / "typing_accepted.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_mypy_finds_mistakes():
    path = HERE / "typing_rejected.py"
    found = re.findall(r"^typing_rejected\.py:(\d+): error: ", mypy(path).stdout, re.MULTILINE)
    assert {int(line) for line in found} == marked(path)


@needs_pyright
def test_pyright_agrees(tmp_path):
    found = pyright("typing_accepted.py", "typing_rejected.py", folder=tmp_path)
    assert found == {"typing_accepted.py": set(), "typing_rejected.py": marked(HERE / "typing_rejected.py")}


@pytest.mark.skipif(sys.version_info < (3, 10), reason="CPython 3.9 keeps no signatures of native classes")
def test_the_stubs_say_what_the_native_module_is(tmp_path):
    allowed = tmp_path / "allowed"
    # Nobody imports `*` from it; and the slot behind a call takes anything, to complain of it then.
    allowed.write_text("loki_mode_sdk._native.__all__\nloki_mode_sdk._native.Reader.__call__\n", "utf-8")
    modules = [
        f"loki_mode_sdk.{name}" for name in ("_native", "generated.models", "generated.raw", "generated.aio_raw")
    ]
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "--concise",
        "--ignore-disjoint-bases",
        "--allowlist",
        str(allowed),
        *modules,
    ]
    path = os.pathsep.join([str(ROOT / "bindings-python"), *filter(None, [os.environ.get("MYPYPATH")])])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": path}, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    with LanguageServer(tmp_path_factory.mktemp("editor"), ROOT / "bindings-python") as server:
        yield server


START = "from loki_mode_sdk import AsyncAutonomiClient, AutonomiClient, TaskManager\nclient = AutonomiClient()\n"


@needs_pyright
@pytest.mark.parametrize(
    ("program", "known"),
    [
        ('client.list_runs(status="|")', "RunStatus"),
        ('client.iter_runs(status="|")', "RunStatus"),
        ('client.raw.list_projects(status="|")', "ProjectStatus"),
        ('AsyncAutonomiClient().create_api_key("ci", role="|")', "Role"),
        ('client.temporary_api_key("ci", role="|")', "Role"),
        ('TaskManager(client).create_task(1, "title", priority="|")', "TaskPriority"),
        ('TaskManager(client).update_task(1, status="|")', "TaskStatus"),
        ('client.events(min_level="|")', "LogLevel"),
        ('if client.get_run(1).status == "|": pass', "RunStatus"),
        ('match client.get_task(1).priority:\n    case "|": pass', "TaskPriority"),
    ],
)
def test_editors_offer_the_known_values(editor, program, known):
    from loki_mode_sdk import types

    assert editor.completions(START + program + "\n") == set(typing.get_args(getattr(types, known)))


@needs_pyright
def test_editors_show_what_a_field_is(editor):
    shown = editor.hover(START + "client.get_run(1).status|\n")
    assert "RunStatus | str" in shown
    assert "`replaying`" in shown


def test_the_known_values_can_be_asked_for():
    from loki_mode_sdk import types

    assert types.__doc__
    assert "RunStatus" in types.__all__
    for name in types.__all__:
        values = typing.get_args(getattr(types, name))
        assert values
        assert all(isinstance(value, str) for value in values)


def test_all_source_is_read_by_the_oldest_python():
    for path in (ROOT / "bindings-python" / "loki_mode_sdk").rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 9))
