"""A server whose answers carry the id of their request, in a process of its own so that it does not share the GIL.

`/api/projects/{id}` answers with that id; any other path with how many connections were open at once, and how many
projects it has given. The token `expired` is refused.
"""

from __future__ import annotations

import json
import random
import selectors
import socket


def main() -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ)
    print(f"http://127.0.0.1:{server.getsockname()[1]}", flush=True)
    pending: dict[socket.socket, bytes] = {}
    peak = answers = 0
    while True:
        ready = selector.select()
        # Whose answers come in another order than their requests.
        random.shuffle(ready)
        for key, _ in ready:
            if key.fileobj is server:
                connection, _ = server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                pending[connection] = b""
                peak = max(peak, len(pending))
                continue
            connection = key.fileobj
            try:
                received = connection.recv(65536)
            except ConnectionError:
                received = b""
            if not received:
                selector.unregister(connection)
                connection.close()
                del pending[connection]
                continue
            request = pending[connection] + received
            pending[connection] = request if b"\r\n\r\n" not in request else b""
            if pending[connection]:
                continue
            path = request.split(b" ", 2)[1].decode()
            status = "200 OK"
            if b"bearer expired\r\n" in request.lower():
                status, body = "401 Unauthorized", {"detail": "expired"}
            elif path.startswith("/api/projects/"):
                number = int(path.rpartition("/")[2])
                answers += 1
                body = {"id": number, "name": f"project {number}"}
            else:
                body = {"peak": peak, "answers": answers}
            data = json.dumps(body).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)


if __name__ == "__main__":
    main()
