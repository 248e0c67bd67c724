"""100,000 calls and 1,000 clients opened and closed: memory flat, connections and threads back to idle."""

from __future__ import annotations

import gc
import os
import resource
import threading
import time

from loki_mode_sdk import AutonomiClient
from servers import FaultServer

CALLS, CLIENTS, WARM_UP, GROWTH, THREADS = 100_000, 1_000, 20_000, 8 << 20, 4


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def threads() -> int:
    """Threads of this process, those of native code included."""
    return len(os.listdir("/proc/self/task"))


def descriptors() -> int:
    """Open files and connections of this process."""
    return len(os.listdir("/proc/self/fd"))


def run() -> str:
    """Calls from 4 threads; then clients that live for one call each."""
    with FaultServer() as server:
        reply = {"json": {"id": 1, "name": "x", "status": "active"}, "repeat": CALLS + WARM_UP + CLIENTS}
        base_url = server.serve([reply])
        idle = (descriptors(), threads())

        def call(count: int) -> None:
            with AutonomiClient(base_url) as client:

                def work() -> None:
                    for _ in range(count // THREADS):
                        client.get_project(1)

                # No pool with a queue of calls: that would be the memory that is measured.
                workers = [threading.Thread(target=work) for _ in range(THREADS)]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()

        call(WARM_UP)
        before = resident()
        start = time.perf_counter()
        call(CALLS)
        rate = CALLS / (time.perf_counter() - start)
        for _ in range(CLIENTS):
            with AutonomiClient(base_url) as client:
                client.get_project(1)
        after = resident()
        assert after - before < GROWTH, f"grew by {after - before} bytes"
        deadline = time.monotonic() + 15
        while (descriptors(), threads()) != idle and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (descriptors(), threads()) == idle, f"{descriptors()} files, {threads()} threads, not {idle}"
        assert threading.active_count() == 1
    return (
        f"{CALLS} calls ({rate:.0f}/s) and {CLIENTS} clients: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB "
        f"after; {idle[0]} files and {idle[1]} threads before and after"
    )
