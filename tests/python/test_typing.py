"""Type checkers accept what the guide shows and reject mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_guides_code_is_accepted():
    done = mypy(HERE / "typing_accepted.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_mistakes_are_found():
    path = HERE / "typing_rejected.py"
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    marked = {number for number, line in lines if line.endswith("# error")}
    found = re.findall(r"^typing_rejected\.py:(\d+): error: ", mypy(path).stdout, re.MULTILINE)
    assert {int(line) for line in found} == marked
