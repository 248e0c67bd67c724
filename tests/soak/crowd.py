"""One client in 64 threads, 10,000 calls: no error, no crossed answers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from loki_mode_sdk import AutonomiClient
from servers import ControlPlane

THREADS, CALLS = 64, 10_000


def run() -> str:
    """Each call asks for a project by its id and looks at the id of what comes."""
    with ControlPlane("guide") as plane, AutonomiClient(plane.base_url, plane.TOKEN) as client:
        ids = [client.create_project(f"own {n}").id for n in range(100)]
        asked = [ids[n % len(ids)] for n in range(CALLS)]
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            got = list(pool.map(lambda own: client.get_project(own).id, asked))
        took = time.perf_counter() - start
    assert got == asked
    return f"{CALLS} calls from {THREADS} threads in {took:.1f} s: each got its own answer"
