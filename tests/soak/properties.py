"""The property tests with other and more cases than `make test` draws."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]
CASES = 5_000


def run() -> str:
    """Runs those of the core, then those of Python; what fails prints the case."""
    environment = {**os.environ, "PROPTEST_CASES": str(CASES)}
    environment.pop("PROPTEST_RNG_SEED", None)
    core = ["cargo", "test", "--quiet", "-p", "loki-mode-core", "--lib"]
    subprocess.run(core, cwd=TOP, env=environment, check=True, stdout=sys.stderr, timeout=600)
    python = [sys.executable, "-m", "pytest", "--hypothesis-profile", "soak", "-m", "hypothesis", "tests/python"]
    told = subprocess.run(python, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout
    return f"{CASES:,} cases of each property of the core; Python: {told.splitlines()[-1]}"
