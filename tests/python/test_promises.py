"""The tests that `docs/reliability.md` names are there."""

from __future__ import annotations

import re

import pytest

from servers import ROOT

GROUPS = {
    "core": "core/tests/engine/{}.rs",
    "py": "tests/python/{}.py",
    "node": "tests/node/{}.test.mjs",
    "cases": "tests/cases/{}*",
    "soak": "tests/soak/{}.py",
    "fuzz": "fuzz/fuzz_targets/{}.rs",
}


def path(name: str) -> str:
    """`core/src/retry.rs` and `fuzz/` are paths as they stand, `py/test_fork` is one of a group."""
    group, _, rest = name.partition("/")
    return name if name.endswith((".rs", "/")) else GROUPS[group].format(rest)


def named() -> list[tuple[str, str]]:
    """Paths, each with the name of a test or nothing; `name, name` after a colon are tests of the file before."""
    found, file = [], ""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    for row in re.findall(r"^\| \*\*.* \| (.*) \|$", page, re.MULTILINE):
        for quoted in re.findall(r"`([^`]+)`", row):
            test = quoted
            if "/" in quoted:
                name, _, test = quoted.partition(": ")
                file = path(name)
            found.append((file, test.rstrip(" ,…")))
    return found


@pytest.mark.parametrize(("file", "test"), named())
def test_the_test_of_a_promise_exists(file, test):
    files = list(ROOT.glob(file))
    assert files, f"there is no {file}"
    assert any(test in file.read_text("utf-8") for file in files if file.is_file()) or not test
