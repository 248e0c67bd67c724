"""A server that costs next to nothing: its answers are made before they are asked for.

`/api/events` sends live events as fast as they are taken, and `/api/runs/N/timeline` a timeline of N events, the same
one each time, as real servers do. The first line on stdout is the base URL.
"""

import json
import socketserver

LIVE_EVENTS = 100_000
TIMELINES = (100, 10_000, 100_000)


def live_event(number):
    event = {
        "id": f"evt_{number}_1795301856149",
        "type": "task:completed",
        "timestamp": "2026-11-21T22:57:36.149Z",
        "sessionId": "session-1",
        "data": {"taskId": f"t{number}", "title": "Implement auth module", "status": "completed", "output": None},
    }
    text = json.dumps(event, separators=(",", ":"))
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {text}\n\n".encode()


def run_event(number):
    minutes, seconds = divmod(number // 30, 60)
    time = f"2026-11-21T{minutes // 60 % 24:02}:{minutes % 60:02}:{seconds:02}"
    details = {"step": number}
    return {"id": number, "run_id": 1, "event_type": "step", "phase": "ACT", "details": details, "timestamp": time}


def answer(body, kind="application/json"):
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def timeline(count):
    events = [run_event(number) for number in range(1, count + 1)]
    body = {"run_id": count, "events": events, "duration_seconds": None}
    return answer(json.dumps(body, separators=(",", ":")).encode())


HOSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: connected\n\n" + b"".join(
    live_event(number) for number in range(1, LIVE_EVENTS + 1)
)
ANSWERS = {f"/api/runs/{count}/timeline": timeline(count) for count in TIMELINES}
ANSWERS |= {f"/api/runs/{count}": answer(b'{"id":1,"project_id":1,"status":"running"}') for count in TIMELINES}


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        while line := self.rfile.readline():
            path = line.split()[1].decode().partition("?")[0]
            while self.rfile.readline().strip():
                pass
            if path == "/api/events":
                self.wfile.write(HOSE)
                # Who has had enough hangs up.
                self.rfile.read(1)
                return
            self.wfile.write(ANSWERS[path])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def handle_error(self, request, client_address):
        """Those who hang up in the middle are expected."""


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
