"""Model classes behave like frozen dataclasses and lose nothing."""

from __future__ import annotations

import copy
import datetime
import gc
import inspect
import json
import pickle
import subprocess
import sys
import weakref

import pytest

import loki_mode_sdk
from loki_mode_sdk import (
    AuditEntry,
    AutonomiClient,
    LiveEvent,
    Project,
    Run,
    RunEvent,
    SessionStatus,
    StartedSession,
    Task,
)
from loki_mode_sdk.generated import models

CLASSES = [getattr(models, name) for name in models.__all__]
RUN = {
    "id": 2**70,
    "project_id": "proj-1",
    "status": "a state that nobody knows",
    "trigger": "api",
    "config": {"model": "x", "retries": 2, "nested": [1, 1.0, None, {"deep": True}]},
    "ended_at": None,
    "result_summary": [1, 2],
    "events": [{"id": 1, "run_id": 2**70, "details": {"a": 1}, "new_field": "kept"}],
    "new_object": {"list": [1, {"x": 2**80}]},
}


@pytest.fixture
def run():
    return Run.from_dict(RUN)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_can_be_made_copied_compared_and_pickled(cls):
    names = cls.__match_args__
    positional = cls(*range(len(names)))
    keyword = cls(**{name: index for index, name in enumerate(names)})
    assert positional == keyword
    assert hash(positional) == hash(keyword)
    assert [getattr(positional, name) for name in names] == list(range(len(names)))
    assert list(positional.to_dict().values()) == list(range(len(names)))
    if sys.version_info >= (3, 10):
        # CPython 3.9 keeps no signature for native classes that are made at run time.
        assert list(inspect.signature(cls).parameters) == list(names)
    assert copy.copy(positional) == copy.deepcopy(positional) == positional
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(positional, protocol))
        assert again == positional
        assert again.to_dict() == positional.to_dict()
    assert cls.__module__ == "loki_mode_sdk"
    assert getattr(loki_mode_sdk, cls.__name__) is cls
    assert cls.__doc__


def test_dicts_go_through_unchanged(run):
    assert run.to_dict() == RUN
    assert json.loads(json.dumps(run.to_dict())) == RUN
    assert isinstance(run.events[0], RunEvent)
    assert run.events[0].to_dict() == RUN["events"][0]
    assert type(run.to_dict()["config"]["nested"][1]) is float
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(run, protocol)).to_dict() == RUN
    assert copy.deepcopy(run).to_dict() == RUN


def test_attributes_are_in_snake_case_and_dicts_as_on_the_wire():
    sent = {
        "id": "evt_1_2",
        "type": "task:created",
        "timestamp": "2026-11-21T22:57:36.149Z",
        "sessionId": "s-1",
        "data": {"taskId": "t1"},
        "newField": 1,
    }
    event = LiveEvent.from_dict(sent)
    assert event.session_id == "s-1"
    assert event.to_dict() == sent
    assert LiveEvent(id="evt_1_2", type="task:created", session_id="s-1").to_dict() == {
        "id": "evt_1_2",
        "type": "task:created",
        "sessionId": "s-1",
    }
    assert event.__replace__(session_id="s-2").to_dict() == {**sent, "sessionId": "s-2"}
    assert "session_id='s-1'" in repr(event)
    with pytest.raises(TypeError, match="LiveEvent has no field sessionId"):
        event.__replace__(sessionId="s-2")
    with pytest.raises(ValueError, match="sessionId is missing"):
        StartedSession.from_dict({"session_id": "s-1"})
    status = SessionStatus.from_dict({"session": {"id": "s-1", "startedAt": "now"}, "tasks": {"total": 1}})
    assert (status.session.started_at, status.tasks.total) == ("now", 1)
    assert status.to_dict()["session"] == {"id": "s-1", "startedAt": "now"}


def test_null_and_missing_are_told_apart_only_by_to_dict():
    null, missing = Project.from_dict({"id": 1, "description": None}), Project.from_dict({"id": 1})
    assert null.description is missing.description is None
    assert null == missing
    assert "description" in null.to_dict()
    assert "description" not in missing.to_dict()


def test_nothing_that_to_dict_returns_is_shared(run):
    run.to_dict()["new_object"]["list"].append(1)
    run.to_dict()["config"]["nested"].clear()
    assert run.to_dict() == RUN
    copied = copy.deepcopy(run)
    copied.config["model"] = "changed"
    assert run.config["model"] == "x"


def test_fields_cannot_be_set():
    project = Project(1, "alpha")
    frozen = r"^Project\.name cannot be changed: models are frozen\. `__replace__\(name=\.\.\.\)`"
    with pytest.raises(AttributeError, match=frozen):
        project.name = "beta"
    with pytest.raises(AttributeError, match=frozen):
        del project.name
    with pytest.raises(AttributeError, match=r"^Project has no field other"):
        project.other = 1
    assert project == Project(1, "alpha")


