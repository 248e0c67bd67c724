"""The long tests: what holds over minutes and many thousands of calls. Runs all parts, or those that are named."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "python"))

import crowd  # noqa: E402
import deadlines  # noqa: E402
import follow  # noqa: E402
import memory  # noqa: E402
import properties  # noqa: E402
import stale  # noqa: E402
import writes  # noqa: E402


def node(name: str) -> str:
    """The part of this name of the Node package's soak."""
    # V8 lets the space for young objects grow with the load and keeps it: that would hide what is being measured.
    command = ["node", "--expose-gc", "--max-semi-space-size=1", "tests/soak/soak.mjs", name]
    return subprocess.run(
        command, cwd=HERE.parents[1], check=True, stdout=subprocess.PIPE, text=True, timeout=400
    ).stdout.strip()


PARTS = {
    "deadlines": deadlines.run,
    "stale connections": stale.run,
    "writes": writes.run,
    "writes, Node": lambda: node("writes"),
    "crowd": crowd.run,
    "crowd, Node": lambda: node("crowd"),
    "properties": properties.run,
    "follow": follow.run,
    "memory": memory.run,
    "memory, Node": lambda: node("memory"),
}


def main(names: list[str]) -> int:
    """Runs these parts one after the other, prints their figures, and fails if one did."""
    kept = ("LOKI_FAULT_SERVER", "LOKI_CONTROL_PLANE")
    proxies = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in list(os.environ):
        if (name.startswith("LOKI_") and name not in kept) or name.lower() in proxies:
            del os.environ[name]
    if unknown := set(names) - set(PARTS):
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    failed = 0
    for name in names or PARTS:
        start = time.monotonic()
        try:
            figures = PARTS[name]()
        except Exception:
            traceback.print_exc()
            failed += 1
            figures = "FAILED"
        print(f"{name} ({time.monotonic() - start:.0f} s): {figures}", flush=True)
    print(f"{len(names or PARTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
