"""What each reading of a path reaches."""

from __future__ import annotations

import pytest

from raftdoc.document.path import MISSING, get_path, is_index, mapped_value, parse_path, values_at
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery


def reached(document: dict[str, JsonValue], text: str) -> list[object]:
    return list(values_at(document, tuple(text.split("."))))


def test_array_at_the_end_gives_its_elements_and_then_itself() -> None:
    assert reached({"a": [1, [2]]}, "a") == [1, [2], [1, [2]]]
    assert values_at({"a": [1]}, ("a",), expand_leaf=False) == [[1]]


def test_path_fans_out_over_the_objects_of_an_array() -> None:
    document: dict[str, JsonValue] = {"a": [{"b": 5}, 3, {}, {"b": [9, 11]}, {"b": 7}]}
    assert reached(document, "a.b") == [5, MISSING, 9, 11, [9, 11], 7]


def test_number_is_an_index_and_a_name() -> None:
    assert reached({"a": [5, {"1": 4}]}, "a.1") == [4, {"1": 4}]
    assert reached({"a": {"1": 4}}, "a.1") == [4]


def test_array_reached_by_index_is_not_taken_apart() -> None:
    assert reached({"a": [5, [2, 4]]}, "a.1") == [[2, 4]]


def test_array_in_an_array_is_entered_only_by_index() -> None:
    assert reached({"a": [[{"b": 1}]]}, "a.b") == []
    assert reached({"a": [[{"b": 1}]]}, "a.0.b") == [1]


def test_array_of_scalars_has_nothing_to_look_into() -> None:
    assert reached({"a": [1, 2]}, "a.b") == []
    assert reached({"a": 1}, "a.b") == [MISSING]


def test_no_path_leads_into_a_tagged_scalar() -> None:
    date: JsonValue = {"$date": "2024-01-01T00:00:00Z"}
    assert reached({"a": date}, "a.$date") == [MISSING]
    assert reached({"a": [date]}, "a.b") == []
    assert get_path({"a": date}, ("a", "$date")) is MISSING
    assert mapped_value({"a": date}, ("a", "$date")) is MISSING


def test_a_number_that_means_both_at_every_level_is_looked_for_once_in_each_array() -> None:
    value: JsonValue = 5
    for _ in range(30):
        value = [{"0": value}]
    document: dict[str, JsonValue] = {"a": value}
    assert 5 in values_at(document, ("a", *["0"] * 45))
    assert 5 in values_at(document, ("a", *["0"] * 30))
    assert 5 in values_at(document, ("a", *["0"] * 60))


def test_one_place_is_read_by_name_and_by_index() -> None:
    document: JsonValue = {"a": [{"b": 1}], "c": {"0": 2}}
    assert get_path(document, ("a", "0", "b")) == 1
    assert get_path(document, ("a", "b")) is MISSING
    assert get_path(document, ("a", "00")) is MISSING
    assert get_path(document, ("c", "0")) == 2


def test_expression_maps_over_arrays_and_knows_no_index() -> None:
    document: JsonValue = {"a": [{"b": 1}, {"b": [2, 3]}, {}, 4, [{"b": 5}]]}
    assert mapped_value(document, ("a", "b")) == [1, [2, 3]]
    assert mapped_value(document, ("a", "0")) == []
    assert mapped_value(document, ("x",)) is MISSING


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 40352),
        ("a.", 40353),
        ("a..b", 15998),
        (".a", 15998),
        ("a.$b", 16410),
        ("a\0", 16411),
        ("a." * 200 + "a", 15),
    ],
)
def test_path_that_cannot_be_is_refused_with_its_number(text: str, code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_path(text, "/sort")
    assert (caught.value.mongo_code, caught.value.pointer) == (code, "/sort")


@pytest.mark.parametrize(
    ("name", "expected"), [("0", True), ("10", True), ("01", False), ("", False), ("-1", False), ("²", False)]
)
def test_index_is_digits_without_a_leading_zero(name: str, expected: bool) -> None:
    assert is_index(name) is expected
