"""What is too much to be read in one go is refused before it is read, at the place where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.limits import FILTER_VALUES_MAX, QUERY_PARTS_MAX, QUERY_VALUES_MAX
from raftdoc.query.aggregate import parse_pipeline
from raftdoc.query.filter import parse_filter
from raftdoc.query.parts import check_parts
from raftdoc.query.projection import parse_projection
from raftdoc.query.update import parse_update

PARTS = range(QUERY_PARTS_MAX + 1)
HALF = range(QUERY_PARTS_MAX // 2 + 1)
VALUES = list(range(QUERY_VALUES_MAX + 1))
MEMBERS = {f"a{number}": 1 for number in PARTS}


def update(spec: Any, pointer: str) -> None:
    parse_update(spec, None, pointer)


@pytest.mark.parametrize(
    ("parse", "spec"),
    [
        (parse_filter, MEMBERS),
        (parse_filter, {"$or": [{"a": number} for number in HALF]}),
        (parse_filter, {"a": {"$in": [[number] for number in PARTS]}}),
        (parse_filter, {f"a{number}": {"$regex": "x"} for number in range(QUERY_PARTS_MAX // 6 + 1)}),
        (parse_filter, {"$or": [{"a": {"$regex": rf"\pL{{80}}{number}"}} for number in range(3)]}),
        (parse_filter, {"$or": [{"a": {"$regex": rf"\pL{{20}}{number}"}} for number in range(16)]}),
        (parse_filter, {"$expr": {"$and": [{"$regexMatch": {"input": "$a", "regex": r"\pL{80}"}}] * 2}}),
        (parse_pipeline, [{"$set": {a: {"$regexFindAll": {"input": "$a", "regex": r"(?:\pL{9}){9}"}} for a in "ab"}}]),
        (parse_filter, {"$jsonSchema": {"items": [{"pattern": rf"\pL{{80}}{number}"} for number in range(3)]}}),
        (parse_filter, {"$jsonSchema": {"not": {"patternProperties": {rf"\pL{{80}}{n}": {} for n in range(3)}}}}),
        (parse_filter, {"a": [{"b": number} for number in HALF]}),
        (parse_filter, {"a": VALUES}),
        (parse_filter, {"$expr": {"$add": ["$a" for _ in PARTS]}}),
        (parse_filter, {"$expr": {"$eq": ["$a", {"$literal": {"b": VALUES}}]}}),
        (parse_filter, {"$jsonSchema": {"properties": {f"a{number}": {"minimum": 1} for number in HALF}}}),
        (parse_filter, {"$and": [{"a": {"$in": [1] * FILTER_VALUES_MAX}} for _ in range(2)]}),
        (parse_projection, MEMBERS),
        (parse_projection, {"a": MEMBERS}),
        (parse_pipeline, [{"$set": MEMBERS}]),
        (parse_pipeline, [{"$match": {"a": {"$in": [1, 2]}}}, {"$facet": {f"f{n}": [{"$count": "n"}] for n in HALF}}]),
        (parse_pipeline, [{"$documents": [{"a": number} for number in HALF]}]),
        (parse_pipeline, [{"$bucket": {"groupBy": "$a", "boundaries": VALUES}}]),
        (update, {"$set": MEMBERS}),
        (update, {"$inc": {f"b{number}": 1 for number in HALF}, "$set": {f"a{number}": 1 for number in HALF}}),
        (update, {"$set": {f"a{number}.b": 1 for number in HALF}}),
        (update, {"$unset": {".".join(["a"] * 99) + f".{number}": "" for number in range(21)}}),
        (update, {"$rename": {f"a{number}": f"b{number}.c.d" for number in range(QUERY_PARTS_MAX // 3 + 1)}}),
        (update, {"$pull": {f"a{number}.b.c": 1 for number in range(QUERY_PARTS_MAX // 3 + 1)}}),
        (update, {"$pull": {"a": {"$or": [{"b": number} for number in HALF]}}}),
        (update, {"$pullAll": {"a": VALUES}}),
        (update, [{"$set": MEMBERS}]),
    ],
)
def test_what_is_too_much_to_read_is_refused_as_a_whole(parse: Callable[[Any, str], Any], spec: Any) -> None:
    with pytest.raises(InvalidQuery, match="more than") as caught:
        parse(spec, "/x")
    assert (caught.value.pointer, caught.value.mongo_code) == ("/x", 2)


@pytest.mark.parametrize(
    "source", [r"\p{" * 50_000, "[" + "[:" * 50_000, "a" * 40_000], ids=["names", "classes", "text"]
)
def test_a_pattern_that_is_too_long_is_refused_before_it_is_looked_at(source: str) -> None:
    with pytest.raises(InvalidQuery, match="a pattern has at most") as caught:
        parse_filter({"a": {"$regex": source}}, "/filter")
    assert caught.value.pointer == "/filter/a/$regex"


def test_array_filters_count_with_the_update() -> None:
    filters = [{f"x{number}": {"$gt": number}} for number in HALF]
    with pytest.raises(InvalidQuery, match="more than"):
        parse_update({"$set": {"a.$[x0]": 1}}, filters, "/update")


@pytest.mark.parametrize(
    ("parse", "spec"),
    [
        (parse_filter, {"a": {"$in": list(range(FILTER_VALUES_MAX))}}),
        (parse_filter, {f"a{number}": 1 for number in range(QUERY_PARTS_MAX)}),
        (parse_pipeline, [{"$project": {"a": {"$in": ["$b", VALUES[4:]]}}}]),
        (parse_pipeline, [{"$replaceWith": {"$literal": {"a": VALUES[3:]}}}]),
    ],
)
def test_long_lists_of_plain_values_are_no_parts(parse: Callable[[Any, str], Any], spec: Any) -> None:
    parse(spec, "/x")


@pytest.mark.parametrize(
    "spec",
    [
        {"$set": {"a": MEMBERS, "b": VALUES}},
        {"$push": {"a": {"$each": VALUES}}},
        {"$setOnInsert": {"a": [[number] for number in PARTS]}},
        {"$set": {f"a{number}.b.c": {"d.e": 1} for number in range(QUERY_PARTS_MAX // 3)}},
        MEMBERS,
    ],
)
def test_what_an_update_stores_is_bounded_by_the_document_alone(spec: Any) -> None:
    parse_update(spec, None, "/update")


def test_counting_ends_where_it_is_too_much() -> None:
    class Endless(dict[str, Any]):
        def items(self) -> Any:
            raise AssertionError("this was read")

    with pytest.raises(InvalidQuery):
        check_parts([Endless(MEMBERS)], "")
