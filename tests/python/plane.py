"""A server with runs whose events a test adds, also such that no server should have."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def event(number: int, **fields) -> dict:
    return {
        "id": number,
        "run_id": 7,
        "event_type": "x",
        "phase": "ACT",
        "details": {"n": number},
        "timestamp": "2026-11-21T22:50:49",
        **fields,
    }


class Plane:
    """Answers the timeline and the state of any run: all of them are the same."""

    def __init__(self) -> None:
        self.events, self.status = [], "running"
        self.requests = 0
        self.connections = 0
        # Clear, it holds back all answers.
        self.answers = threading.Event()
        self.answers.set()

    def __enter__(self) -> Plane:
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # What stands in the second packet is not to wait until the other side has confirmed the first.
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                plane.connections += 1

            def do_GET(self) -> None:
                plane.requests += 1
                plane.answers.wait(60)
                body = json.dumps(plane.answer(self.path.split("?")[0])).encode()
                # Whoever asked may have gone.
                with contextlib.suppress(ConnectionError):
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> object:
        run_id = path.split("/")[3]
        if path.endswith("/timeline"):
            return [{**event, "run_id": int(run_id)} for event in self.events]
        return {"id": int(run_id), "status": self.status}

    def add(self, *numbers: int, **fields) -> None:
        self.events = self.events + [event(number, **fields) for number in numbers]
