"""Cases of stages in the dialect, written from knowledge of it rather than from this engine."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.context import Context

ROWS: list[dict[str, Any]] = [
    {"_id": 1, "g": "x", "n": 1, "t": ["p", "q"]},
    {"_id": 2, "g": "y", "n": 5, "t": []},
    {"_id": 3, "g": "x", "n": 3},
    {"_id": 4, "g": None, "n": "s", "t": "one"},
    {"_id": 5, "n": 2, "t": None},
]
PIPES: list[tuple[list[Any], list[Any]]] = [
    (
        [{"$group": {"_id": "$g", "s": {"$sum": "$n"}}}],
        [{"_id": "x", "s": 4}, {"_id": "y", "s": 5}, {"_id": None, "s": 2}],
    ),
    ([{"$group": {"_id": None, "m": {"$max": "$n"}, "a": {"$avg": "$n"}}}], [{"_id": None, "m": "s", "a": 2.75}]),
    (
        [{"$group": {"_id": None, "f": {"$first": "$t"}, "l": {"$last": "$g"}}}],
        [{"_id": None, "f": ["p", "q"], "l": None}],
    ),
    ([{"$group": {"_id": None, "all": {"$push": "$g"}}}], [{"_id": None, "all": ["x", "y", "x", None]}]),
    (
        [{"$match": {"g": "x"}}, {"$group": {"_id": 0, "v": {"$addToSet": "$g"}, "c": {"$count": {}}}}],
        [{"_id": 0, "v": ["x"], "c": 2}],
    ),
    ([{"$match": {"n": {"$lt": 0}}}, {"$group": {"_id": None, "c": {"$sum": 1}}}], []),
    ([{"$unwind": "$t"}, {"$project": {"t": 1}}], [{"_id": 1, "t": "p"}, {"_id": 1, "t": "q"}, {"_id": 4, "t": "one"}]),
    (
        [{"$unwind": {"path": "$t", "includeArrayIndex": "i"}}, {"$project": {"i": 1}}],
        [{"_id": 1, "i": 0}, {"_id": 1, "i": 1}, {"_id": 4, "i": None}],
    ),
    ([{"$unwind": {"path": "$t", "preserveNullAndEmptyArrays": True}}, {"$count": "c"}], [{"c": 6}]),
    (
        [{"$match": {"_id": 2}}, {"$unwind": {"path": "$t", "preserveNullAndEmptyArrays": True}}],
        [{"_id": 2, "g": "y", "n": 5}],
    ),
    ([{"$sortByCount": "$g"}, {"$limit": 1}], [{"_id": "x", "count": 2}]),
    ([{"$bucket": {"groupBy": "$_id", "boundaries": [0, 3, 6]}}], [{"_id": 0, "count": 2}, {"_id": 3, "count": 3}]),
    (
        [{"$match": {"_id": 1}}, {"$set": {"o.p": "$n", "n": "$$REMOVE"}}],
        [{"_id": 1, "g": "x", "t": ["p", "q"], "o": {"p": 1}}],
    ),
    ([{"$match": {"_id": 1}}, {"$project": {"_id": 0, "k": {"$concat": ["$g", "!"]}}}], [{"k": "x!"}]),
    ([{"$match": {"_id": 1}}, {"$replaceWith": {"a": "$g"}}], [{"a": "x"}]),
    ([{"$match": {"n": {"$lt": 0}}}, {"$count": "c"}], []),
    ([{"$sort": {"n": -1}}, {"$skip": 1}, {"$limit": 2}, {"$project": {"_id": 1}}], [{"_id": 2}, {"_id": 3}]),
    ([{"$facet": {"a": [{"$count": "c"}], "b": [{"$match": {"_id": 9}}]}}], [{"a": [{"c": 5}], "b": []}]),
    (
        [{"$group": {"_id": None, "t": {"$topN": {"n": 2, "sortBy": {"_id": -1}, "output": "$_id"}}}}],
        [{"_id": None, "t": [5, 4]}],
    ),
    ([{"$group": {"_id": {"g": "$g"}, "c": {"$sum": 1}}}, {"$match": {"c": 2}}], [{"_id": {"g": "x"}, "c": 2}]),
]


@pytest.mark.parametrize(("stages", "expected"), PIPES)
def test_pipeline_gives(stages: Any, expected: Any) -> None:
    found = [
        document for document in parse_pipeline(stages, "/pipeline").run(iter(ROWS), Context()) if document is not None
    ]
    assert found == expected
