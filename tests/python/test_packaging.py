"""What the package promises about itself is so."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import loki_mode_sdk
from loki_mode_sdk import _native
from servers import ROOT

IMPORTED = """
import sys
before = set(sys.modules)
import loki_mode_sdk
print(*sorted(set(sys.modules) - before))
"""


def test_the_stable_abi_begins_where_requires_python_does():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    manifest = (ROOT / "bindings-python" / "Cargo.toml").read_text("utf-8")
    floor = re.search(r'requires-python = ">=3\.(\d+)"', project)
    abi3 = re.search(r"abi3-py3(\d+)", manifest)
    assert floor.group(1) == abi3.group(1)
    assert re.search(r'target-version = "py3(\d+)"', project).group(1) == floor.group(1)


def test_the_native_module_is_built_for_the_stable_abi():
    assert ".abi3." in _native.__file__ or sys.platform == "win32"


def test_the_installed_package_needs_nothing_else():
    assert importlib.metadata.requires("loki-mode-sdk") is None
    assert importlib.metadata.version("loki-mode-sdk") == loki_mode_sdk.__version__


def test_it_is_typed():
    folder = Path(loki_mode_sdk.__file__).parent
    assert (folder / "py.typed").exists()
    assert (folder / "_native.pyi").exists()
    assert (folder / "generated" / "models.pyi").exists()


def test_importing_it_imports_little():
    done = subprocess.run([sys.executable, "-S", "-c", IMPORTED], **_with_package(), check=True)
    others = [name for name in done.stdout.split() if not name.startswith("loki_mode_sdk")]
    for expensive in (
        "typing",
        "dataclasses",
        "json",
        "logging",
        "re",
        "inspect",
        "asyncio",
        "ssl",
    ):
        assert expensive not in others


def _with_package() -> dict:
    package = str(Path(loki_mode_sdk.__file__).parents[1])
    return {"env": {"PYTHONPATH": package}, "stdout": subprocess.PIPE, "encoding": "utf-8"}


def test_everything_exported_is_there_once():
    names = loki_mode_sdk.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(loki_mode_sdk, name)
