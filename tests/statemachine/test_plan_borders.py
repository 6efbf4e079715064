"""Plans at the borders: numbers of all kinds, values of all types, disjunctions, unique, sparse and partial indexes.

Every plan gives what a full scan gives, as in test_plans, also without a hint, for distinct values and for counts.
"""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from raftdoc.document.value import sort_key
from raftdoc.query.context import Context
from raftdoc.query.filter import parse_filter
from raftdoc.query.find import FindQuery, Selection, distinct
from raftdoc.query.projection import parse_projection
from raftdoc.query.reader import DocumentReader
from raftdoc.query.sort import parse_sort

from .test_plans import check, collection, key_of, page, plans, stored

INDEXES: list[dict[str, Any]] = [
    {"name": "a", "fields": {"a": 1}},
    {"name": "unique_a", "fields": {"a": 1}, "unique": True},
    {"name": "unique_sparse", "fields": {"a": -1}, "unique": True, "sparse": True},
    {"name": "sparse_ab", "fields": {"a": 1, "b": 1}, "sparse": True},
    {"name": "sparse_a.b", "fields": {"a.b": 1}, "sparse": True},
    {"name": "partial_there", "fields": {"b": 1}, "partial": {"a": {"$exists": True}}},
    {"name": "partial_is", "fields": {"c": 1, "a": -1}, "partial": {"b": 1}},
    {"name": "partial_own", "fields": {"a": 1}, "partial": {"a": {"$gt": 1}}},
    {"name": "partial_both", "fields": {"a": -1}, "partial": {"$and": [{"b": {"$gte": 0}}, {"c": {"$lt": 3}}]}},
    {"name": "partial_null", "fields": {"b": 1}, "partial": {"c": None}},
    {"name": "id", "fields": {"b": -1, "_id": 1}},
    {"name": "abc", "fields": {"a": -1, "b": 1, "c": -1}},
]
_numbers: st.SearchStrategy[Any] = st.sampled_from(
    [-(2**63), -1.5, -1, -0.0, 0, 1e-300, 0.1, 1, 1.0, 2, 3, 2**53, float(2**53), 2**53 + 1, 2**63 - 1, 2.0**63, 1e300]
) | st.sampled_from(["0.1", "0.10000000000000000555", "1", "9007199254740993", "-0", "1E+400"]).map(
    lambda text: {"$numberDecimal": text}
)
_others: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        "",
        "\0",
        "a",
        "a\0",
        "ab",
        "\uffff",
        "\U00010000",
        {},
        {"b": 1},
        {"b": 1.0},
        {"b": {"c": 1}},
        {"$date": "1969-12-31T23:59:59.999Z"},
        {"$date": "2024-01-01T00:00:00Z"},
        {"$oid": "65f0c0ffee65f0c0ffee65f0"},
        {"$binary": {"base64": "AA==", "subType": "00"}},
        {"$binary": {"base64": "", "subType": "05"}},
    ]
)
_scalars = _numbers | _others
_values = _scalars | st.lists(_scalars | st.lists(_scalars, max_size=2), max_size=3)
_documents = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)
_bounds = st.builds(
    lambda op, value: {op: value}, st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]), _values
)
_operators: st.SearchStrategy[Any] = st.one_of(
    _bounds,
    st.builds(lambda low, high: {**low, **high}, _bounds, _bounds),
    st.builds(lambda values: {"$in": values}, st.lists(_values, max_size=3)),
    st.builds(lambda inner: {"$not": inner}, _bounds),
    st.builds(lambda low, high: {"$elemMatch": {**low, **high}}, _bounds, _bounds),
    st.sampled_from(
        [{"$exists": True}, {"$exists": False}, {"$type": "number"}, {"$type": "double"}, {"$type": "int"}]
    ),
    st.sampled_from([{"$regex": "^a"}, {"$regex": "^a", "$options": "i"}, {"$mod": [2, 0]}, {"$in": []}, {"$all": []}]),
)
_members = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b", "a.0", "_id"]), _operators | _values, max_size=2)
_filters = st.recursive(
    _members,
    lambda inner: st.builds(
        lambda name, branches, members: {name: branches, **members},
        st.sampled_from(["$or", "$and", "$nor"]),
        st.lists(inner, min_size=1, max_size=3),
        _members,
    ),
    max_leaves=5,
)
_sorts = st.none() | st.dictionaries(st.sampled_from(["a", "b", "c", "_id"]), st.sampled_from([1, -1]), max_size=3)
_projections = st.sampled_from(
    [{"a": 1}, {"a": 1, "_id": 0}, {"a.b": 1, "_id": 0}, {"b": 1}, {"a": 1, "b": 1, "c": 1}, {"c": 1, "a": 1, "_id": 0}]
)


def check_shown(reader: DocumentReader, filter: Any, projection: Any) -> None:
    """Check what is shown of the documents, from documents or from an index alone."""
    judge, wanted = parse_filter(filter), parse_projection(projection, "")
    matching = [document for document in stored(reader) if judge.matches(document)]
    expected = sorted(_canonical(wanted.apply(document, judge, Context())) for document in matching)
    for plan in [None, *plans(reader, filter)]:
        found = page(FindQuery(filter=judge, projection=wanted, limit=100, hint=plan), reader).documents
        assert sorted(_canonical(orjson.loads(body)) for body in found) == expected, plan


def check_chosen(reader: DocumentReader, filter: Any, sort: Any) -> None:
    """Check the plan that is chosen, and the distinct values."""
    judge = parse_filter(filter)
    expected = [document for document in stored(reader) if judge.matches(document)]
    order = None if sort is None else parse_sort(sort, "")
    found = list(map(orjson.loads, page(FindQuery(filter=judge, sort=order, limit=100), reader).documents))
    assert sorted(found, key=key_of) == sorted(expected, key=key_of)
    if order is not None:
        keys = [order.key(document) for document in found]
        assert keys == sorted(keys)
    *_, answer = distinct(Selection(filter=judge), ("a",), reader, Context())
    assert answer is not None
    values = [value for document in expected if "a" in document for value in _spread(document["a"])]
    assert list(map(sort_key, answer[0])) == sorted(set(map(sort_key, values)))


def _canonical(document: dict[str, Any]) -> bytes:
    """Return a document as text, with its own members, but not those of its values, in one order."""
    return orjson.dumps(sorted(document.items()))


def _spread(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(_documents, max_size=10),
    st.lists(st.sampled_from(INDEXES), max_size=4, unique_by=lambda spec: spec["name"]),
    _filters,
    _sorts,
    _projections,
    st.integers(1, 4),
)
def test_every_plan_gives_what_a_full_scan_gives_at_the_borders(
    documents: list[dict[str, Any]], indexes: list[dict[str, Any]], filter: Any, sort: Any, projection: Any, limit: int
) -> None:
    reader = collection(documents, indexes)
    check(reader, filter, sort, limit)
    check_chosen(reader, filter, sort)
    check_shown(reader, filter, projection)
