"""Ctrl-C, and the end of the interpreter, while calls wait."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from servers import EchoServer

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

CALL = """
import signal
import sys
from loki_mode_sdk import AutonomiClient
# A job that runs in the background of a shell has inherited that it ignores the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
client = AutonomiClient(sys.argv[1], timeout=100, connect_timeout=100)
try:
    print("calling", flush=True)
    client.get_status()
    print("returned", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(client.get_status(), flush=True)
"""


def start(base_url, script=CALL, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, base_url, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def interrupt(process, phase):
    """Sends Ctrl-C; the call has to end soon, which is ordinarily within 300 ms: `pytest -s` shows it."""
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    took = time.perf_counter() - began
    print(f"Ctrl-C, {phase}: {took * 1e3:.0f} ms")
    assert took < 1, phase


def finish(process):
    ending = threading.Timer(60, process.kill)
    ending.start()
    with process:
        try:
            process.stdin.close()
            # Not `communicate`: it passes by what has come together with the line that was read last.
            return process.stdout.read(), process.stderr.read(), process.wait()
        finally:
            ending.cancel()
            process.kill()


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("waiting", {"faults": {"hold": True}}),
        ("head", {"json": {}, "faults": {"half_open": 20}}),
        ("body", {"json": {"pad": "x" * 100}, "faults": {"half_open": True}}),
        ("drip", {"json": {"pad": "x" * 10_000}, "faults": {"drip_ms": 50}}),
        ("retry wait", {"status": 503, "json": {}, "headers": {"retry-after": "90"}}),
    ],
)
def test_ctrl_c_ends_the_call_and_leaves_the_client_usable(fault_server, phase, reply):
    process = start(fault_server.serve([reply, {"json": {"ok": True}}]))
    assert process.stdout.readline() == "calling\n"
    while not fault_server.recorded()["requests"]:
        time.sleep(0.02)
    # Into the wait that the name of the case tells.
    time.sleep(0.3)
    interrupt(process, phase)
    assert finish(process) == ("{'ok': True}\n", "", 0)


CROWDED = """
import signal, sys, threading
from loki_mode_sdk import AutonomiClient
signal.signal(signal.SIGINT, signal.default_int_handler)
client = AutonomiClient(sys.argv[1], timeout=100, max_connections=1)
threading.Thread(target=client.get_status, daemon=True).start()
sys.stdin.readline()
print("calling", flush=True)
try:
    client.get_status()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_while_all_connections_are_in_use(fault_server):
    process = start(fault_server.serve([{"faults": {"hold": True}}]), CROWDED)
    while not fault_server.recorded()["requests"]:
        time.sleep(0.02)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "calling\n"
    time.sleep(0.3)
    interrupt(process, "waiting for a connection")
    assert finish(process) == ("", "", 0)


PROVIDED = """
import signal, sys, time
from loki_mode_sdk import AutonomiClient
signal.signal(signal.SIGINT, signal.default_int_handler)

def provider():
    print("calling", flush=True)
    time.sleep(100)

try:
    AutonomiClient(sys.argv[1], provider, timeout=100).get_status()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_while_a_token_is_fetched(fault_server):
    process = start(fault_server.serve([]), PROVIDED)
    assert process.stdout.readline() == "calling\n"
    time.sleep(0.1)
    interrupt(process, "in the token provider")
    assert finish(process) == ("", "", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="what a full backlog does differs")
def test_ctrl_c_while_connecting():
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = server.getsockname()
    # The system drops what comes while the backlog is full.
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(address)
    process = start(f"http://127.0.0.1:{address[1]}")
    try:
        assert process.stdout.readline() == "calling\n"
        time.sleep(0.5)
        interrupt(process, "connecting")
    except BaseException:
        process.kill()
        raise
    finally:
        for filler in fillers:
            filler.close()
    threading.Thread(target=answer_all, args=(server,), daemon=True).start()
    try:
        assert finish(process) == ("{}\n", "", 0)
    finally:
        server.close()


def answer_all(server):
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            # The fillers have left without a word.
            if connection.recv(65536):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


EXIT = """
import logging, sys, threading, time
from loki_mode_sdk import AutonomiClient, ConfigError

base_url, what = sys.argv[1:]
client = AutonomiClient(base_url, timeout=100)
if what == "logging":
    logging.basicConfig(level=logging.DEBUG, filename="/dev/null")
if what == "provider":
    client.set_token(lambda: time.sleep(0.01) or "x")
began = threading.Semaphore(0)

def work():
    while True:
        began.release()
        if what == "errors":
            try:
                client.get_status(timeout=-1)
            except ConfigError:
                continue
        client.get_status()

for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
for _ in range(8 if what == "stuck" else 24):
    began.acquire()
print("leaving", flush=True)
"""


@pytest.mark.parametrize("what", ["calls", "logging", "provider", "errors"])
def test_the_interpreter_ends_while_threads_come_back_to_it(what):
    with EchoServer() as server:
        for _ in range(5):
            assert finish(start(server.base_url, EXIT, what)) == ("leaving\n", "", 0)


def test_the_interpreter_ends_amid_calls_that_get_no_answer(fault_server):
    base_url = fault_server.serve([{"faults": {"hold": True}, "repeat": 8}])
    assert finish(start(base_url, EXIT, "stuck")) == ("leaving\n", "", 0)
