"""The servers that the tests call, as fixtures."""

from __future__ import annotations

import gc
import os
import socket
import threading

import pytest
from hypothesis import HealthCheck, settings

from async_support import Clients, Complaints
from following import QUICK, add
from loki_mode_sdk import AutonomiClient, EventStream
from plane import Plane
from servers import ControlPlane, FaultServer

# No time is measured: the machine may be busy. Cases are the same in every run, so that a red one can be repeated; the
# long tests draw others, and more.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("same", CALM, derandomize=True)
settings.register_profile("soak", CALM, max_examples=500)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in list(os.environ):
        if name.startswith("LOKI_") and name not in ("LOKI_FAULT_SERVER", "LOKI_CONTROL_PLANE"):
            monkeypatch.delenv(name)
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def fault_server():
    with FaultServer() as server:
        yield server


@pytest.fixture
def client_of(fault_server):
    """Makes clients of a server that gives the replies it is told to give."""
    clients = []

    def make(*replies, **options):
        client = AutonomiClient(fault_server.serve(list(replies)), **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def async_client_of(fault_server):
    """The same for asyncio."""
    clients = Clients(fault_server)
    yield clients
    clients.close()


@pytest.fixture
def loops():
    """Runs coroutines on loops that must not have anything to complain about."""
    complaints = Complaints()
    yield complaints
    gc.collect()
    assert complaints.heard == []


@pytest.fixture(scope="session", params=["guide", "v5.51", "v9.22"])
def control_plane(request):
    """A fresh local control plane with something in it, for each profile."""
    with ControlPlane(request.param) as server:
        yield server


@pytest.fixture
def client(control_plane):
    """A client of the local control plane, for each profile."""
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        yield client


@pytest.fixture
def run(client):
    """A run that goes on, with three events."""
    run = client.create_run(client.list_projects()[0].id)
    add(client, run, 3)
    return run


@pytest.fixture
def plane():
    """A server with runs whose events a test adds."""
    with Plane() as plane:
        yield plane


@pytest.fixture
def followed(plane):
    """Follows the run of the plane."""
    with AutonomiClient(plane.base_url, path_style="guide", timeout=5) as client:
        yield lambda **options: EventStream(client).follow(7, **{"poll_interval": QUICK, **options})


@pytest.fixture
def raw_server():
    """Serves connections with bytes as they stand, one answer for each connection."""
    servers = []

    def make(*answers):
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve():
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    while b"\r\n\r\n" not in connection.recv(65536):
                        pass
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield make
    for server in servers:
        server.close()
