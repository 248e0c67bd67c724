"""The wheel, installed where there is no Rust and no checkout."""

import json
import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest

from conftest import ROOT

# The size in bytes that the native module must not exceed.
NATIVE_LIMIT = 4_000_000


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "maturin", "build", "--release", "--quiet", "--out", folder], cwd=ROOT, check=True
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def clean_python(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", wheel], check=True)
    return python


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_one_wheel_serves_every_cpython_from_the_oldest_on(wheel):
    floor = re.search(r"-cp3(\d+)-abi3-", wheel.name)
    assert floor, wheel.name
    assert metadata(wheel)["Requires-Python"] == f">=3.{floor[1]}"


def test_it_needs_nothing_at_run_time(wheel):
    assert metadata(wheel).get_all("Requires-Dist") is None


def test_it_carries_types_and_a_small_native_module(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert "loki_mode_sdk/py.typed" in names
        (native,) = [entry for entry in archive.infolist() if entry.filename.startswith("loki_mode_sdk/_native.abi3")]
        assert native.file_size <= NATIVE_LIMIT


def test_the_quick_start_runs(clean_python, environment, tmp_path):
    script = tmp_path / "quickstart.py"
    script.write_text((ROOT / "examples" / "quickstart.py").read_text())
    done = subprocess.run([clean_python, "-I", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "API version" in done.stdout
    assert "is completed" in done.stdout or "is done" in done.stdout


def test_every_public_name_has_a_type(clean_python, tmp_path):
    scripts = clean_python.parent
    environment = {**os.environ, "VIRTUAL_ENV": str(scripts.parent), "PATH": f"{scripts}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "pyright", "--outputjson", "--ignoreexternal", "--verifytypes", "loki_mode_sdk"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    told = json.loads(done.stdout)["typeCompleteness"]
    assert told["packageRootDirectory"].startswith(str(scripts.parent))
    without = [symbol for symbol in told["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]]
    assert without == []
    assert told["completenessScore"] == 1
    assert told["exportedSymbolCounts"]["withKnownType"] > 1000


def test_a_program_of_a_user_is_strictly_typed(clean_python, tmp_path):
    program = (ROOT / "tests" / "python" / "typing_accepted.py").read_text()
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "pythonVersion": "3.9"}')
    pyright = [sys.executable, "-m", "pyright", "--pythonpath", clean_python]
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", clean_python, "program.py"]
    for command in (pyright, mypy):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
