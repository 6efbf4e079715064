"""Index keys: in the total order, bounded, and enough to find every document that a filter means."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from raftdoc.document import compare, encode_key
from raftdoc.document.path import MISSING, values_at
from raftdoc.errors import NotIndexable
from raftdoc.limits import INDEX_ENTRIES_PER_DOCUMENT_MAX, INDEX_KEY_BYTES_MAX
from raftdoc.query.index_definition import parse_index_definition
from raftdoc.query.index_keys import IndexKeyMaker, decode_values, encode_part
from tests.document.values import json_values, scalars


def maker(fields: dict[str, int], **options: object) -> IndexKeyMaker:
    return IndexKeyMaker(parse_index_definition({"name": "x", "fields": fields, **options}))


def values(fields: dict[str, int], document: dict[str, object], **options: object) -> list[list[object]]:
    """Return the values of the entries of a document, as they are decoded."""
    entries = maker(fields, **options).entries(document).entries
    return [decode_values(key, exact) for key, exact in entries.items()]


@pytest.mark.parametrize(
    ("fields", "document", "expected"),
    [
        ({"a": 1}, {"a": 3}, [[3]]),
        ({"a": -1}, {"a": "x"}, [["x"]]),
        ({"a": 1}, {"a": None}, [[None]]),
        ({"a": 1}, {}, [[MISSING]]),
        ({"a": 1}, {"a": {"b": 1}}, [[{"b": 1}]]),
        ({"a.b": 1}, {"a": {"b": 1}}, [[1]]),
        ({"a.b": 1}, {"a": 7}, [[MISSING]]),
        ({"a.b": 1}, {"a": {"$date": "2024-05-01T12:00:00Z"}}, [[MISSING]]),
        ({"a": 1}, {"a": [3, 1, 3]}, [[3], [1]]),
        ({"a": 1}, {"a": []}, [[[]]]),
        ({"a": -1}, {"a": []}, [[[]]]),
        ({"a": 1}, {"a": [[1, 2], 3]}, [[[1, 2]], [3]]),
        ({"a": 1}, {"a": [[]]}, [[[]]]),
        ({"a.b": 1}, {"a": []}, [[MISSING]]),
        ({"a.b": 1}, {"a": [{"b": 1}, {"b": [2, 3]}, {}, 4]}, [[1], [2], [3], [MISSING]]),
        ({"a.b": 1}, {"a": [[{"b": 1}]]}, [[MISSING]]),
        ({"a.0": 1}, {"a": [7, 8]}, [[7]]),
        ({"a.2": 1}, {"a": [7, 8]}, [[MISSING]]),
        ({"a.0": 1}, {"a": {"0": 5}}, [[5]]),
        ({"a.0": 1}, {"a": [{"0": 5}, 6]}, [[5], [MISSING], [{"0": 5}]]),
        ({"a.0": 1}, {"a": [{}, 6]}, [[MISSING], [{}]]),
        ({"a.0": 1}, {"a": [{"$date": "2024-05-01T12:00:00Z"}]}, [[{"$date": "2024-05-01T12:00:00Z"}]]),
        ({"a.0.b": 1}, {"a": [[{"b": 1}, {"b": 2}]]}, [[1], [2]]),
        ({"a": 1, "b": -1}, {"a": 1, "b": 2}, [[1, 2]]),
        ({"a": 1, "b": 1}, {"a": [1, 2], "b": "x"}, [[1, "x"], [2, "x"]]),
        ({"a.b": 1, "a.c": 1}, {"a": [{"b": 1, "c": 2}, {"b": 3}]}, [[1, 2], [3, MISSING]]),
        ({"a.b": 1, "c": 1, "a": 1}, {"a": [{"b": 1}], "c": 9}, [[1, 9, {"b": 1}]]),
        ({"a.b": 1, "a.c": 1}, {"a": [{"b": [1, 2], "c": 5}]}, [[1, 5], [2, 5]]),
    ],
)
def test_entries_of_a_document(fields, document, expected) -> None:
    assert values(fields, document) == expected


@pytest.mark.parametrize(
    ("fields", "document", "expected"),
    [
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, (False, False)),
        ({"a": 1, "b": 1}, {"a": [1], "b": 2}, (True, False)),
        ({"a": 1, "b": 1}, {"a": [], "b": 2}, (True, False)),
        ({"a.b": 1, "a.c": 1}, {"a": [{"b": 1}]}, (True, True)),
        ({"a.0": 1, "b": 1}, {"a": [1]}, (True, False)),
        ({"a.0": 1}, {"a": []}, (True,)),
    ],
)
def test_array_on_the_path_of_a_field_is_noted(fields, document, expected) -> None:
    assert maker(fields).entries(document).multikey_paths == expected


@pytest.mark.parametrize(
    ("document", "count"),
    [({"a": 1}, 1), ({"b": 1}, 1), ({"c": 1}, 0), ({"a": None}, 1), ({"a": []}, 1), ({"a": [{}, 1]}, 2)],
)
def test_sparse_index_leaves_out_documents_without_any_of_the_fields(document, count) -> None:
    assert len(values({"a": 1, "b": 1}, document, sparse=True)) == count


def test_elements_without_the_field_are_not_in_a_sparse_index() -> None:
    assert values({"a.b": 1}, {"a": [{"b": 1}, {}, 2]}, sparse=True) == [[1]]


def test_partial_index_has_the_documents_that_its_filter_matches() -> None:
    partial = {"state": "open", "n": {"$gte": 5}}
    assert values({"a": 1}, {"a": 1, "state": "open", "n": 5}, partial=partial) == [[1]]
    assert values({"a": 1}, {"a": 1, "state": "open", "n": 4}, partial=partial) == []


@pytest.mark.parametrize(
    ("fields", "document", "mongo_code"),
    [
        ({"a": 1}, {"a": "x" * INDEX_KEY_BYTES_MAX}, 17280),
        ({"a": 1}, {"a": [1, "x" * INDEX_KEY_BYTES_MAX]}, 17280),
        ({"a": 1, "b": 1}, {"a": [1], "b": [2]}, 171),
        ({"a": 1, "b": 1}, {"a": [1], "b": []}, 171),
        ({"a.b": 1, "a.c": 1}, {"a": [{"b": [1], "c": [2]}]}, 171),
        ({"a": 1}, {"a": list(range(INDEX_ENTRIES_PER_DOCUMENT_MAX + 1))}, 67),
        ({"a.b": 1}, {"a": [{"b": [1] * 100}] * 100}, 67),
    ],
)
def test_document_that_an_index_cannot_take_is_refused(fields, document, mongo_code) -> None:
    with pytest.raises(NotIndexable) as caught:
        maker(fields).entries(document)
    assert (caught.value.index, caught.value.mongo_code) == ("x", mongo_code)


def test_as_many_entries_as_may_be_are_taken() -> None:
    assert len(values({"a": 1}, {"a": list(range(INDEX_ENTRIES_PER_DOCUMENT_MAX))})) == INDEX_ENTRIES_PER_DOCUMENT_MAX


@given(json_values, json_values, st.booleans())
def test_order_of_value_keys_is_the_total_order(left, right, descending) -> None:
    keys = [encode_part(value, descending=descending) for value in (left, right)]
    order = (keys[0] > keys[1]) - (keys[0] < keys[1])
    assert order == compare(left, right) * (-1 if descending else 1)


@given(json_values, st.booleans())
def test_missing_is_null_and_an_empty_array_comes_before(value, descending) -> None:
    down = {"descending": descending}
    assert encode_part(MISSING, **down) == encode_part(None, **down)
    ((empty, _),) = maker({"a": -1 if descending else 1}).entries({"a": []}).entries.items()
    key = encode_part(value, **down)
    assert empty > key if descending else empty < key


pairs = st.tuples(scalars, scalars)


@given(pairs, pairs, st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])))
def test_compound_keys_order_by_each_field_in_its_direction(left, right, directions) -> None:
    def key(values):
        entries = maker({"a": directions[0], "b": directions[1]}).entries(dict(zip("ab", values, strict=True)))
        return next(iter(entries.entries))

    orders = (compare(one, other) * way for one, other, way in zip(left, right, directions, strict=True))
    expected = next((order for order in orders if order), 0)
    assert (key(left) > key(right)) - (key(left) < key(right)) == expected


_names = st.sampled_from(["a", "b", "0", "1"])
_trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=10
)
documents = st.dictionaries(_names, _trees, max_size=4)
paths = st.lists(_names, min_size=1, max_size=3).map(".".join)


@given(documents, paths, st.sampled_from([1, -1]))
def test_every_value_that_a_filter_may_meet_has_its_entry(document, path, direction) -> None:
    """But arrays as a whole, of which the elements have theirs."""
    entries = maker({path: direction}).entries(document).entries
    for value in values_at(document, tuple(path.split("."))):
        if not isinstance(value, list):
            assert encode_part(value, descending=direction < 0) in entries, value
        elif value:
            assert any(encode_key(one, descending=direction < 0) in entries for one in (value, *value)), value
    assert entries


@given(documents, paths, paths)
def test_entries_say_the_values_exactly_as_they_are_stored(document, path, other) -> None:
    fields = {path: 1, other: -1} if path != other else {path: 1}
    assume(not _has_parallel_arrays(fields, document))
    entries = maker(fields).entries(document).entries
    reached = [_with_elements(values_at(document, tuple(name.split(".")))) for name in fields]
    for key, exact in entries.items():
        for value, known in zip(decode_values(key, exact), reached, strict=True):
            assert value is MISSING or value == [] or _text(value) in known


@given(documents)
def test_entries_of_a_field_by_its_name_are_read_back(document) -> None:
    value = document.get("a", MISSING)
    if isinstance(value, list):
        return
    ((decoded,),) = values({"a": 1}, document)
    assert decoded is value if value is MISSING else _text(decoded) == _text(value)


def _with_elements(found: list[object]) -> list[bytes]:
    """Return values as JSON, and the elements of those that are arrays: a position may lead to an array."""
    elements = [element for value in found if isinstance(value, list) for element in value]
    return [_text(value) for value in (*found, *elements) if value is not MISSING]


def _has_parallel_arrays(fields: dict[str, int], document: dict[str, object]) -> bool:
    try:
        maker(fields).entries(document)
    except NotIndexable as error:
        return error.mongo_code == 171
    return False


def _text(value: object) -> bytes:
    return orjson.dumps(value)
