"""Calls spaced around the 5 s after which a real uvicorn closes an idle connection: no error, GET and POST."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from loki_mode_sdk import AutonomiClient

CLIENTS, CALLS = 40, 11


@contextlib.contextmanager
def uvicorn():
    """A uvicorn on a free port; gives its base URL."""
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--no-access-log", "--no-use-colors"]
    process = subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield found.group()
                return
        raise RuntimeError("uvicorn did not start")
    finally:
        process.terminate()
        process.wait(10)


def run() -> str:
    """Half of the clients read, half write; each waits 4.9 to 5.2 s between its calls."""
    errors, done = [], []

    def work(number: int, base_url: str) -> None:
        chance = random.Random(number)
        with AutonomiClient(base_url) as client:
            for call in range(CALLS):
                if call:
                    time.sleep(chance.uniform(4.9, 5.2))
                try:
                    client.get_run(1) if number % 2 else client.create_run(1)
                    done.append(number % 2)
                except Exception as error:
                    errors.append(repr(error))

    with uvicorn() as base_url:
        threads = [threading.Thread(target=work, args=(n, base_url)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == [], errors[:3]
    spaced = CLIENTS * (CALLS - 1)
    return f"{spaced // 2} GET and {spaced // 2} POST after 4.9 to 5.2 s of idleness: no error"
