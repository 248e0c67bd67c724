"""A server that sends one live event on each connection, and then nothing until the other side leaves."""

from __future__ import annotations

import socket
import threading

GREETING = b"""HTTP/1.1 200 OK\r
content-type: text/event-stream\r
\r
id: evt_1\r
event: task:completed\r
data: {"id":"evt_1","type":"task:completed","timestamp":"2026-11-21T22:57:36.149Z","data":{"title":"a"}}\r
\r
"""


class LiveServer:
    """Counts who came and who left."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self.left = threading.Semaphore(0)

    def __enter__(self) -> LiveServer:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(GREETING)
            self.came.release()
            # The request, and then the end.
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        self.left.release()
