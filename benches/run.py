"""`make bench`: what the SDK costs beside the alternatives, against one local server, as ratios measured in one run."""

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import streams
from peers import AsyncPeers, Peers
from rounds import measure, measure_async, table

from loki_mode_sdk import AutonomiClient, _native

ROOT = Path(__file__).resolve().parent.parent
CONTROL_PLANE = ROOT / "target" / "release" / "loki-control-plane"
AUDIT_ROWS = (100, 10_000, 100_000)
IN_FLIGHT = (1, 32, 256)


@contextmanager
def control_plane(token):
    with tempfile.TemporaryDirectory(prefix="loki-bench-") as folder:
        server = subprocess.Popen(
            [CONTROL_PLANE, "--port", "0", "--token", token, "--data", f"{folder}/control-plane.db"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
            server.wait()


def fill_audit(base_url, token, rows):
    """Makes `rows` audited changes: every one of them adds an entry to the log."""
    with AutonomiClient(base_url=base_url, token=token) as client:
        project = client.create_project("bench", description="made by make bench")

        def change(count):
            for number in range(count):
                client.update_project(project.id, description=f"change {number}")

        threads = [threading.Thread(target=change, args=(rows // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return project


def many_at_a_time(base_url, token, project_id):
    for in_flight in IN_FLIGHT:
        peers = AsyncPeers(base_url, token, in_flight)
        calls = max(300, in_flight * 4)
        results = measure_async(
            peers.get_project(project_id), rounds=9, calls=calls, in_flight=in_flight, finish=peers.close
        )
        table(f"Python async: {in_flight} in flight", results, baseline="loki_mode_sdk")


def start_up(command, env=None):
    def once():
        began = time.perf_counter()
        subprocess.run(command, check=True, env=env, cwd=ROOT)
        return time.perf_counter() - began

    return once


def start_ups():
    """Median milliseconds over an empty process, taking turns."""
    pairs = {
        "import loki_mode_sdk": ([sys.executable, "-c", "pass"], [sys.executable, "-c", "import loki_mode_sdk"]),
        "import httpx": ([sys.executable, "-c", "pass"], [sys.executable, "-c", "import httpx"]),
        "import requests": ([sys.executable, "-c", "pass"], [sys.executable, "-c", "import requests"]),
        "require('loki-mode-sdk')": (["node", "-e", "0"], ["node", "-e", "require('.')"]),
        "require('undici')": (["node", "-e", "0"], ["node", "-e", "require('./benches/node/node_modules/undici')"]),
        "require('axios')": (["node", "-e", "0"], ["node", "-e", "require('./benches/node/node_modules/axios')"]),
    }
    print("\nStart, in milliseconds over an empty process (median of 25)")
    for name, (empty, loaded) in pairs.items():
        both = [(start_up(empty)(), start_up(loaded)()) for _ in range(25)]
        print(f"  {name:<28}{statistics.median(after - before for before, after in both) * 1000:>9.1f} ms")


def sizes():
    print("\nNative modules, stripped")
    addons = list((ROOT / "bindings-node" / "native").glob("*.node"))
    for path in [Path(_native.__file__), *addons]:
        print(f"  {path.name:<40}{path.stat().st_size / 1e6:>9.2f} MB")


def main():
    token = "loki_" + secrets.token_urlsafe(32)
    with control_plane(token) as base_url:
        print(f"filling the audit log with {max(AUDIT_ROWS):,} rows …", flush=True)
        project = fill_audit(base_url, token, max(AUDIT_ROWS))
        peers = Peers(base_url, token)

        results = measure(peers.get_project(project.id), rounds=15, calls=300)
        table("Python: one get_project after the other", results, baseline="raw socket")
        for rows in AUDIT_ROWS:
            calls = max(1, 1000 // rows)
            results = measure(peers.query_audit(rows), rounds=7, calls=calls)
            table(f"Python: query_audit of {rows:,} rows", results, baseline="pycurl + msgspec")

        many_at_a_time(base_url, token, project.id)

        env = {**os.environ, "LOKI_BASE_URL": base_url, "LOKI_API_TOKEN": token, "PROJECT_ID": str(project.id)}
        subprocess.run(["node", "benches/node/run.mjs"], cwd=ROOT, env=env, check=True)
        streams.run(base_url, token)
    start_ups()
    sizes()


if __name__ == "__main__":
    main()
