"""A server with a list of runs, and every habit that servers have with lists."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class ListServer:
    """Answers `GET /api/runs` with `rows`, newest first; it is changed by setting its attributes.

    Attributes:
        rows: The ids.
        asked: The queries that arrived.
        ignores: `limit`, `offset`, or both: what it takes no notice of.
        cap: It never gives more rows than these.
        meanwhile: Is called with the number of each request, from 1, before it is answered. What it returns is the
            answer: a status and a JSON value; None for the rows.
        answers: Cleared, it holds back all answers.
    """

    def __init__(self, rows: list[int]) -> None:
        self.rows, self.ignores, self.cap = rows, set[str](), 10**9
        self.asked: list[dict[str, str]] = []
        self.meanwhile: Callable[[int], tuple[int, object] | None] = lambda number: None
        self.answers = threading.Event()
        self.answers.set()
        self._lock = threading.Lock()

    def __enter__(self) -> ListServer:
        plane = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                with plane._lock:
                    status, value = plane._answer(dict(parse_qsl(urlsplit(self.path).query)))
                plane.answers.wait(60)
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                try:
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    # Whoever asked has given up.
                    self.close_connection = True

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

    def _answer(self, query: dict[str, str]) -> tuple[int, object]:
        self.asked.append(query)
        answer = self.meanwhile(len(self.asked))
        if answer is not None:
            return answer
        limit = min(self.cap, 10**9 if "limit" in self.ignores else int(query.get("limit", 50)))
        offset = 0 if "offset" in self.ignores else int(query.get("offset", 0))
        return 200, [{"id": number, "status": "running"} for number in self.rows[offset : offset + limit]]
