"""Every plan of every query gives the documents that a full scan gives, judged by the filter alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document import id_key, with_id
from raftdoc.errors import InvalidCursor, InvalidQuery
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.find import FindQuery, FoundPage, Selection, choose, count, distinct, find
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.query.planner import Wanted, candidates
from raftdoc.query.projection import parse_projection
from raftdoc.query.reader import DocumentReader
from raftdoc.query.sort import Sort, parse_sort
from raftdoc.statemachine import commands

from .histories import Runner

INDEXES: list[dict[str, Any]] = [
    {"name": "a", "fields": {"a": 1}},
    {"name": "a_down", "fields": {"a": -1}},
    {"name": "ab", "fields": {"a": 1, "b": -1}},
    {"name": "a.b", "fields": {"a.b": 1}},
    {"name": "a.b_a.c", "fields": {"a.b": 1, "a.c": -1}},
    {"name": "sparse_b", "fields": {"b": 1}, "sparse": True},
    {"name": "partial", "fields": {"a": 1}, "partial": {"b": {"$gte": 2}}},
    {"name": "bcd", "fields": {"b": 1, "c": 1, "d": -1}},
]
_scalars: st.SearchStrategy[Any] = st.sampled_from([None, 0, 1, 1.5, 2, 3, "", "ab", "abc", "b", True, False])
_dates = st.sampled_from([{"$date": "2024-01-01T00:00:00Z"}, {"$numberDecimal": "2.0"}])
_objects = st.dictionaries(st.sampled_from(["b", "c", "0"]), _scalars | st.lists(_scalars, max_size=2), max_size=2)
_values = _scalars | _dates | _objects | st.lists(_scalars | _objects | st.lists(_scalars, max_size=2), max_size=3)
_documents = st.dictionaries(st.sampled_from("abcd"), _values, max_size=4)
_plain_documents = st.dictionaries(st.sampled_from("abcd"), _scalars | _dates, max_size=4)
_paths = st.sampled_from(["a", "b", "c", "d", "a.b", "a.c", "a.0", "_id"])
_bounds = st.builds(lambda op, value: {op: value}, st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq"]), _values)
_operators: st.SearchStrategy[dict[str, Any]] = st.one_of(
    _bounds,
    st.builds(lambda low, high: {**low, **high}, _bounds, _bounds),
    st.builds(lambda values: {"$in": values}, st.lists(_values, max_size=3)),
    st.builds(lambda values: {"$nin": values}, st.lists(_scalars, max_size=2)),
    st.builds(lambda values: {"$all": values}, st.lists(_scalars, max_size=2)),
    st.builds(lambda there: {"$exists": there}, st.booleans()),
    st.builds(lambda name: {"$type": name}, st.sampled_from(["string", "number", "null", "array", "object"])),
    st.sampled_from([{"$regex": "^a"}, {"$regex": "^abc?"}, {"$regex": "b"}, {"$size": 2}, {"$ne": 1}]),
    st.builds(lambda low, high: {"$elemMatch": {**low, **high}}, _bounds, _bounds),
    st.builds(lambda low, high: {"$elemMatch": {"b": low, "c": high}}, _bounds, _bounds),
    st.builds(lambda inner: {"$not": inner}, _bounds),
)
_filters = st.dictionaries(_paths, _operators, max_size=3) | st.builds(
    lambda filters: {"$and": filters}, st.lists(st.dictionaries(_paths, _operators, max_size=2), min_size=1, max_size=2)
)
_sorts = st.none() | st.dictionaries(
    st.sampled_from(["a", "b", "c", "a.b", "_id"]), st.sampled_from([1, -1]), max_size=2
)
_projections = st.sampled_from([None, {"b": 1}, {"a": 1, "_id": 0}, {"b": 1, "c": 1, "d": 1}])


def collection(documents: list[dict[str, Any]], indexes: list[dict[str, Any]]) -> DocumentReader:
    runner = Runner()
    for specification in indexes:
        runner.one(commands.create_index("c", parse_index_definition(specification)))
        for build in runner.machine.index_builds():
            runner.one(commands.build_index(*build.ref[:1], *build.ref[1:], build.built_to, None))
    runner.one(commands.create_collection("c", {}))
    for number, document in enumerate(documents):
        id = f"d{number}" if number % 3 else number
        runner.one(commands.put("c", id, with_id(orjson.dumps(document), id)))
    return runner.machine.reader().collection("c")


def stored(reader: DocumentReader) -> list[dict[str, Any]]:
    return [orjson.loads(body) for _, body in reader.scan(b"", None)]


def page(query: FindQuery, reader: DocumentReader) -> FoundPage:
    *pauses, last = find(query, reader, Context())
    assert not any(pauses)
    assert last is not None
    return last


def pages(reader: DocumentReader, plan: str, filter: Any, sort: Any, limit: int) -> list[dict[str, Any]]:
    """Return what a plan gives, page after page."""
    after, found = None, []
    parsed = parse_filter(filter)
    order: Sort | None = None if sort is None else parse_sort(sort, "/sort")
    while True:
        part = page(FindQuery(filter=parsed, sort=order, limit=limit, hint=plan, after=after), reader)
        assert len(part.documents) <= limit
        found += [orjson.loads(body) for body in part.documents]
        after = part.after
        if after is None:
            return found


def plans(reader: DocumentReader, filter: Any) -> Iterator[str]:
    """Yield every plan that can answer, by its hint."""
    for name in ["_id_", *[index.name for index in reader.indexes]]:
        try:
            choose(Selection(filter=parse_filter(filter), hint=name), reader)
        except InvalidQuery:
            continue
        yield name


def key_of(document: dict[str, Any]) -> bytes:
    return id_key(document["_id"])


def check(reader: DocumentReader, filter: Any, sort: Any, limit: int) -> None:
    judge = parse_filter(filter)
    expected = sorted([document for document in stored(reader) if judge.matches(document)], key=key_of)
    for plan in plans(reader, filter):
        found = pages(reader, plan, filter, sort, limit)
        assert sorted(found, key=key_of) == expected, plan
        if sort is not None:
            keys = [parse_sort(sort, "").key(document) for document in found]
            assert keys == sorted(keys), plan
        *_, total = count(Selection(filter=judge, hint=plan), reader, Context())
        assert total is not None
        assert total[0] == len(expected), plan


@pytest.mark.parametrize(
    ("document", "filter"),
    [
        ({"a": [1, 5]}, {"a": {"$gt": 4, "$lt": 2}}),
        ({"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]}, {"a.b": 1, "a.c": 4}),
        ({"a": [1, 5]}, {"a": {"$all": [1, 5]}}),
        ({"a": [[1, 2]]}, {"a": [1, 2]}),
        ({"a": [[1], 2]}, {"a": [[1], 2]}),
        ({"a": []}, {"a": []}),
        ({"a": []}, {"a": {"$exists": True}}),
        ({"a": [{"b": 1}, {}]}, {"a.b": None}),
        ({"a": {"b": [1, 7]}}, {"a.b": {"$elemMatch": {"$gt": 6}}}),
        ({"b": 1}, {"a": None}),
        ({"a": 1.0}, {"a": {"$lte": 1}}),
        ({"a": [3, 1, 2]}, {"a": {"$in": [1, 2, 3]}}),
    ],
)
@pytest.mark.parametrize("order", [None, {"a": 1}, {"a": -1}, {"b": 1, "a": -1}])
def test_arrays_are_found_by_every_index_and_given_once(document: Any, filter: Any, order: Any) -> None:
    reader = collection([document, {"a": 9}, document, {"a": [9, 8], "b": 3}], INDEXES)
    assert [found for found in stored(reader) if parse_filter(filter).matches(found)]
    check(reader, filter, order, 1)


def test_the_narrowest_index_is_chosen_and_read_no_further_than_the_page() -> None:
    reader = collection([{"a": n % 7, "b": n % 5, "c": n} for n in range(300)], INDEXES)
    query = FindQuery(filter=parse_filter({"a": 3}), sort=parse_sort({"b": -1}, ""), limit=10)
    found = page(query, reader)
    assert (found.plan.name, found.plan.sort, found.counters.keys_examined) == ("ab", "index", 11)


def test_full_page_is_given_without_looking_for_another_match_in_the_whole_collection() -> None:
    reader = collection([{"a": n} for n in range(300)], [])
    found = page(FindQuery(filter=parse_filter({"a": 0}), limit=1, documents_max=1), reader)
    assert (len(found.documents), found.after is None) == (1, False)
    assert found.counters.documents_examined < 100
    rest = page(FindQuery(filter=parse_filter({"a": 0}), limit=1, after=found.after), reader)
    assert (rest.documents, rest.after) == ([], None)


def test_cursor_goes_on_in_the_index_it_is_of_and_in_no_other_of_its_name() -> None:
    reader = collection([{"a": n} for n in range(5)], INDEXES[:1])
    query = FindQuery(filter=parse_filter({"a": {"$gte": 1}}), limit=1, hint="a")
    after = page(query, reader).after
    assert after is not None
    assert page(replace(query, after=after, hint=None), reader).plan.name == "a"
    with pytest.raises(InvalidCursor):
        page(replace(query, after=after._replace(index_id=99)), reader)


def test_a_range_of_an_index_is_counted_without_reading_a_document() -> None:
    reader = collection([{"a": n % 7} for n in range(300)], INDEXES)
    *_, counted = count(Selection(filter=parse_filter({"a": {"$gte": 5}})), reader, Context())
    assert counted is not None
    assert (counted[0], counted[2].documents_examined) == (85, 0)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(_documents, max_size=12),
    st.lists(st.sampled_from(INDEXES), max_size=4, unique_by=lambda spec: spec["name"]),
    _filters,
    _sorts,
    st.integers(1, 5),
)
def test_every_plan_gives_what_a_full_scan_gives(
    documents: list[dict[str, Any]], indexes: list[dict[str, Any]], filter: Any, sort: Any, limit: int
) -> None:
    check(collection(documents, indexes), filter, sort, limit)


@settings(max_examples=200, deadline=None)
@given(st.lists(_plain_documents, max_size=12), _filters, _sorts, st.integers(1, 5), _projections)
def test_every_plan_over_indexes_without_arrays_gives_what_a_full_scan_gives(
    documents: list[dict[str, Any]], filter: Any, sort: Any, limit: int, projection: Any
) -> None:
    reader = collection(documents, INDEXES)
    check(reader, filter, sort, limit)
    judge = parse_filter(filter)
    wanted = None if projection is None else parse_projection(projection, "/projection")
    shown = [document if wanted is None else wanted.apply(document, judge, Context()) for document in stored(reader)]
    expected = [out for out, document in zip(shown, stored(reader), strict=True) if judge.matches(document)]
    for plan in plans(reader, filter):
        query = FindQuery(filter=judge, projection=wanted, limit=100, hint=plan)
        found = [orjson.loads(body) for body in page(query, reader).documents]
        assert sorted(found, key=orjson.dumps) == sorted(expected, key=orjson.dumps), plan


def test_distinct_values_come_in_order_and_in_steps() -> None:
    reader = collection([{"a": [n, str(n), n / 2]} for n in range(1000)], [])
    *pauses, last = distinct(Selection(filter=parse_filter({})), ("a",), reader, Context())
    assert last is not None
    wanted = sorted({*range(1000), *[n / 2 for n in range(1000)]})
    assert last[0] == [*wanted, *sorted(map(str, range(1000)))]
    assert len(pauses) >= 2 * len(last[0]) // 256
    assert not any(pauses)


def test_an_array_of_many_elements_is_found_by_one_of_many_values_once() -> None:
    documents: list[dict[str, Any]] = [{"a": list(range(start, start + 500, 2))} for start in range(0, 1000, 100)]
    reader = collection(documents, INDEXES[:2])
    check(reader, {"a": {"$in": list(range(1, 4000, 2))}}, None, 3)
    check(reader, {"a": {"$in": list(range(0, 4000, 3))}}, {"a": -1}, 4)


def test_what_many_conditions_on_one_path_say_is_left_to_the_filter_beyond_some() -> None:
    reader = collection([{"a": n % 50, "b": n} for n in range(300)], [INDEXES[0], INDEXES[2]])
    several = [{"a": {"$gt": n - 60}} for n in range(80)] + [{"a": {"$in": list(range(10, 60))}}] * 20
    check(reader, {"$and": several}, None, 50)
    check(reader, {"$and": several[::-1]}, {"a": -1}, 50)
    check(reader, {"$and": [*several, {"b": {"$lt": 250}}]}, {"b": 1}, 50)


def test_planning_does_not_grow_with_indexes_that_begin_alike() -> None:
    alike = [{"name": f"i{number}", "fields": {"a": 1, f"b{number}": 1}} for number in range(20)]
    reader = collection([{"a": n} for n in range(50)], alike)
    plans = candidates(Wanted(parse_filter({"a": {"$in": list(range(2000))}})), reader)
    first, *others = [plan for plan in plans if plan.index is not None]
    assert (len(first.ranges), len(others)) == (2000, 19)
    assert all(plan.ranges is first.ranges for plan in others)
