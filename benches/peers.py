"""The same two calls, made with what people use today."""

import http.client
import io
import json
import socket
from urllib.parse import urlsplit

import aiohttp
import httpx
import msgspec
import pycurl
import requests
import urllib3

from loki_mode_sdk import AsyncAutonomiClient, AutonomiClient


class RawSocket:
    """The least that a call can cost: one connection, one prepared request, no parsing beyond what is needed."""

    def __init__(self, base_url, token):
        parts = urlsplit(base_url)
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.head = (
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n\r\n".encode()
        )

    def get(self, path):
        self.socket.sendall(b"GET " + path.encode() + b" HTTP/1.1\r\n" + self.head)
        data = self.socket.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.socket.recv(65536)
        lowered = data[:end].lower()
        at = lowered.index(b"content-length:") + len(b"content-length:")
        stop = lowered.find(b"\r\n", at)
        length = int(lowered[at : stop if stop > 0 else None])
        body = data[end + 4 :]
        while len(body) < length:
            body += self.socket.recv(1 << 20)
        return json.loads(body)


class AuditRow(msgspec.Struct):
    timestamp: str
    action: str
    resource_type: str
    success: bool
    resource_id: "str | int | None" = None
    user_id: "str | int | None" = None
    token_id: "str | int | None" = None
    ip_address: "str | None" = None
    user_agent: "str | None" = None
    error: "str | None" = None
    details: "dict | None" = None


class Pycurl:
    def __init__(self, token):
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.HTTPHEADER, [f"Authorization: Bearer {token}"])
        self.decoder = msgspec.json.Decoder(list[AuditRow])

    def get(self, url):
        buffer = io.BytesIO()
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.WRITEDATA, buffer)
        self.curl.perform()
        return buffer.getvalue()


class Peers:
    """Contenders by name, each a function without arguments."""

    def __init__(self, base_url, token):
        self.base_url, self.token = base_url, token
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = AutonomiClient(base_url=base_url, token=token)

    def get_project(self, project_id):
        path = f"/api/projects/{project_id}"
        url = self.base_url + path
        raw = RawSocket(self.base_url, self.token)
        parts = urlsplit(self.base_url)
        stdlib = http.client.HTTPConnection(parts.hostname, parts.port)
        httpx_client = httpx.Client(headers=self.headers)
        session = requests.Session()
        session.headers.update(self.headers)
        pool = urllib3.PoolManager(headers=self.headers)
        curl = Pycurl(self.token)

        def with_stdlib():
            stdlib.request("GET", path, headers=self.headers)
            return json.loads(stdlib.getresponse().read())

        return {
            "raw socket": lambda: raw.get(path),
            "loki_mode_sdk": lambda: self.client.get_project(project_id),
            "http.client": with_stdlib,
            "httpx": lambda: httpx_client.get(url).json(),
            "requests": lambda: session.get(url).json(),
            "urllib3": lambda: json.loads(pool.request("GET", url).data),
            "pycurl": lambda: json.loads(curl.get(url)),
        }

    def query_audit(self, limit):
        url = f"{self.base_url}/api/audit?limit={limit}"
        curl = Pycurl(self.token)
        httpx_client = httpx.Client(headers=self.headers, timeout=60)
        return {
            "loki_mode_sdk": lambda: self.client.query_audit(limit=limit),
            "pycurl + msgspec": lambda: curl.decoder.decode(curl.get(url)),
            "httpx": lambda: httpx_client.get(url).json(),
        }


class AsyncPeers:
    """Contenders by name for asyncio, each a coroutine function without arguments; `in_flight` calls at a time."""

    def __init__(self, base_url, token, in_flight):
        self.base_url = base_url
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = AsyncAutonomiClient(base_url=base_url, token=token)
        limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight, keepalive_expiry=3)
        self.httpx = httpx.AsyncClient(headers=self.headers, limits=limits, timeout=60)
        self.in_flight = in_flight
        self.aiohttp = None

    def get_project(self, project_id):
        url = f"{self.base_url}/api/projects/{project_id}"

        async def with_aiohttp():
            if self.aiohttp is None:
                # Has to be made where a loop runs.
                connector = aiohttp.TCPConnector(limit=self.in_flight)
                self.aiohttp = aiohttp.ClientSession(headers=self.headers, connector=connector)
            async with self.aiohttp.get(url) as answer:
                return await answer.json()

        async def with_httpx():
            return (await self.httpx.get(url)).json()

        return {
            "loki_mode_sdk": lambda: self.client.get_project(project_id),
            "aiohttp": with_aiohttp,
            "httpx": with_httpx,
        }

    async def close(self):
        await self.client.aclose()
        await self.httpx.aclose()
        if self.aiohttp:
            await self.aiohttp.close()