def test_constructors_know_their_fields():
    with pytest.raises(TypeError, match="id"):
        Project()
    with pytest.raises(TypeError, match="colour"):
        Project(1, colour="red")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="CPython 3.9 keeps no signature to learn from what is required")
@pytest.mark.parametrize("cls", CLASSES)
def test_a_required_field_is_not_none(cls):
    names = cls.__match_args__
    with pytest.raises(TypeError):
        cls(*[None] * (len(names) + 1))
    required = [name for name in names if f"{name}=None" not in str(cls.__text_signature__)]
    for name in required:
        with pytest.raises(TypeError, match=f"{cls.__name__}: {name} must not be None"):
            cls(**{**dict.fromkeys(required, "x"), name: None})


def test_places_are_named_however_deep():
    with pytest.raises(TypeError, match=r"^Run\.from_dict: events\[1\]\.id must be int or str, not list$"):
        Run.from_dict({"id": 1, "events": [{"id": 1}, {"id": []}]})
    with pytest.raises(ValueError, match=r"^Run\.from_dict: events\[0\]\.id is missing$"):
        Run.from_dict({"id": 1, "events": [{}]})
    with pytest.raises(TypeError, match=r"^Run\.from_dict: events\[0\] must be dict, not NoneType$"):
        Run.from_dict({"id": 1, "events": [None]})
    with pytest.raises(TypeError, match=r"^Run\.from_dict: id must be int or str, not bool$"):
        Run.from_dict({"id": True})
    with pytest.raises(TypeError, match=r"^SessionStatus\.from_dict: session must be dict, not str$"):
        SessionStatus.from_dict({"session": "s-1"})


def test_what_a_constructor_took_can_be_copied_and_pickled():
    # It looks at no types, as those of dataclasses do not.
    task = Task(id=(1, 2), title=datetime.date(2026, 11, 21))
    for again in (copy.deepcopy(task), pickle.loads(pickle.dumps(task)), task.__replace__(status="done")):
        assert (again.id, again.title) == (task.id, task.title)


def test_pickles_are_read_by_another_process(run):
    program = "import pickle, sys; print(repr(pickle.load(sys.stdin.buffer)), flush=True)"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        done = subprocess.run(
            [sys.executable, "-c", program], input=pickle.dumps(run, protocol), stdout=subprocess.PIPE, check=True
        )
        assert done.stdout.decode().strip() == repr(run)


def test_models_can_be_referred_to_weakly():
    project = Project(1)
    known = weakref.WeakValueDictionary({1: project})
    assert known[1] is project
    del project
    gc.collect()
    assert dict(known) == {}


def test_numbers_are_equal_as_in_python_and_kept_as_sent():
    assert Project(1) == Project(1.0) == Project(True)
    assert hash(Project(1)) == hash(Project(1.0))
    for number in (1, 1.0, 2**63, -(2**64), 2**200, 1e300):
        assert repr(Project.from_dict({"id": 1, "n": number}).to_dict()["n"]) == repr(number)


def test_equality_looks_at_every_field():
    assert Project(1, "a") == Project(1, "a")
    assert Project(1, "a") != Project(1, "b")
    assert Project(1, "a") != Project("1", "a")
    assert Project.from_dict({"id": 1, "x": 1}) != Project.from_dict({"id": 1, "x": 2})
    assert Project.from_dict({"id": 1, "x": 1}) != Project(1)
    assert Project(1) != Task(1)
    assert Project(1) != 1
    assert len({Project(1, "a"), Project(1, "a"), Project(1, "b")}) == 2


def test_models_with_dicts_can_be_hashed(run):
    assert {run: 1}[Run.from_dict(RUN)] == 1


def test_repr_is_short():
    assert repr(Project(7, "alpha")) == "Project(id=7, name='alpha')"
    assert len(repr(Project(7, "a" * 10_000))) < 200
    assert "new_object" not in repr(Run.from_dict(RUN))


@pytest.mark.skipif(sys.version_info < (3, 10), reason="no match statement before 3.10")
def test_match_statement():
    scope = {"Project": Project, "project": Project(7, "alpha")}
    exec("match project:\n case Project(number, name): found = number, name", scope)
    assert scope["found"] == (7, "alpha")


@pytest.mark.skipif(not hasattr(copy, "replace"), reason="no copy.replace before 3.13")
def test_replace(run):
    changed = copy.replace(run, status="completed")
    assert (changed.status, changed.config, run.status) == ("completed", run.config, RUN["status"])
    with pytest.raises(TypeError, match="colour"):
        copy.replace(run, colour="red")


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_from_dict_wants_a_dict(data):
    with pytest.raises(TypeError, match="from_dict"):
        Project.from_dict(data)


