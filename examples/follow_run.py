"""Follows a run until it ends and prints each of its events once.

    python examples/follow_run.py [RUN_ID]      without an id: the newest run that is still running

The loop is the guide's: the stream remembers what it gave out, so passing the last timestamp neither
repeats nor loses events that share a second.
"""

import os
import sys
import time

from loki_mode_sdk import AutonomiClient, EventStream

BASE_URL = os.environ.get("LOKI_BASE_URL", "http://localhost:57374")
TOKEN = os.environ.get("LOKI_API_TOKEN")
POLL_INTERVAL = 0.5  # seconds
ENDED = {"completed", "failed", "cancelled"}


def newest_running_run(client):
    runs = client.list_runs(status="running", limit=1)
    if not runs:
        raise SystemExit("no run is running; start one, or give a run id")
    return runs[0].id


def follow(client, run_id):
    events = EventStream(client)
    last_timestamp = None
    while True:
        # The state is asked for before the events, so that nothing is missed between the two.
        status = client.get_run(run_id).status
        for event in events.poll_events(run_id, since=last_timestamp):
            print(f"  {event.timestamp}  [{event.event_type}] {event.phase or '-'}: {event.details or ''}")
            last_timestamp = event.timestamp
        if status in ENDED:
            return status
        time.sleep(POLL_INTERVAL)


def main():
    with AutonomiClient(base_url=BASE_URL, token=TOKEN) as client:
        run_id = sys.argv[1] if len(sys.argv) > 1 else newest_running_run(client)
        print(f"following run {run_id}", flush=True)
        print(f"run {run_id} {follow(client, run_id)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
