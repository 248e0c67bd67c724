"""Timestamps of servers as `datetime`, and `datetime` where a timestamp is to be given."""

from __future__ import annotations

import asyncio
import pickle
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loki_mode_sdk
from loki_mode_sdk import (
    AsyncAutonomiClient,
    AutonomiClient,
    ConfigError,
    EventStream,
    Project,
    RunEvent,
    parse_timestamp,
    webhooks,
)

UTC = timezone.utc
MOMENT = datetime(2026, 11, 21, 22, 50, 49, 642180, UTC)
FORMS = {
    "2026-11-21T22:49:47": datetime(2026, 11, 21, 22, 49, 47, tzinfo=UTC),
    "2026-11-21T22:50:49.642180": MOMENT,
    "2026-11-21T22:50:49.642180Z": MOMENT,
    "2026-11-21T22:50:49.642180+00:00": MOMENT,
    "2026-11-21T23:50:49.642180+01:00": MOMENT,
    "2026-11-21 22:50:49.642180": MOMENT,
    "2026-11-21T22:50:49.642180999Z": MOMENT,
    "2026-11-21T22:50:49.642180999999Z": MOMENT,
    "2026-11-21": datetime(2026, 11, 21, tzinfo=UTC),
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_a_timestamp(text):
    for moment in (parse_timestamp(text), Project(1, created_at=text).created_at_dt):
        assert moment == FORMS[text]
        assert moment.tzinfo is UTC
    assert Project(1, created_at=text).created_at == text


@pytest.mark.parametrize(
    "text", ["yesterday", "", "2026-02-30", "2026-11-21T25:00:00", "22:50:49", "1795301387", "0000-01-01"]
)
def test_what_is_no_timestamp_is_named(text):
    with pytest.raises(ValueError, match="not a timestamp") as caught:
        parse_timestamp(text)
    assert repr(text) in str(caught.value)
    with pytest.raises(ValueError, match=r"RunEvent\.timestamp is not a timestamp") as caught:
        _ = RunEvent(1, timestamp=text).timestamp_dt
    assert repr(text) in str(caught.value)


def test_what_is_no_text_is_none_either():
    for value in (5, None, MOMENT, b"2026-11-21"):
        with pytest.raises(TypeError, match="text must be str"):
            parse_timestamp(value)
    with pytest.raises(ValueError, match=r"Project\.created_at is not a timestamp: 5"):
        _ = Project(1, created_at=5).created_at_dt
    with pytest.raises(ValueError, match=r"x{50}…"):
        parse_timestamp("x" * 1000)


def test_every_timestamp_of_every_model_has_one():
    classes = [getattr(loki_mode_sdk, name) for name in loki_mode_sdk.generated.models.__all__]
    accessors = {f"{cls.__name__}.{name}" for cls in classes for name in dir(cls) if name.endswith("_dt")}
    assert {"Run.started_at_dt", "Run.ended_at_dt", "AuditEntry.timestamp_dt", "ApiKey.last_used_dt"} <= accessors
    for cls in classes:
        for name in dir(cls):
            if name.endswith(("_at", "timestamp", "last_used")):
                assert f"{cls.__name__}.{name}_dt" in accessors
                assert getattr(cls, f"{name}_dt").__doc__ == f"`{name}` as a datetime in UTC."
    assert "created_at_dt" not in Project.__match_args__


def test_it_is_read_from_the_field_and_cannot_be_set():
    project = Project(1)
    assert project.created_at_dt is None
    with pytest.raises(AttributeError):
        project.created_at_dt = MOMENT
    with pytest.raises(TypeError):
        Project(1, created_at_dt=MOMENT)
    project = pickle.loads(pickle.dumps(Project(1, created_at="2026-11-21")))
    assert project.created_at_dt == datetime(2026, 11, 21, tzinfo=UTC)
    assert "created_at_dt" not in project.to_dict()


def test_webhooks_have_them_too():
    event = webhooks.parse(b'{"event": "error", "timestamp": "2026-11-21T22:50:49.642180Z"}')
    assert event.timestamp_dt == MOMENT
    request = webhooks.parse(b'{"type": "approval_request", "createdAt": "2026-11-21T22:50:49.642180Z"}')
    assert (request.timestamp_dt, request.created_at_dt) == (None, MOMENT)
    with pytest.raises(ValueError, match="not a timestamp: 'now'"):
        _ = webhooks.parse(b'{"timestamp": "now"}').timestamp_dt


offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 29), timezones=st.none() | st.just(UTC) | offsets))
def test_what_is_written_is_read(moment):
    expected = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    assert parse_timestamp(moment.isoformat()) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2026-11-21T22:50:49", [2, 3]),
        (datetime(2026, 11, 21, 22, 50, 49), [2, 3]),
        (datetime(2026, 11, 21, 23, 50, 49, tzinfo=timezone(timedelta(hours=1))), [2, 3]),
        (date(2026, 11, 21), [1, 2, 3]),
        (date(2026, 11, 22), []),
    ],
)
def test_since(client_of, since, expected):
    times = ["2026-11-21T22:50:48", "2026-11-21T22:50:49", "2026-11-21T22:50:49.642180Z"]
    events = [{"id": number, "timestamp": time} for number, time in enumerate(times, 1)]
    client = client_of({"json": {"events": events}}, path_style="guide")
    assert [event.id for event in EventStream(client).poll_events(1, since)] == expected


