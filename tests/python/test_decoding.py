"""The decoder builds what the standard library would, and refuses without crashing."""

from __future__ import annotations

import contextlib
import gc
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loki_mode_sdk import DecodeError
from loki_mode_sdk._native import decode
from test_cases import OPERATIONS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


def identical(a, b):
    """Equality that tells 1 from 1.0 and from True, and 0.0 from -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b)
    return a == b


@given(st.dictionaries(TEXT, VALUES))
def test_objects_are_what_the_standard_library_reads(value):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert identical(decode("get_status", text.encode()), json.loads(text))


@given(st.dictionaries(TEXT, VALUES), st.integers() | TEXT)
def test_models_lose_nothing(extra, number):
    sent = {**extra, "id": number}
    for name in ("name", "description", "status", "tenant_id", "created_at", "updated_at", "prd_path"):
        sent.pop(name, None)
    for name in ("task_count", "completed_task_count"):
        sent.pop(name, None)
    (project,) = decode("list_projects", json.dumps([sent]).encode())
    assert identical(project.id, number)
    found = project.to_dict()
    assert found.keys() == sent.keys()
    assert all(identical(found[key], sent[key]) for key in sent)


@given(st.sampled_from(sorted(OPERATIONS)), st.binary() | TEXT.map(str.encode) | VALUES.map(json.dumps).map(str.encode))
def test_anything_else_is_a_decode_error(operation, body):
    with contextlib.suppress(DecodeError):
        decode(operation, body)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"n":1' + "0" * 30 + ',"a":' + "[" * 100_000])
def test_deep_nesting_is_refused(text):
    with pytest.raises(DecodeError):
        decode("get_status", text.encode())


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("last", ['{"id": 1}', "{}"])
def test_the_collector_is_afterwards_as_it_was_before(enabled, last):
    body = "[" + '{"id": 1, "name": "p", "settings": {}},' * 5_000 + last + "]"
    before = gc.isenabled()
    collections = []
    gc.callbacks.append(lambda phase, info: collections.append(phase))
    try:
        (gc.enable if enabled else gc.disable)()
        collections.clear()
        with contextlib.suppress(DecodeError):
            decode("list_tenants", body.encode())
        # One may be due as soon as it is back at work; without a rest there would be a dozen.
        assert collections.count("start") <= 1
        assert gc.isenabled() is enabled
    finally:
        gc.callbacks.pop()
        (gc.enable if before else gc.disable)()
