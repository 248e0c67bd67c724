"""Every clause of what models promise, for every model and whatever an answer may hold."""

from __future__ import annotations

import copy
import json
import pickle
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loki_mode_sdk.generated import models
from servers import ROOT
from test_decoding import SCALARS, TEXT, VALUES, identical

SCHEMAS = json.loads((ROOT / "openapi.json").read_text("utf-8"))["components"]["schemas"]
CLASSES = {name: getattr(models, name) for name in models.__all__}
WORDS = {
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "string": TEXT,
    "boolean": st.booleans(),
    "null": st.none(),
    "object": st.dictionaries(TEXT, VALUES, max_size=3),
}


def values_of(schema: dict) -> st.SearchStrategy:
    """What a field may hold."""
    if "$ref" in schema:
        return answers(schema["$ref"].rsplit("/", 1)[1])
    if "oneOf" in schema:
        return st.one_of(*map(values_of, schema["oneOf"]))
    kinds = schema.get("type")
    if kinds is None:
        return VALUES
    kinds = [kinds] if isinstance(kinds, str) else kinds
    lists = st.lists(values_of(schema.get("items", {})), max_size=2)
    return st.one_of(*(lists if kind == "array" else WORDS[kind] for kind in kinds))


def answers(name: str) -> st.SearchStrategy:
    """The objects that may stand for a model: its fields, in any order, and others."""
    schema = SCHEMAS[name]
    fields = {key: st.deferred(lambda inner=inner: values_of(inner)) for key, inner in schema["properties"].items()}
    required = {key: fields.pop(key) for key in schema.get("required", ())}
    extra = st.dictionaries(TEXT.map("x_{}".format), VALUES, max_size=3)
    known = st.fixed_dictionaries(required, optional=fields)
    merged = st.tuples(known, extra).map(lambda pair: {**pair[1], **pair[0]})
    return merged.flatmap(lambda answer: st.permutations(list(answer.items())).map(dict))


MODELS = st.sampled_from(sorted(CLASSES))
INSTANCES = MODELS.flatmap(lambda name: st.tuples(st.just(CLASSES[name]), answers(name)))


def same(found: object, sent: object) -> bool:
    """The same values of the same types; keys may have another order, as in JSON."""
    if isinstance(found, dict) and isinstance(sent, dict):
        return found.keys() == sent.keys() and all(same(found[key], sent[key]) for key in sent)
    if isinstance(found, list) and isinstance(sent, list):
        return len(found) == len(sent) and all(map(same, found, sent))
    return identical(found, sent)


@given(INSTANCES)
def test_nothing_is_lost_on_any_way(drawn):
    cls, sent = drawn
    instance = cls.from_dict(sent)
    assert same(instance.to_dict(), sent)
    assert same(json.loads(json.dumps(instance.to_dict())), sent)
    ways = [pickle.loads(pickle.dumps(instance, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    ways += [copy.copy(instance), copy.deepcopy(instance), instance.__replace__(), cls.from_dict(instance.to_dict())]
    for again in ways:
        assert type(again) is cls
        assert same(again.to_dict(), sent)
        assert again == instance
        assert hash(again) == hash(instance)
        assert repr(again) == repr(instance)


@given(INSTANCES)
def test_known_fields_come_first_and_unknown_ones_in_their_order(drawn):
    cls, sent = drawn
    known = [key for key in SCHEMAS[cls.__name__]["properties"] if key in sent]
    unknown = [key for key in sent if key not in known]
    assert list(cls.from_dict(sent).to_dict()) == known + unknown


@given(INSTANCES, st.data())
def test_one_value_more_makes_a_difference(drawn, data):
    cls, sent = drawn
    value = data.draw(SCALARS.filter(lambda value: value is not None))
    instance, other = cls.from_dict(sent), cls.from_dict({**sent, "y": value})
    assert instance != other
    assert hash(instance) == hash(other)
    assert len({instance, other, cls.from_dict(sent)}) == 2
    assert other.to_dict()["y"] == value


@given(INSTANCES)
def test_constructor_match_args_and_attributes_agree(drawn):
    cls, sent = drawn
    instance = cls.from_dict(sent)
    fields = {name: getattr(instance, name) for name in cls.__match_args__}
    assert len(fields) == len(SCHEMAS[cls.__name__]["properties"])
    assert set(dir(instance)) >= fields.keys()
    known = {key: value for key, value in sent.items() if key in SCHEMAS[cls.__name__]["properties"]}
    assert cls(**fields) == cls(*fields.values()) == cls.from_dict(known)


WRONG = {"integer": {}, "number": "1", "string": 1.5, "boolean": 0, "object": [], "array": {}}


def misfits(schema: dict) -> list[object]:
    """Values that a field must not hold."""
    if "$ref" in schema or "oneOf" in schema:
        return [[], "x", 7]
    kinds = schema.get("type")
    if kinds is None:
        return []
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return [WRONG[kind] for kind in kinds if kind != "null"]


@given(INSTANCES, st.data())
def test_a_value_of_the_wrong_type_is_named_with_its_place(drawn, data):
    cls, sent = drawn
    candidates = [
        (key, wrong) for key, schema in SCHEMAS[cls.__name__]["properties"].items() for wrong in misfits(schema)
    ]
    key, wrong = data.draw(st.sampled_from(candidates))
    with pytest.raises(TypeError, match=rf"^{cls.__name__}\.from_dict: {key} must be .+, not {type(wrong).__name__}$"):
        cls.from_dict({**sent, key: wrong})


@given(INSTANCES, st.data())
def test_what_is_missing_is_named(drawn, data):
    cls, sent = drawn
    required = SCHEMAS[cls.__name__].get("required")
    if not required:
        return
    key = data.draw(st.sampled_from(required))
    for less in ({name: value for name, value in sent.items() if name != key}, {**sent, key: None}):
        with pytest.raises(ValueError, match=rf"^{cls.__name__}\.from_dict: {key} is missing$"):
            cls.from_dict(less)


@given(INSTANCES, st.sampled_from(["token", "apiKey", "API_KEY", "client_secret", "db_password", "salt", "hash"]))
def test_repr_is_short_and_shows_no_secret(drawn, key):
    cls, sent = drawn
    free = [
        name for name, schema in SCHEMAS[cls.__name__]["properties"].items() if schema.get("type") == ["object", "null"]
    ]
    for name in free:
        sent = {**sent, name: {key: "canary", "inner": [{key: "canary"}], "max_tokens": 5, "long": "x" * 10_000}}
    shown = repr(cls.from_dict({**sent, key: "canary"}))
    assert "canary" not in shown
    assert len(shown) < 100 + 100 * len(cls.__match_args__)
    # As for any program of a user, what is left is Python.
    assert re.match(rf"{cls.__name__}\(", shown)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="no match statement before 3.10")
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_patterns_take_fields_by_position_and_by_name(name):
    cls = CLASSES[name]
    by_position = ", ".join(f"f{index}" for index in range(len(cls.__match_args__)))
    by_name = ", ".join(f"{field}=n{index}" for index, field in enumerate(cls.__match_args__))
    program = f"match x:\n case M({by_position}): pass\nmatch x:\n case M({by_name}): pass"
    scope: dict = {"M": cls, "x": cls(*range(len(cls.__match_args__)))}
    exec(program, scope)
    for index in range(len(cls.__match_args__)):
        assert scope[f"f{index}"] == scope[f"n{index}"] == index
