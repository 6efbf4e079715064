"""Whether a filter implies that no match is missing in a sparse or partial index."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.query.bounds import conjunction_of
from raftdoc.query.filter import parse_filter
from raftdoc.query.implication import COMPARISONS_MAX, Implication


def implication(filter: Any) -> Implication:
    root = parse_filter(filter).root
    return Implication(root, conjunction_of(root))


@pytest.mark.parametrize(
    ("filter", "wanted", "holds"),
    [
        ({"a": 1}, {}, True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": {"$gte": 0}}, True),
        ({"a": 1}, {"a": {"$gte": 2}}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"$or": [{"a": 2}, {"a": {"$lt": 5}}]}, True),
        ({"a": 1, "b": 2}, {"a": {"$gt": 0}, "b": {"$gt": 5}}, False),
        ({"a": 1}, {"a": {"$exists": True}}, True),
        ({"a": None}, {"a": {"$exists": True}}, False),
        ({"$or": [{"a": 1}, {"b": 1}], "c": 1}, {"$or": [{"a": 1}, {"b": 1}]}, True),
    ],
)
def test_what_a_filter_implies(filter: Any, wanted: Any, holds: bool) -> None:
    assert implication(filter).holds(parse_filter(wanted).root) is holds


def test_what_would_need_too_many_comparisons_is_in_doubt() -> None:
    count = 300
    found = implication({"$and": [{"a": number} for number in range(count)]})
    assert found.holds(parse_filter({"a": 7}).root)
    for _ in range(COMPARISONS_MAX // count**2 + 1):
        found.holds(parse_filter({"$or": [{"a": {"$gt": number}} for number in range(1000, 1000 + count)]}).root)
    assert not found.holds(parse_filter({"a": 7}).root)
