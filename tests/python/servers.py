"""Starts the servers of this repository for tests and talks to them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def binary(name: str) -> str:
    """The path of a program of this repository."""
    given = os.environ.get(name.upper().replace("-", "_"))
    candidates = [Path(given)] if given else [ROOT / "target" / p / name for p in ("debug", "release")]
    for candidate in candidates:
        if candidate.exists():
            return str(candidate)
    raise FileNotFoundError(f"{name} is not built (looked for {candidates}); run `make servers`")


def wait_for_line(server: subprocess.Popen, log: Path, pattern: str) -> str:
    """What the first group of the pattern finds in the log of a server that is starting."""
    while True:
        text = log.read_text()
        found = re.search(pattern, text)
        if found:
            return found.group(1)
        assert server.poll() is None, text
        threading.Event().wait(0.05)


class FaultServer:
    """`loki-fault-server`: gives scripted answers and records what was asked."""

    def __enter__(self) -> FaultServer:
        self._process = subprocess.Popen(
            [binary("loki-fault-server")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, **command: object) -> dict:
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer

    def serve(self, replies: list[dict]) -> str:
        return self._ask(serve=replies)["base_url"]

    def serve_tls(self, replies: list[dict], variant: str = "valid") -> dict:
        """The base URL, and the paths of `ca_file`, `client_cert_file` and `client_key_file`."""
        return self._ask(serve=replies, tls=variant)

    def proxy(self, hosts: dict[str, str], credentials: str | None = None) -> str:
        """The URL of an HTTP proxy; what it `recorded` goes by the name `proxy`."""
        setup = {"hosts": hosts, **({"credentials": credentials} if credentials else {})}
        return self._ask(http_proxy=setup, name="proxy")["proxy_url"]

    def refuse(self) -> str:
        return self._ask(refuse=True)["base_url"]

    def recorded(self, **name: str) -> dict:
        return self._ask(recorded=True, **name)


class ControlPlane:
    """`loki-control-plane` in memory, with something in it; further options as on its command line."""

    TOKEN = "loki_test_admin_token"

    def __init__(self, profile: str, *options: str) -> None:
        self.profile, self.options, self.port = profile, options, "0"

    def __enter__(self) -> ControlPlane:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._end()

    def start(self) -> None:
        """Starts it; the second time, on the same port."""
        command = [binary("loki-control-plane"), "--port", self.port, "--seed"]
        command += ["--token", self.TOKEN, "--profile", self.profile, *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        self.base_url = self._process.stdout.readline().strip()
        assert self.base_url.startswith("http://"), f"{command} said {self.base_url!r}"
        self.port = self.base_url.rsplit(":", 1)[1]

    def kill(self) -> None:
        """Ends it without a warning."""
        self._process.kill()
        self._end()

    def _end(self) -> None:
        self._process.wait(10)
        self._process.stdout.close()


class EchoServer:
    """`echo_server.py`: answers with the id that was asked for, and counts its connections."""

    def __enter__(self) -> EchoServer:
        command = [sys.executable, str(Path(__file__).with_name("echo_server.py"))]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        self.base_url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
