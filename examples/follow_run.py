"""Follows a run live: its events as they happen and, in a terminal, a line with phase, progress and time below them.

    python examples/follow_run.py [RUN_ID] [--cursor CURSOR]      without an id: the newest run that is still running

Ctrl-C says how to go on later where this one stopped. LOKI_BASE_URL and LOKI_API_TOKEN come from the environment.
"""

import argparse
import json
import os
import re
import shutil
import sys
import threading
from datetime import datetime, timezone

from loki_mode_sdk import AutonomiClient, AutonomiError, EventStream

PHASES = ("REASON", "ACT", "REFLECT", "VERIFY")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
BAR = 20
IS_TERMINAL = sys.stdout.isatty()
HAS_COLOURS = IS_TERMINAL and not os.environ.get("NO_COLOR")
BOLD, DIM, RED, GREEN, YELLOW, CYAN = 1, 2, 31, 32, 33, 36


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if HAS_COLOURS and code else text


def printable(text):
    """Text of a run may hold anything, also what moves the cursor."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)


def clock(duration):
    minutes, seconds = divmod(max(0, int(duration.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def described(details):
    if not details:
        return ""
    if isinstance(details.get("message"), str):
        return details["message"]
    return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in details.items())


class View:
    """What is known of the run, and the line that says so."""

    def __init__(self, run):
        self.run, self._phase = run, None
        self._done, self._iteration, self._count, self._turn = 0, 1, 0, 0
        self._lock, self._over = threading.Lock(), threading.Event()
        if IS_TERMINAL:
            threading.Thread(target=self._keep_drawing, daemon=True).start()

    def show(self, event):
        self._count += 1
        self._phase = event.phase or self._phase
        iteration = (event.details or {}).get("iteration")
        self._iteration = iteration if isinstance(iteration, int) else self._iteration
        if event.phase in PHASES:
            self._done = PHASES.index(event.phase) + (event.event_type == "phase_end")
        tone = RED if re.search("fail|error", event.event_type) else None
        tone = GREEN if re.search("completed|phase_end", event.event_type) else tone
        when = paint(DIM, event.timestamp_dt.astimezone().strftime("%H:%M:%S"))
        phase = paint(CYAN, printable(event.phase or "").ljust(8))
        kind = paint(tone, printable(event.event_type).ljust(14))
        self._print(f"{when}  {phase} {kind} {printable(described(event.details))}".rstrip())

    def end(self, line):
        self._over.set()
        self._print(line)

    @property
    def elapsed(self):
        return clock((self.run.ended_at_dt or datetime.now(timezone.utc)) - self.run.started_at_dt)

    @property
    def count(self):
        return f"{self._count} event{'' if self._count == 1 else 's'}"

    def _print(self, line):
        with self._lock:
            sys.stdout.write(f"{chr(13) + chr(27) + '[K' if IS_TERMINAL else ''}{line}\n")
            sys.stdout.flush()
        if IS_TERMINAL:
            self._draw()

    def _keep_drawing(self):
        while not self._over.wait(0.1):
            self._draw()

    def _draw(self):
        if self._over.is_set():
            return
        most = (self.run.config or {}).get("max_iterations")
        share, iteration = self._done / len(PHASES), f"iteration {self._iteration}"
        if isinstance(most, int) and most > 0:
            share = (self._iteration - 1 + share) / most
            iteration += f"/{most}"
        filled = round(min(1, share) * BAR)
        self._turn += 1
        # Shortened before it is coloured: a line that wraps cannot be written over.
        parts = (
            (YELLOW, SPINNER[self._turn % len(SPINNER)]),
            (BOLD, f"run {self.run.id}"),
            (CYAN, f"{printable(self._phase or 'waiting'):<8}"),
            (GREEN, "█" * filled + "░" * (BAR - filled)),
            (DIM, f"{iteration}  {self.count}  {self.elapsed}"),
        )
        # A terminal that nobody has given a size says 0.
        left, line = (shutil.get_terminal_size().columns or 80) - 1, []
        for tone, text in parts:
            shown = text[: max(0, left)]
            left -= len(shown) + 2
            line.append(paint(tone, shown))
        with self._lock:
            sys.stdout.write(f"\r\x1b[K{'  '.join(line).rstrip()}")
            sys.stdout.flush()


def newest_running(client):
    runs = client.list_runs(status="running", limit=1)
    if not runs:
        raise AutonomiError("no run is running; start one, or give a run id")
    return runs[0].id


def main():
    parser = argparse.ArgumentParser(description="Follows a run live.")
    parser.add_argument("run_id", nargs="?", help="default: the newest run that is still running")
    parser.add_argument("--cursor", help="where an earlier one stopped")
    given = parser.parse_args()
    with AutonomiClient.from_env() as client:
        run = client.get_run(given.run_id or newest_running(client))
        view = View(run)
        if not IS_TERMINAL:
            print(f"following run {run.id}", flush=True)
        with EventStream(client).follow(run.id, cursor=given.cursor, poll_interval=0.5) as events:
            try:
                for event in events:
                    view.show(event)
            except (KeyboardInterrupt, AutonomiError) as error:
                is_stopped = isinstance(error, KeyboardInterrupt)
                why = "stopped" if is_stopped else f"error: {error}"
                view.end(f"{why} after {view.count}; to go on from here:")
                print(f"  python examples/follow_run.py {run.id} --cursor {events.cursor}")
                return 130 if is_stopped else 1
            view.run = client.get_run(run.id)
            status = paint(GREEN if events.status == "completed" else RED, events.status)
            view.end(f"run {run.id} {status} after {view.elapsed}, {view.count}")
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except AutonomiError as error:
        raise SystemExit(f"error: {error}") from None
    except BrokenPipeError:
        # Whoever reads the output has enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
