"""The order of documents, as bytes; and the sorter that keeps the first of them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from raftdoc.document import encode_key
from raftdoc.errors import InvalidQuery, QueryOverBudget
from raftdoc.limits import SORT_BYTES_MAX
from raftdoc.query.sort import parse_sort
from raftdoc.query.sorter import RUN_ROWS, Sorter


def ordered(sort: Any, values: list[dict[str, Any]]) -> list[Any]:
    documents = [{"_id": place, **value} for place, value in enumerate(values)]
    return [document["_id"] for document in sorted(documents, key=parse_sort(sort, "").total_key)]


def test_order_is_the_total_order_with_missing_as_null_and_empty_arrays_first() -> None:
    values: list[dict[str, Any]] = [{"a": "x"}, {"a": 1}, {}, {"a": None}, {"a": []}, {"a": {}}, {"a": True}]
    assert ordered({"a": 1}, values) == [4, 2, 3, 1, 0, 5, 6]
    assert ordered({"a": -1}, values) == [6, 5, 0, 1, 2, 3, 4]


def test_array_counts_by_its_least_element_ascending_and_by_its_greatest_descending() -> None:
    values: list[dict[str, Any]] = [{"a": [2, 9]}, {"a": [1, 3]}, {"a": 5}]
    assert ordered({"a": 1}, values) == [1, 0, 2]
    assert ordered({"a": -1}, values) == [0, 2, 1]


def test_fields_count_one_after_the_other_each_in_its_direction() -> None:
    values = [{"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 2}}, {"a": 0, "b": {"c": 3}}]
    assert ordered({"a": 1, "b.c": -1}, values) == [2, 1, 0]


def nested(levels: int, value: Any) -> Any:
    for _ in range(levels):
        value = [{"0": value}]
    return value


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ([f"a.b{number}" for number in range(32)], [{}] * 100_000),
        (["a" + ".0" * 96 + f".z{number}" for number in range(32)], nested(48, [1] * 15_000)),
        ([f"a{'.b' * number}" for number in range(32)], {"b": {"b": {"b": {"b": {"b": {"b": [[0] * 400_000]}}}}}}),
    ],
)
def test_fields_times_elements_are_bounded(fields: list[str], value: Any) -> None:
    with pytest.raises(QueryOverBudget) as caught:
        parse_sort(dict.fromkeys(fields, 1), "/sort").key({"a": value})
    assert (caught.value.pointer, caught.value.mongo_code) == ("/sort", 146)


def test_one_field_goes_through_an_array_of_any_length() -> None:
    assert parse_sort({"a": 1, "b": 1}, "/sort").key({"a": [2, 1] * 200_000}) == encode_key(1) + encode_key(None)


@pytest.mark.parametrize(
    ("sort", "pointer", "code"),
    [
        ([], "/sort", 15973),
        ({"a": "asc"}, "/sort/a", 15974),
        ({"a": 2}, "/sort/a", 15975),
        ({"a": 0}, "/sort/a", 15975),
        ({"a": {"$meta": "textScore"}}, "/sort/a", 40218),
        ({"$a": 1}, "/sort/$a", 16410),
        ({str(n): 1 for n in range(33)}, "/sort", 13103),
    ],
)
def test_sort_is_refused_at_its_place_with_its_number(sort: Any, pointer: str, code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_sort(sort, "/sort")
    assert (caught.value.pointer, caught.value.mongo_code) == (pointer, code)


@pytest.mark.parametrize("wanted", [None, 1, 10, 300])
def test_sorter_gives_the_first_rows_in_order_and_keeps_no_more_than_it_must(wanted: int | None) -> None:
    numbers = list(range(5 * RUN_ROWS))
    Random(1).shuffle(numbers)
    sorter = Sorter(wanted)
    for number in numbers:
        sorter.add(encode_key(number), number, 8)
        for _ in sorter.settle():
            pass
    assert [row for _, row in sorter.rows()] == sorted(numbers)[:wanted]


def test_sorter_refuses_to_hold_more_than_its_bytes() -> None:
    sorter = Sorter(None)
    sorter.add(b"a", None, SORT_BYTES_MAX // 2)
    with pytest.raises(QueryOverBudget) as caught:
        sorter.add(b"b", None, SORT_BYTES_MAX // 2)
    assert (caught.value.pointer, caught.value.mongo_code) == ("/sort", 292)
