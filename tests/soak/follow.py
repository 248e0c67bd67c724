"""50 runs followed for minutes, while the server is killed every few seconds and the line to it breaks at random."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from bad_line import Line
from loki_mode_sdk import APIConnectionError, AutonomiClient, EventStream
from servers import ROOT, binary

RUNS = 50
MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
ALIVE = (2.0, 6.0)  # seconds between two kills
DEAD = (0.1, 1.5)  # seconds until it is started again
PAUSE = 0.04  # seconds between two events of any run
TOKEN = "loki_soak"
POLL = 0.5  # seconds


class MortalPlane:
    """A control plane at one address, on one file, that can be killed and started again."""

    def __init__(self, folder: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}"
        self._command = [binary("loki-control-plane"), "--port", str(port), "--token", TOKEN]
        self._command += ["--data", f"{folder}/plane.db"]
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, encoding="utf-8")
        assert self._process.stdout.readline().strip() == self.base_url

    def kill(self) -> None:
        """Ends it at once, in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def torment(self, until: threading.Event) -> None:
        """Kills it and starts it again, until told otherwise; it is alive at the end."""
        chance = random.Random(7)
        while not until.wait(chance.uniform(*ALIVE)):
            self.kill()
            self.kills += 1
            time.sleep(chance.uniform(*DEAD))
            self.start()


def write_events(plane: MortalPlane, runs: list[int], seconds: float) -> None:
    """Adds events to the runs in turn, bursts within a second among them; a write that fails may or may not count."""
    chance = random.Random(11)
    end = time.monotonic() + seconds
    with AutonomiClient(plane.base_url, TOKEN, timeout=5) as client:
        number = 0
        while time.monotonic() < end:
            run = chance.choice(runs)
            for _ in range(chance.choice((1, 1, 1, 8))):
                number += 1
                try:
                    client.create_run_event(run, "step", f"PHASE-{number % 7}", {"number": number})
                except APIConnectionError:
                    time.sleep(0.1)
            time.sleep(PAUSE)


def follow(url: str, run: int, given: list[int]) -> None:
    """Follows a run to its end. Every now and then the program "is restarted", and goes on with its cursor."""
    chance = random.Random(run)
    cursor = None
    with AutonomiClient(url, TOKEN, timeout=5) as client:
        while True:
            patience = chance.randrange(20, 200)
            with EventStream(client).follow(run, cursor=cursor, poll_interval=POLL) as events:
                for event in events:
                    given.append(event.id)
                    patience -= 1
                    if patience == 0:
                        break
                cursor = events.cursor
                if patience > 0:
                    return


def stored(client: AutonomiClient, run: int) -> list[int]:
    """What the server has."""
    return [event.id for event in client.get_run_timeline(run)]


def run() -> str:
    """Python follows each run by itself, Node all of them with one stream; both end with what the server has."""
    seconds = MINUTES * 60
    with tempfile.TemporaryDirectory(prefix="loki-soak-") as folder, Line() as line:
        plane = MortalPlane(folder)
        try:
            with AutonomiClient(plane.base_url, TOKEN) as client:
                project = client.create_project("soak").id
                runs = [client.create_run(project).id for _ in range(RUNS)]
            url = line.to(plane.base_url, seed=3, rate=0.1)
            given: dict[int, list[int]] = {run: [] for run in runs}
            followers = [threading.Thread(target=follow, args=(url, run, given[run]), daemon=True) for run in runs]
            command = ["node", "tests/soak/soak.mjs", "follow"]
            env = {**os.environ, "LOKI_BASE_URL": url, "LOKI_API_TOKEN": TOKEN, "RUNS": json.dumps(runs)}
            output = Path(folder, "node.json")
            with output.open("w") as file:
                node = subprocess.Popen(command, cwd=ROOT, env=env, stdout=file)
            for follower in followers:
                follower.start()
            quiet = threading.Event()
            tormentor = threading.Thread(target=plane.torment, args=(quiet,))
            tormentor.start()
            write_events(plane, runs, seconds)
            quiet.set()
            tormentor.join()
            with AutonomiClient(plane.base_url, TOKEN) as client:
                for number in runs:
                    client.create_run_event(number, "run_completed")
                deadline = time.monotonic() + 120
                for follower in followers:
                    follower.join(max(0.0, deadline - time.monotonic()))
                assert not any(follower.is_alive() for follower in followers), "a run was not followed to its end"
                assert node.wait(max(1.0, deadline - time.monotonic())) == 0
                seen = {int(run): ids for run, ids in json.loads(output.read_text()).items()}
                total = 0
                for number in runs:
                    expected = stored(client, number)
                    total += len(expected)
                    assert given[number] == expected, f"Python, run {number}: {_difference(given[number], expected)}"
                    assert seen[number] == expected, f"Node, run {number}: {_difference(seen[number], expected)}"
            return (
                f"{RUNS} runs with {total} events over {MINUTES:g} minutes; the server was killed {plane.kills} times, "
                f"{line.broken()} exchanges were broken: Python and Node were given each event once and in order"
            )
        finally:
            plane.kill()


def _difference(given: list[int], expected: list[int]) -> str:
    missing = sorted(set(expected) - set(given))
    repeated = sorted({number for number in given if given.count(number) > 1})
    counts = f"{len(missing)} missing {missing[:5]}, {len(repeated)} repeated {repeated[:5]}"
    return f"{counts}, in order: {given == sorted(given)}"