def test_moments_on_the_wire(client_of, fault_server):
    client = client_of({"json": [], "repeat": 3}, path_style="guide")
    client.query_audit(
        datetime(2026, 11, 21, 23, 30), datetime(2026, 11, 21, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    )
    client.query_audit(date(2026, 2, 1), end_date=date(2026, 2, 2))
    client.get_run_timeline(1, since=MOMENT)
    sent = [request["query"] for request in fault_server.recorded()["requests"]]
    assert [(query.get("start_date"), query.get("end_date")) for query in sent[:2]] == [
        ("2026-11-21", "2026-11-22"),
        ("2026-02-01", "2026-02-02"),
    ]
    assert sent[2]["since"] == "2026-11-21T22:50:49.642180+00:00"


def test_other_types_are_refused(client_of, fault_server):
    client = client_of()
    for value in (5, 1.5, MOMENT.time(), timedelta(1), b"2026-11-21"):
        with pytest.raises(TypeError, match=r"start_date must be str, datetime\.datetime or datetime\.date"):
            client.query_audit(value)
        with pytest.raises(TypeError, match="since must be"):
            EventStream(client).poll_events(1, value)
    with pytest.raises(ConfigError, match="end_date"):
        client.query_audit(end_date="last week")
    assert fault_server.recorded()["requests"] == []


@pytest.fixture(scope="module")
def log(control_plane):
    """A client of a server that has done a lot, and its whole log, newest first."""
    client = AutonomiClient(control_plane.base_url, control_plane.TOKEN)
    for number in range(60):
        client.create_api_key(f"of the log {number}")
    entries = client.query_audit(limit=10_000)
    assert len(entries) >= 60
    return client, entries


def wanted(entries, first=None, last=None, limit=100, offset=0):
    fitting = [
        entry
        for entry in entries
        if (first is None or entry.timestamp_dt >= first) and (last is None or entry.timestamp_dt <= last)
    ]
    return fitting[offset : offset + limit]


def test_audit_between_moments(log):
    client, entries = log
    times = [entries[place].timestamp_dt for place in (0, 7, 20, 41, -1)]
    for first in (None, *times):
        for last in (None, *times):
            if (first, last) == (None, None):
                continue
            for limit, offset in ((100, 0), (1, 0), (5, 3), (10_000, 0), (7, 10_000)):
                found = client.query_audit(first, last, limit=limit, offset=offset)
                assert found == wanted(entries, first, last, limit, offset)


def test_all_of_the_audit_between_moments(log):
    client, entries = log
    first, last = entries[41].timestamp_dt, entries[7].timestamp_dt
    for bounds in ((first, last), (first, None), (None, last)):
        for page_size in (1, 7, None):
            assert list(client.iter_audit(*bounds, page_size=page_size)) == wanted(entries, *bounds, limit=len(entries))


def test_what_the_offset_leaves_out_is_not_read(client_of, fault_server):
    def entry(hour):
        return {"timestamp": f"2026-02-01T{hour:02}:00:00Z", "action": "rotate", "success": True}

    newer, within = [entry(14)] * 990, [entry(13)] * 10
    client = client_of({"json": newer + within}, {"json": [entry(2), entry(1)]}, path_style="guide")
    found = client.query_audit(end_date=datetime(2026, 2, 1, 13), limit=2, offset=5000)
    assert [found[0].timestamp_dt.hour, found[1].timestamp_dt.hour] == [2, 1]
    sent = [request["query"] for request in fault_server.recorded()["requests"]]
    assert [(query["limit"], query.get("offset")) for query in sent] == [("1000", None), ("1000", "5990")]


def test_audit_by_days(log):
    client, entries = log
    newest, oldest = entries[0].timestamp_dt, entries[-1].timestamp_dt
    assert client.query_audit(oldest.date(), newest.date(), limit=10_000) == entries
    assert client.query_audit(str(oldest.date()), limit=10_000) == entries
    assert client.query_audit(newest.date() + timedelta(1)) == []
    assert client.query_audit(end_date=oldest.date() - timedelta(1)) == []
    assert client.query_audit(newest + timedelta(microseconds=1)) == []
    assert client.query_audit(end_date=oldest - timedelta(microseconds=1)) == []
    assert client.query_audit(newest.replace(tzinfo=None)) == wanted(entries, newest)


def test_audit_of_one_kind_between_moments(log):
    client, entries = log
    middle = entries[20].timestamp_dt
    action = entries[20].action
    of_kind = [entry for entry in entries if entry.action == action]
    assert client.query_audit(middle, action=action, limit=3) == wanted(of_kind, middle, limit=3)
    assert client.query_audit(end_date=middle, action=action, limit=3) == wanted(of_kind, None, middle, 3)


def test_audit_between_moments_for_asyncio(log, control_plane):
    _, entries = log
    client = AsyncAutonomiClient(control_plane.base_url, control_plane.TOKEN)
    last = entries[20].timestamp_dt
    assert asyncio.run(client.query_audit(end_date=last, limit=5)) == wanted(entries, None, last, 5)


def test_the_last_day_of_the_calendar_is_read_and_the_name_of_a_zone_is_refused():
    assert parse_timestamp("9999-12-31T23:59:59Z").isoformat() == "9999-12-31T23:59:59+00:00"
    with pytest.raises(ValueError, match="not a timestamp"):
        parse_timestamp("2026-11-21T22:49:47[Europe/Berlin]")
