"""Definitions of indexes: what they may be, and what is refused, where and with which number."""

from __future__ import annotations

import pytest

from raftdoc.errors import InvalidQuery, UnknownOption
from raftdoc.limits import INDEX_FIELDS_MAX
from raftdoc.query.index_definition import parse_index_definition


def test_fields_keep_their_order_and_direction() -> None:
    definition = parse_index_definition({"fields": {"b.c": 1, "a": -1}})
    assert definition.fields == (("b.c", 1), ("a", -1))
    assert definition.name == "b.c_1_a_-1"
    assert definition.multikey_paths == (False, False)
    assert (definition.id, definition.state, definition.unique, definition.sparse) == (0, "building", False, False)


def test_specification_says_what_was_asked_for() -> None:
    specification = {"name": "x", "fields": {"a": 1}, "unique": True, "partial": {"a": {"$gt": 3}}}
    assert parse_index_definition(specification).specification() == specification
    specification = {"name": "x", "fields": {"a": -1}, "sparse": True, "expire_after_s": 0}
    assert parse_index_definition(specification).specification() == specification


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"fields": {"a": 1}}, {"fields": {"a": 1}, "name": "x"}, True),
        ({"fields": {"a": 1}}, {"fields": {"a": -1}}, False),
        ({"fields": {"a": 1, "b": 1}}, {"fields": {"b": 1, "a": 1}}, False),
        ({"fields": {"a": 1}}, {"fields": {"a": 1}, "unique": True}, False),
        ({"fields": {"a": 1}, "partial": {"b": 1}}, {"fields": {"a": 1}, "partial": {"b": True}}, False),
        ({"fields": {"a": 1}, "partial": {"b": 1}}, {"fields": {"a": 1}, "partial": {"b": 1}}, True),
    ],
)
def test_sameness_is_of_fields_and_options(one, other, is_same) -> None:
    assert parse_index_definition(one).is_same_index(parse_index_definition(other)) == is_same


@pytest.mark.parametrize(
    ("specification", "pointer"),
    [
        ({}, "/fields"),
        ({"fields": {}}, "/fields"),
        ({"fields": ["a"]}, "/fields"),
        ({"fields": {"a": 2}}, "/fields/a"),
        ({"fields": {"a": True}}, "/fields/a"),
        ({"fields": {"a": "text"}}, "/fields/a"),
        ({"fields": {"_id": 1}}, "/fields"),
        ({"fields": {f"f{number}": 1 for number in range(INDEX_FIELDS_MAX + 1)}}, "/fields"),
        ({"fields": {"a": 1}, "name": ""}, "/name"),
        ({"fields": {"a": 1}, "name": "_id_"}, "/name"),
        ({"fields": {"a": 1}, "name": 7}, "/name"),
        ({"fields": {"é": 1}}, "/name"),
        ({"fields": {"a": 1}, "unique": 1}, "/unique"),
        ({"fields": {"a": 1}, "sparse": None}, "/sparse"),
        ({"fields": {"a": 1}, "sparse": True, "partial": {"a": 1}}, "/sparse"),
        ({"fields": {"a": 1}, "expire_after_s": -1}, "/expire_after_s"),
        ({"fields": {"a": 1}, "expire_after_s": 1.5}, "/expire_after_s"),
        ({"fields": {"a": 1, "b": 1}, "expire_after_s": 1}, "/expire_after_s"),
        ({"fields": {"a": 1}, "partial": []}, "/partial"),
        ({"fields": {"a": 1}, "partial": {"a": {"$in": ["x" * 100] * 200}}}, ""),
        ({"fields": {"a" * 20_000: 1}, "name": "x"}, ""),
        ({"fields": {"a": 1}, "partial": {"$expr": {"$gt": ["$a", 1]}}}, "/partial"),
        ({"fields": {"a": 1}, "partial": {"a": {"$regex": "x"}}}, "/partial"),
        ({"fields": {"a": 1}, "partial": {"$and": [{"a": {"$ne": 1}}]}}, "/partial"),
    ],
)
def test_definition_that_cannot_be_is_refused_with_its_place(specification, pointer) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_index_definition(specification)
    assert (caught.value.pointer, caught.value.mongo_code) == (pointer, 67)


@pytest.mark.parametrize(("path", "mongo_code"), [("", 40352), ("a.", 40353), ("a..b", 15998), ("$a", 16410)])
def test_path_that_cannot_be_is_refused(path, mongo_code) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_index_definition({"fields": {path: 1}}, "/x")
    assert (caught.value.pointer, caught.value.mongo_code) == (f"/x/fields/{path}", mongo_code)


def test_fault_in_the_partial_filter_has_its_own_place() -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_index_definition({"fields": {"a": 1}, "partial": {"a": {"$nope": 1}}})
    assert caught.value.pointer == "/partial/a/$nope"


def test_option_that_no_index_has_is_refused() -> None:
    with pytest.raises(UnknownOption) as caught:
        parse_index_definition({"fields": {"a": 1}, "back/ground": True})
    assert caught.value.pointer == "/back~1ground"
