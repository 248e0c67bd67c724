"""Mistakes that mypy --strict has to find: each marked line, and no other."""

from __future__ import annotations

from loki_mode_sdk import (
    AsyncAutonomiClient,
    AsyncTaskManager,
    AutonomiClient,
    EventStream,
    Project,
    TaskManager,
    webhooks,
)

client = AutonomiClient()
AutonomiClient(timeout="30")  # error
AutonomiClient("http://localhost", "token", 30.0, 2)  # error
client.get_project([1])  # error
client.get_project()  # error
client.list_runs(limit="10")  # error
client.list_runs(colour="red")  # error
client.create_api_key("k", scopes="read")  # error
client.get_projects()  # error
name: int = client.get_project(1).name  # error
client.get_project(1).name = "x"  # error
length = len(client.get_project(1).description)  # error
TaskManager("client")  # error
EventStream(client).poll_events("run-1", since=5)  # error
Project()  # error
Project(1, colour="red")  # error
AutonomiClient(token=5)  # error
AutonomiClient(token=lambda name: "x")  # error
AutonomiClient(headers=[("a", "b")])  # error
AutonomiClient(path_style="v3")  # error
AutonomiClient.from_env(path_style="v3")  # error
client.with_options(base_url="http://elsewhere")  # error
client.set_token(5)  # error
client.get_project(1, headers={"a": 1})  # error
runs: int = client.raw.list_runs()  # error
colour = client.raw.get_project(1).data.colour  # error
client.raw.get_project()  # error
AutonomiClient.from_env(timeout="30")  # error
AutonomiClient.from_env(colour="red")  # error
client.query_audit(5)  # error
started: str = client.get_run(1).started_at_dt  # error
webhooks.verify({}, {}, "a")  # error
webhooks.parse([])  # error
webhooks.sign(b"", "a", scheme="stripe")  # error
webhooks.unwrap(b"", {}, 5)  # error
gate = webhooks.parse(b"{}").gate  # error
client.iter_runs(7, limit=5)  # error
client.iter_runs(7, page_size="5")  # error
number: int = next(client.iter_runs(7))  # error
client.raw.iter_runs(7)  # error
client.wait_for_run(7, timeout="1")  # error
client.rotate_and_store("ci", "token.txt")  # error
key_colour = client.rotate_api_key("ci").colour  # error
client.raw.wait_for_run(7)  # error


async def token() -> str:
    return "x"


async def for_asyncio(of_asyncio: AsyncAutonomiClient) -> None:
    AutonomiClient(token=token)  # error
    client.set_token(token)  # error
    AsyncAutonomiClient(token=5)  # error
    AsyncAutonomiClient("http://localhost", "token", 30.0, 2)  # error
    print(of_asyncio.get_project(1).name)  # error
    number: int = (await of_asyncio.get_project(1)).name  # error
    print(number)
    await of_asyncio.list_runs(limit="10")  # error
    await of_asyncio.iter_runs(7)  # error
    for _ in of_asyncio.iter_runs(7):  # error
        pass
    with of_asyncio.temporary_api_key("ci"):  # error
        pass
    await of_asyncio.raw.get_project()  # error
    TaskManager(of_asyncio)  # error
    AsyncTaskManager(client)  # error
    of_asyncio.with_options(base_url="http://elsewhere")  # error
    with of_asyncio:  # error
        pass
