"""A server that keeps callers waiting at a place of the test's choice, and notes who leaves."""

from __future__ import annotations

import select
import socket
import threading

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'
# How long an end may take: to run out of it is a failure, not a wait.
PATIENCE = 60


class SilentServer:
    """Accepts, reads and answers only as far as it is told to.

    Args:
        accepts: Whether connections are accepted; if not, the queue for them is full.
        reads: Whether what they send is read.
    """

    def __init__(self, *, accepts: bool = True, reads: bool = True) -> None:
        self.came = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        # What was read of each connection that has left.
        self.read_of: list[int] = []
        self._accepts, self._reads, self._answers = threading.Event(), threading.Event(), threading.Event()
        for event, is_set in ((self._accepts, accepts), (self._reads, reads)):
            if is_set:
                event.set()

    def __enter__(self) -> SilentServer:
        self._server = socket.socket()
        # So that what is not read soon fills it.
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        self._server.bind(("127.0.0.1", 0))
        # Of a queue of none, Linux makes one of one.
        self._server.listen(256 if self._accepts.is_set() else 0)
        self.port = self._server.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._in_queue = [] if self._accepts.is_set() else self._fill()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._accepts.set()
        self._reads.set()
        # What still waits for a connection gets one, which is the end of that.
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._server.close()
        for connection in self._in_queue:
            connection.close()

    def answer(self) -> None:
        """From now on it accepts, reads and answers like any other."""
        for event in (self._answers, self._accepts, self._reads):
            event.set()

    def read(self) -> None:
        """From now on it reads."""
        self._reads.set()

    def _fill(self) -> list[socket.socket]:
        waiting = []
        while True:
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", self.port))
            if not select.select([], [connection], [], 0.2)[1]:
                connection.close()
                return waiting
            waiting.append(connection)

    def _accept(self) -> None:
        while True:
            self._accepts.wait()
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        count = 0
        with connection:
            self.came.release()
            self._reads.wait()
            try:
                while received := connection.recv(65536):
                    count += len(received)
                    if self._answers.is_set():
                        connection.sendall(ANSWER)
            except OSError:
                pass
        self.read_of.append(count)
        self.left.release()