def test_from_dict_wants_required_fields():
    with pytest.raises(ValueError, match="id"):
        Project.from_dict({"name": "x"})
    with pytest.raises(TypeError, match="str"):
        Project.from_dict({"id": 1, 2: 3})


def test_a_dict_that_holds_itself_is_an_error_and_not_a_crash():
    loop: dict = {}
    loop["loop"] = loop
    with pytest.raises(RecursionError):
        Project.from_dict({"id": 1, "extra": loop})
    with pytest.raises(RecursionError):
        Run(1, config=loop).to_dict()


def test_an_instance_that_holds_itself_is_an_error_and_not_a_crash():
    events: list = []
    run = Run(1, events=events)
    events += [run, run, run]
    for use in (Run.to_dict, pickle.dumps, copy.deepcopy):
        with pytest.raises(RecursionError, match="nested too deep"):
            use(run)
    assert repr(run) == "Run(id=1, events=[Run(...), Run(...), Run(...)])"
    assert repr(Run(2, config={"of": run})).startswith("Run(id=2, config={'of': Run(id=1, events=[Run(...), ")
    assert run == run
    assert copy.copy(run) is run
    # The counting ends with the error.
    assert Run.from_dict(Run(3, config={"x": [1]}).to_dict()).config == {"x": [1]}


def test_instances_nested_in_instances_are_counted_too():
    run = Run(0)
    for _ in range(5000):
        run = Run(1, config={"of": run})
    with pytest.raises(RecursionError, match="nested too deep"):
        run.to_dict()
    assert len(repr(run)) < 100
    while run.config:
        # From the outside, so that its end is not nested either.
        run = run.config["of"]


def test_a_key_without_utf_8_is_kept():
    data = {"id": 1, "half \ud800": "\udfff"}
    assert Run.from_dict(data).to_dict() == data
    assert pickle.loads(pickle.dumps(Run.from_dict(data))).to_dict() == data


def test_cycles_through_models_are_collected():
    class Marker:
        pass

    marker = Marker()
    details = {"marker": marker}
    details["entry"] = AuditEntry("t", "a", details=details)
    alive = weakref.ref(marker)
    del marker, details
    gc.collect()
    assert alive() is None


def test_instances_without_containers_are_no_work_for_the_collector(client_of):
    rows = [
        {"timestamp": "t", "action": "a", "success": True},
        {"timestamp": "t", "action": "a", "details": {"x": [1]}},
    ]
    entries = client_of({"json": rows}).query_audit()
    assert [gc.is_tracked(entry) for entry in entries] == [False, True]


def test_repeated_strings_of_a_list_are_one_object(client_of):
    rows = [{"id": i, "status": "active", "created_at": f"2026-11-21T22:49:{i:02}"} for i in range(60)]
    projects = client_of({"json": rows}).list_projects()
    assert len({id(project.status) for project in projects}) == 1
    assert [project.to_dict() for project in projects] == rows


def test_decoding_keeps_numbers_and_order(client_of):
    text = '[{"id":1234567890123456789012,"z":[1.0,-0,1e2,0.1,18446744073709551615],"a":1}]'
    (project,) = client_of({"text": text, "headers": {"content-type": "application/json"}}).list_projects()
    assert project.id == 1234567890123456789012
    assert list(project.to_dict()) == ["id", "z", "a"]
    assert repr(project.to_dict()["z"]) == "[1.0, 0, 100.0, 0.1, 18446744073709551615]"


def test_unknown_keys_that_come_twice_keep_their_last_value(client_of):
    client = client_of({"text": '{"id":1,"x":1,"x":2}', "headers": {"content-type": "application/json"}})
    assert client.get_project(1).to_dict() == {"id": 1, "x": 2}


def test_what_real_servers_send_goes_every_way_unchanged(control_plane):
    with AutonomiClient(control_plane.base_url, control_plane.TOKEN) as client:
        found = [*client.list_runs(), *client.list_projects(), *client.list_tasks(), *client.list_api_keys()]
        found += [*client.query_audit(), *client.list_tenants(), client.get_run(found[0].id), client.get_health()]
    assert len({type(each) for each in found}) >= 6
    for each in found:
        sent = each.to_dict()
        assert json.loads(json.dumps(sent)) == sent
        for again in (type(each).from_dict(sent), pickle.loads(pickle.dumps(each)), copy.deepcopy(each)):
            assert again == each
            assert hash(again) == hash(each)
            assert again.to_dict() == sent
        assert control_plane.TOKEN not in repr(each)
        assert len(repr(each)) < 1500
