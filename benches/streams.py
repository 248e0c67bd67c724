"""The part of `make bench` about events: reading them, waiting for them, and what it costs when there are none."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import httpx
import httpx_sse
from firehose import LIVE_EVENTS, TIMELINES

from loki_mode_sdk import AutonomiClient, EventStream

HERE = Path(__file__).resolve().parent
FOLLOWED = 100
SECONDS = 20


@contextmanager
def firehose():
    server = subprocess.Popen([sys.executable, HERE / "firehose.py"], stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def rates(title, contenders, events, rounds=5):
    """Thousands of events a second, everybody in turn; ratios to the first."""
    samples = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, read in contenders.items():
            began = time.perf_counter()
            count = read()
            samples[name].append(count / (time.perf_counter() - began) / 1000)
            assert count == events, f"{name} read {count} of {events} events"
    print(f"\n{title}, thousands of events a second")
    ours = statistics.median(next(iter(samples.values())))
    for name, taken in samples.items():
        median = statistics.median(taken)
        print(f"  {name:<44}{median:>10.0f}{ours / median:>9.2f}x")


def live_events(url):
    def ours():
        with closing(AutonomiClient(url)) as client, closing(client.events()) as events:
            return sum(1 for _ in islice(events, LIVE_EVENTS))

    def theirs():
        with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", f"{url}/api/events") as source:
            return sum(1 for _ in islice((json.loads(sse.data) for sse in source.iter_sse()), LIVE_EVENTS))

    rates("Python: live events", {"client.events()": ours, "httpx-sse + json": theirs}, LIVE_EVENTS)


def timelines(url):
    count = TIMELINES[-1]

    def ours():
        with closing(AutonomiClient(url)) as client:
            return len(client.get_run_timeline(count))

    def theirs():
        return len(httpx.get(f"{url}/api/runs/{count}/timeline").json()["events"])

    rates("Python: a timeline", {"client.get_run_timeline()": ours, "httpx + json": theirs}, count)


def polls_without_news(url):
    """The CPU of a poll that finds nothing new, beside the guide's loop over httpx with a set of ids."""
    print(f"\nCPU of a poll with nothing new, µs\n  {'events':>10}{'poll_events':>14}{'httpx + json + set':>22}")
    with AutonomiClient(url) as client, httpx.Client() as other:
        for count in TIMELINES:
            stream = EventStream(client)
            assert len(stream.poll_events(count)) == count
            known = set()

            def ours(stream=stream, count=count):
                assert stream.poll_events(count) == []

            def theirs(known=known, count=count):
                events = other.get(f"{url}/api/runs/{count}/timeline").json()["events"]
                fresh = [event for event in events if event["id"] not in known]
                known.update(event["id"] for event in fresh)

            theirs()
            calls = max(5, 2000 // (count // 100))
            print(f"  {count:>10}{cpu_of(ours, calls):>14.0f}{cpu_of(theirs, calls):>22.0f}")


def cpu_of(call, calls):
    samples = []
    for _ in range(3):
        began = time.process_time()
        for _ in range(calls):
            call()
        samples.append((time.process_time() - began) / calls * 1e6)
    return statistics.median(samples)


def delays(base_url, token):
    """From the moment at which the server has taken an event to the one at which the program has it."""
    print("\nDelay from the server to the program, ms (median, largest of 20)")
    with AutonomiClient(base_url, token) as client:
        project = client.create_project("delays").id
        for interval in (2.0, 0.2):
            run = client.create_run(project).id
            follower = EventStream(client).follow(run, poll_interval=interval)
            told = delays_of(client, run, follower, pause=interval * 0.7)
            print(f"  {f'follow, poll_interval={interval}':<44}{statistics.median(told):>9.1f}{max(told):>9.1f}")
            follower.close()
        run = client.create_run(project).id
        with closing(client.events()) as events:
            told = delays_of(client, run, events, pause=0.05)
            print(f"  {'events (server-sent events)':<44}{statistics.median(told):>9.1f}{max(told):>9.1f}")


def delays_of(client, run, events, pause):
    taken = {}

    def write():
        time.sleep(0.5)
        for number in range(20):
            client.create_run_event(run, "log:info", details={"message": f"delay {run} {number}"})
            taken[f"delay {run} {number}"] = time.perf_counter()
            time.sleep(pause)

    writer = threading.Thread(target=write)
    writer.start()
    told = []
    for event in events:
        now = time.perf_counter()
        data = getattr(event, "details", None) or getattr(event, "data", None) or {}
        if str(data.get("message", "")).startswith(f"delay {run} "):
            # The answer to who wrote it may be behind the event.
            while data["message"] not in taken:
                time.sleep(0.0001)
            told.append(max(0.0, now - taken[data["message"]]) * 1000)
        if len(told) == 20:
            break
    writer.join()
    return told


def many_runs(base_url, token):
    """The CPU of a program that follows many quiet runs on one thread."""
    with AutonomiClient(base_url, token) as client:
        project = client.create_project("many").id
        runs = [client.create_run(project).id for _ in range(FOLLOWED)]
        follower = EventStream(client).follow_many(runs)
        for run in runs:
            client.create_run_event(run, "step")
        assert len(list(islice(follower, FOLLOWED))) == FOLLOWED
        timer = threading.Timer(SECONDS, follower.close)
        timer.start()
        began = time.process_time()
        assert list(follower) == []
        share = (time.process_time() - began) / SECONDS
    print(f"\n{FOLLOWED} quiet runs followed on one thread: {share:.1%} of one core")


def run(base_url, token):
    with firehose() as url:
        live_events(url)
        timelines(url)
        polls_without_news(url)
        env = {**os.environ, "FIREHOSE": url, "LIVE_EVENTS": str(LIVE_EVENTS), "TIMELINE": str(TIMELINES[-1])}
        subprocess.run(["node", "benches/node/streams.mjs"], cwd=HERE.parent, env=env, check=True)
    delays(base_url, token)
    many_runs(base_url, token)
