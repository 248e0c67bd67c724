"""A call returns within its timeout and 50 ms under every fault, retries included."""

from __future__ import annotations

import contextlib
import time

from loki_mode_sdk import AutonomiClient, AutonomiError
from servers import FaultServer

TIMEOUT, GRACE, ROUNDS = 0.3, 0.05, 5

FAULTS = [
    {"delay_ms": 5000},
    {"head_delay_ms": 5000},
    {"body_delay_ms": 5000},
    {"drip_ms": 20},
    {"cut_after": 0},
    {"cut_after": 20},
    {"reset_after": 0},
    {"reset_after": 60},
    {"half_open": 0},
    {"half_open": 25},
    {"half_open": True},
    {"hold": True},
    {"read_then_close": True},
    {"wrong_length": 5},
    {"chunked": "truncated"},
    {"garbage": True},
    {"endless": True},
    {"endless": True, "drip_ms": 5},
    {"header_bomb": 1 << 20},
]


def run() -> str:
    """Every fault several times, with reads (which are retried) and writes (which are not)."""
    late, worst = [], []
    with FaultServer() as server:
        replies = [{"json": {"id": 1, "name": "x" * 40}, "faults": faults, "repeat": 100} for faults in FAULTS]
        replies.append({"status": 503, "headers": {"retry-after": "60"}, "repeat": 100})
        for reply in replies:
            for write in (False, True):
                client = AutonomiClient(server.serve([reply]), timeout=TIMEOUT)
                for _ in range(ROUNDS):
                    start = time.perf_counter()
                    with contextlib.suppress(AutonomiError):
                        client.create_project("x") if write else client.get_project(1)
                    took = time.perf_counter() - start
                    worst.append(took)
                    if took > TIMEOUT + GRACE:
                        late.append((reply.get("faults") or reply["status"], write, round(took, 3)))
                client.close()
    worst.sort()

    def share(part: float) -> str:
        return f"{worst[int(part * (len(worst) - 1))] * 1000:.1f} ms"

    assert late == [], f"later than {TIMEOUT + GRACE} s: {late}"
    return (
        f"{len(worst)} calls with a timeout of {TIMEOUT * 1000:.0f} ms under {len(replies)} faults: "
        f"median {share(0.5)}, 90 % {share(0.9)}, 99 % {share(0.99)}, longest {share(1)}"
    )
