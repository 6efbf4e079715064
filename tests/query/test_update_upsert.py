"""What an upsert starts from: the equalities of its filter."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.filter import parse_filter
from raftdoc.query.update_guard import is_portable
from raftdoc.query.update_upsert import document_from


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ({}, {}),
        ({"a": 1, "b": {"$gt": 2}}, {"a": 1}),
        ({"b.c": {"$eq": 2}, "_id": 7}, {"_id": 7, "b": {"c": 2}}),
        ({"$and": [{"a": 1}, {"$or": [{"b": None}]}]}, {"a": 1, "b": None}),
        ({"$or": [{"a": 1}, {"b": 2}]}, {}),
        ({"a": {"$in": [4]}}, {"a": 4}),
        ({"a": {"$not": {"$eq": 1}}}, {}),
    ],
)
def test_new_document_has_what_the_filter_says_is_equal(query: Any, document: Any) -> None:
    made = document_from(parse_filter(query).root, id_only=False)
    assert list(made.items()) == list(document.items())


def test_replacement_takes_the_id_only() -> None:
    assert document_from(parse_filter({"_id": 1, "a": 2}).root, id_only=True) == {"_id": 1}


@pytest.mark.parametrize("query", [{"$and": [{"a": 1}, {"a": 2}]}, {"a": {}, "a.b": 1}])
def test_two_values_for_one_path_are_refused(query: Any) -> None:
    with pytest.raises(InvalidQuery) as refused:
        document_from(parse_filter(query).root, id_only=False)
    assert refused.value.mongo_code == 54


@pytest.mark.parametrize(
    ("query", "portable"),
    [
        ({"a": {"$gte": 1}, "$or": [{"b": {"$in": [1]}}, {"c": {"$exists": True}}]}, True),
        ({"a": {"$elemMatch": {"b": {"$not": {"$size": 2}}}}}, True),
        ({"a": {"$regex": "x"}}, False),
        ({"$nor": [{"a": {"$elemMatch": {"b": {"$regex": "x"}}}}]}, False),
        ({"$expr": {"$eq": ["$a", 1]}}, False),
    ],
)
def test_what_a_library_decides_stays_out_of_apply(query: Any, portable: bool) -> None:
    assert is_portable(parse_filter(query).root) is portable
