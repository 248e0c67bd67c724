"""Mistakes that mypy --strict has to find: each marked line, and no other."""

from __future__ import annotations

from loki_mode_sdk import AutonomiClient, EventStream, Project, TaskManager

client = AutonomiClient()
AutonomiClient(timeout="30")  # error: arg-type
AutonomiClient("http://localhost", "token", 30.0, 2)  # error: call-arg
client.get_project([1])  # error: arg-type
client.get_project()  # error: call-arg
client.list_runs(limit="10")  # error: arg-type
client.list_runs(colour="red")  # error: call-arg
client.create_api_key("k", scopes="read")  # error: arg-type
client.get_projects()  # error: attr-defined
name: int = client.get_project(1).name  # error: assignment
client.get_project(1).name = "x"  # error: misc
length = len(client.get_project(1).description)  # error: arg-type
TaskManager("client")  # error: arg-type
EventStream(client).poll_events("run-1", since=5)  # error: arg-type
Project()  # error: call-arg
Project(1, colour="red")  # error: call-arg
