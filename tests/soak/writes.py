"""Writes under 1,000 random faults: none is doubled, none is lost without a word."""

from __future__ import annotations

from bad_line import Line, write_over
from servers import ControlPlane

FAULTS = 1000


def run() -> str:
    """Repeats rounds of writes, each with its own seed, until there were that many faults."""
    broken, lines = 0, []
    totals: dict[str, list[int]] = {}
    while broken < FAULTS:
        with ControlPlane("guide") as plane, Line() as line:
            url = line.to(plane.base_url, seed=1000 + broken, rate=0.4)
            for kind, tally in write_over(url, plane, each=100, threads=16).items():
                assert tally.wrong == [], f"{kind}: {tally.wrong}"
                counts = (tally.executed, tally.acknowledged, tally.maybe_executed, tally.not_executed)
                totals[kind] = [a + b for a, b in zip(totals.get(kind, [0] * 4), counts)]
            broken += line.broken()
    for kind, (executed, acknowledged, maybe, refused) in totals.items():
        lines.append(
            f"  {kind}: {executed} executed = {acknowledged} acknowledged + {executed - acknowledged} of {maybe} "
            f"reported as maybe executed; {refused} reported as not executed"
        )
    return "\n".join([f"{broken} faults", *lines])
