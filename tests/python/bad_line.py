"""Writes over a bad line, and what the server says about them afterwards."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from loki_mode_sdk import APIConnectionError, AutonomiClient, AutonomiError
from servers import ControlPlane, FaultServer

KINDS = ("create", "rotate", "replay", "cancel")


class Line(FaultServer):
    """A proxy that breaks a share of the exchanges, by chance: tests/support/README.md."""

    def to(self, base_url: str, *, seed: int, rate: float) -> str:
        """The base URL of a bad line to the server at `base_url`."""
        return self._ask(proxy={"to": base_url, "seed": seed, "rate": rate})["base_url"]

    def broken(self) -> int:
        """How many exchanges were broken."""
        return sum(self.recorded()["faults"].values())


@dataclass
class Tally:
    """What callers were told, and what the server did."""

    acknowledged: int = 0
    maybe_executed: int = 0
    not_executed: int = 0
    executed: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, told: str, count: int) -> None:
        setattr(self, told, getattr(self, told) + 1)
        self.executed += count
        allowed = {"acknowledged": (1,), "maybe_executed": (0, 1), "not_executed": (0,)}[told]
        if count not in allowed:
            self.wrong.append(f"{name}: told {told}, executed {count} times")

    def __str__(self) -> str:
        return (
            f"{self.executed} executed = {self.acknowledged} acknowledged + "
            f"{self.executed - self.acknowledged} of {self.maybe_executed} maybe executed; "
            f"{self.not_executed} reported as not executed"
        )


def _attempt(call) -> str:
    try:
        call()
    except APIConnectionError as error:
        return {True: "maybe_executed", False: "not_executed"}[error.maybe_executed]
    except AutonomiError as error:
        if error.status_code is None:
            raise
        # A refusal. No call here gives a reason for one, unless it was executed before.
        return "not_executed"
    return "acknowledged"


def _all_runs(client: AutonomiClient, project_id):
    runs, page = [], None
    while page is None or page:
        page = client.list_runs(project_id, limit=500, offset=len(runs))
        runs += page
    return runs


def write_over(line_url: str, plane: ControlPlane, *, each: int, threads: int) -> dict[str, Tally]:
    """Makes `each` calls of each kind over the line, then compares with the server."""
    with AutonomiClient(plane.base_url, plane.TOKEN) as direct:
        project = direct.create_project("bad line").id
        ended = [direct.create_run(project, "to-replay").id for _ in range(each)]
        for run in ended:
            direct.cancel_run(run)
        running = [direct.create_run(project, "to-cancel").id for _ in range(each)]
        keys = [direct.create_api_key(f"line-{line_url}-{n}")["id"] for n in range(each)]
        told: dict[tuple[str, object], str] = {}
        local = threading.local()
        clients = []

        def client() -> AutonomiClient:
            # A few clients, each used by several calls one after the other: connections get reused.
            if not hasattr(local, "client"):
                local.client = AutonomiClient(line_url, plane.TOKEN, timeout=0.5)
                clients.append(local.client)
            return local.client

        def one(kind: str, n: int) -> None:
            if kind == "create":
                name = f"create-{n}"
                told[kind, name] = _attempt(lambda: client().create_run(project, name))
            elif kind == "rotate":
                told[kind, keys[n]] = _attempt(lambda: client().rotate_api_key(keys[n]))
            elif kind == "replay":
                told[kind, ended[n]] = _attempt(lambda: client().replay_run(ended[n]))
            else:
                told[kind, running[n]] = _attempt(lambda: client().cancel_run(running[n]))

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, KINDS * each, [n for n in range(each) for _ in KINDS]))
        for made in clients:
            made.close()

        runs = _all_runs(direct, project)
        counts = {
            "create": Counter(run.trigger for run in runs),
            "rotate": Counter(key.rotating_from for key in direct.list_api_keys()),
            "replay": Counter(run.parent_run_id for run in runs),
            "cancel": Counter(run.id for run in runs if run.status == "cancelled"),
        }
    tallies = {kind: Tally() for kind in KINDS}
    for (kind, name), outcome in told.items():
        tallies[kind].add(str(name), outcome, counts[kind][name])
    return tallies
