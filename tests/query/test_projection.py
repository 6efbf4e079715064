"""What a projection returns of a document, and which projections are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from raftdoc.errors import InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.projection import parse_projection

DOCUMENT: dict[str, Any] = {
    "_id": 1,
    "name": "ink",
    "tags": ["a", "b", "c", "d"],
    "size": {"w": 1, "h": 2},
    "parts": [{"n": 1, "m": 2}, {"n": 3}, 4, [{"n": 5, "m": 6}]],
    "made": {"$date": "2024-01-01T00:00:00Z"},
}


def calls_of(act: Callable[[], object]) -> int:
    """Return how many functions are called: what work is, without a clock."""
    events: list[str] = []
    sys.setprofile(lambda _frame, event, _argument: events.append(event))
    try:
        act()
    finally:
        sys.setprofile(None)
    return events.count("call")


def project(projection: Any, filter: Any = None) -> dict[str, Any]:
    return parse_projection(projection, "/projection").apply(DOCUMENT, parse_filter(filter or {}), Context())


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ({"name": 1}, {"_id": 1, "name": "ink"}),
        ({"name": True, "_id": 0}, {"name": "ink"}),
        ({"_id": 1}, {"_id": 1}),
        ({"none": 1}, {"_id": 1}),
        ({"size.w": 1}, {"_id": 1, "size": {"w": 1}}),
        ({"size": {"w": 1}}, {"_id": 1, "size": {"w": 1}}),
        ({"parts.n": 1, "_id": 0}, {"parts": [{"n": 1}, {"n": 3}, [{"n": 5}]]}),
        ({"made.x": 1}, {"_id": 1}),
        ({"name.x": 1}, {"_id": 1}),
        ({"tags": {"$slice": 2}, "name": 1}, {"_id": 1, "name": "ink", "tags": ["a", "b"]}),
        ({"tags": {"$slice": -1}, "_id": 0, "name": 1}, {"name": "ink", "tags": ["d"]}),
        ({"tags": {"$slice": [-3, 2]}, "name": 1}, {"_id": 1, "name": "ink", "tags": ["b", "c"]}),
        ({"parts": {"$elemMatch": {"n": {"$gt": 1}}}}, {"_id": 1, "parts": [{"n": 3}]}),
        ({"parts": {"$elemMatch": {"n": 9}}}, {"_id": 1}),
        ({"sum": {"$add": ["$size.w", "$size.h"]}}, {"_id": 1, "sum": 3}),
        ({"size.area": {"$multiply": ["$size.w", "$size.h"]}, "_id": 0}, {"size": {"area": 2}}),
        ({"label": "$name", "_id": 0}, {"label": "ink"}),
        ({"none": "$none", "_id": 0}, {}),
    ],
)
def test_projection_returns(projection: Any, expected: Any) -> None:
    shown = project(projection)
    assert shown == expected
    assert list(shown) == list(expected)


def test_projection_excludes_what_it_names_and_keeps_the_rest() -> None:
    assert project({"tags": 0, "parts.n": 0, "size": {"w": 0}}) == {
        "_id": 1,
        "name": "ink",
        "size": {"h": 2},
        "parts": [{"m": 2}, {}, 4, [{"m": 6}]],
        "made": DOCUMENT["made"],
    }


def test_what_is_no_object_gives_way_to_what_is_computed_into_it() -> None:
    document = {"_id": 1, "a": [1, [2, {"b": 3, "c": 4}], {"b": 5, "c": 6}]}

    def shown(projection: Any) -> Any:
        return parse_projection(projection, "/projection").apply(document, None, Context())["a"]

    nine = {"$literal": 9}
    assert shown({"a.b": nine}) == [{"b": 9}, [{"b": 9}, {"b": 9}], {"b": 9}]
    assert shown({"a.b": nine, "a.c": 1}) == [{"b": 9}, [{"b": 9}, {"c": 4, "b": 9}], {"c": 6, "b": 9}]
    assert shown({"a.c": 1}) == [[{"c": 4}], {"c": 6}]


def test_below_an_array_scalars_go_unless_only_parts_of_arrays_are_asked_for() -> None:
    document = {"_id": 1, "a": [1, [2, {"$date": "2024-01-01T00:00:00Z"}, {"b": [3, 4], "c": 5}], {"b": [6, 7]}, {}]}

    def shown(projection: Any) -> Any:
        return parse_projection(projection, "/projection").apply(document, None, Context())["a"]

    assert shown({"a.b": 1}) == [[{"b": [3, 4]}], {"b": [6, 7]}, {}]
    assert shown({"a.b": {"$slice": 1}, "_id": 1}) == [1, [2, document["a"][1][1], {"b": [3]}], {"b": [6]}, {}]
    assert shown({"a.b": {"$slice": 1}, "a.c": 1}) == [[{"b": [3], "c": 5}], {"b": [6]}, {}]


@pytest.mark.parametrize("leaf", [1, 0, {"$slice": 1}])
def test_what_a_scalar_of_an_array_costs_does_not_grow_with_the_paths(leaf: Any) -> None:
    document = {"_id": 1, "a": [0] * 100}

    def calls(path_count: int) -> int:
        projection = parse_projection({f"a.b.{n}": leaf for n in range(path_count)}, "/projection")
        return calls_of(lambda: projection.apply(document, None, Context()))

    assert calls(50) == calls(1)


def test_slice_alone_keeps_every_other_field() -> None:
    assert project({"tags": {"$slice": 1}}) == DOCUMENT | {"tags": ["a"]}


def test_positional_shows_the_element_that_matched() -> None:
    assert project({"tags.$": 1}, {"tags": {"$gt": "b"}}) == {"_id": 1, "tags": ["c"]}
    assert project({"parts.$": 1, "name": 1}, {"parts.n": 3}) == {"_id": 1, "name": "ink", "parts": [{"n": 3}]}


def test_positional_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidQuery) as caught:
        project({"tags.$": 1}, {"tags": {"$size": 4}})
    assert caught.value.mongo_code == 51246
    with pytest.raises(InvalidQuery) as caught:
        parse_projection({"a.$": 1}, "/projection").check_filter(parse_filter({"$expr": True}))
    assert caught.value.mongo_code == 224


def test_document_is_not_changed() -> None:
    before = repr(DOCUMENT)
    project({"size.area": {"$literal": 1}, "tags.$": 1}, {"tags": "b"})
    assert repr(DOCUMENT) == before


@pytest.mark.parametrize(
    ("projection", "pointer", "code"),
    [
        (1, "", 14),
        ({"a": 1, "b": 0}, "/b", 31254),
        ({"a": 0, "b": 1}, "/b", 31253),
        ({"a": 0, "b": "$a"}, "/b", 31310),
        ({"a": 0, "b": {"$add": [1, 2]}}, "/b", 31252),
        ({"a": {}}, "/a", 51270),
        ({"a": 1, "a.b": 1}, "/a.b", 31249),
        ({"a.b": 1, "a": 1}, "/a", 31250),
        ({"": 1}, "/", 40352),
        ({"a.": 1}, "/a.", 40353),
        ({"$a": 1}, "/$a", 16410),
        ({"a.$.b": 1}, "/a.$.b", 31394),
        ({"a.$": 1, "b.$": 1}, "/b.$", 31276),
        ({"a.$": "x"}, "/a.$", 31308),
        ({"a.$": {"$slice": 1}}, "/a.$", 31271),
        ({"a.$": 0}, "/a.$", 31395),
        ({"a": {"$elemMatch": {"b": 1}}, "b.$": 1}, "/b.$", 31256),
        ({"a.b": {"$elemMatch": {"c": 1}}}, "/a.b/$elemMatch", 31275),
        ({"a": {"$elemMatch": 1}}, "/a/$elemMatch", 31274),
        ({"a": {"$elemMatch": {"b": {"$in": 1}}}}, "/a/$elemMatch/b/$in", 2),
        ({"a": {"$nothing": 1}}, "/a/$nothing", 31325),
    ],
)
def test_projection_is_refused_at_its_place_with_its_number(projection: Any, pointer: str, code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_projection(projection, "/projection")
    assert (caught.value.pointer, caught.value.mongo_code) == (f"/projection{pointer}", code)
