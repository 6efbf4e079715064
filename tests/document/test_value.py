"""The one order over all values, and tagged scalars."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given

from raftdoc.document import compare, sort_key
from raftdoc.document.tagged import binary_of, date_ms_of, decimal_of, object_id_of
from raftdoc.errors import InvalidDocument

from .values import json_values, numbers

ASCENDING = [
    None,
    {"$numberDecimal": "-Infinity"},
    {"$numberDecimal": "-1E6000"},
    -1.7976931348623157e308,
    -(1 << 63),
    -(1 << 53) - 1,
    -(2.0**53),
    -1.5,
    -1,
    {"$numberDecimal": "-1E-6000"},
    0,
    {"$numberDecimal": "1E-6000"},
    5e-324,
    {"$numberDecimal": "0.1"},
    0.1,
    0.5,
    1,
    {"$numberDecimal": "1.000000000000000000000000000000001"},
    2.0**53,
    (1 << 53) + 1,
    (1 << 63) - 1,
    2.0**63,
    {"$numberDecimal": "Infinity"},
    "",
    "\0",
    "a",
    "a\0",
    "a\1",
    "aa",
    "b",
    "é",
    "\ue000",
    "😀",
    {},
    {"a": None},
    {"b": None},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 2},
    {"b": 1},
    {"a": "x"},
    {"a": {"z": 9}},
    {"a": []},
    [],
    [None],
    [None, None],
    [0],
    [1],
    [1, 0],
    ["a"],
    [[]],
    [True],
    {"$binary": {"base64": "", "subType": "00"}},
    {"$binary": {"base64": "/w==", "subType": "00"}},
    {"$binary": {"base64": "AA==", "subType": "01"}},
    {"$binary": {"base64": "AAA=", "subType": "00"}},
    {"$oid": "000000000000000000000000"},
    {"$oid": "FFFFFFFFFFFFFFFFFFFFFFFF"},
    False,
    True,
    {"$date": {"$numberLong": "-9223372036854775808"}},
    {"$date": "1969-12-31T23:59:59.999Z"},
    {"$date": "1970-01-01T00:00:00Z"},
    {"$date": "9999-12-31T23:59:59.999Z"},
]

EQUAL = [
    (1, 1.0),
    (0, -0.0),
    (7, {"$numberDecimal": "7.000"}),
    (0.5, {"$numberDecimal": "5E-1"}),
    ({"a": [1]}, {"a": [1.0]}),
    ({"$oid": "abcdefabcdefabcdefabcdef"}, {"$oid": "ABCDEFABCDEFABCDEFABCDEF"}),
    ({"$binary": {"base64": "AA==", "subType": "0"}}, {"$binary": {"base64": "AA==", "subType": "00"}}),
    ({"$date": "1970-01-01T00:00:01Z"}, {"$date": {"$numberLong": "1000"}}),
    ({"$date": "2024-05-01T12:00:00+02:00"}, {"$date": "2024-05-01T10:00:00.000Z"}),
    ({"$date": "2024-05-01T10:00Z"}, {"$date": "2024-05-01T04:30:00.0009-0530"}),
]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ASCENDING)))
def test_values_are_in_one_order(lower, higher) -> None:
    assert compare(lower, higher) == -1
    assert compare(higher, lower) == 1


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_values_that_mean_the_same_are_equal(left, right) -> None:
    assert compare(left, right) == 0


@pytest.mark.parametrize(("left", "right"), [(True, 1), (False, 0), ([True], [1]), ({"a": False}, {"a": 0}), ("1", 1)])
def test_values_of_other_types_are_not_equal(left, right) -> None:
    assert compare(left, right) != 0


def test_order_of_fields_counts() -> None:
    assert compare({"a": 1, "b": 2}, {"b": 2, "a": 1}) == -1


@given(json_values, json_values, json_values)
def test_order_is_total(one, two, three) -> None:
    assert compare(one, one) == 0
    assert compare(one, two) == -compare(two, one)
    if compare(one, two) <= 0 and compare(two, three) <= 0:
        assert compare(one, three) <= 0


def _exact(number):
    return decimal_of(number) if isinstance(number, dict) else Decimal(number)


@given(numbers, numbers)
def test_numbers_compare_exactly_across_types(left, right) -> None:
    expected = (_exact(left) > _exact(right)) - (_exact(left) < _exact(right))
    assert compare(left, right) == expected


def test_sort_key_sorts_a_list() -> None:
    shuffled = Random(1).sample(ASCENDING, len(ASCENDING))
    assert sorted(shuffled, key=sort_key) == ASCENDING


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (decimal_of, {"$numberDecimal": text})
        for text in (
            1,
            "",
            "NaN",
            "sNaN",
            "1_0",
            " 1",
            "1e",
            "٣",
            "1" * 35,
            "1E6145",
            "1E-6177",
            "1.1E-6176",
            "--1",
            "0" * 129,
        )
    ]
    + [
        (date_ms_of, {"$date": content})
        for content in (
            0,
            "2024-05-01",
            "2024-05-01T10:00:00",
            "2024-13-01T10:00:00Z",
            "2024-02-30T10:00:00Z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T10:60:00Z",
            "2024-05-01T10:00:60Z",
            "2024-05-01T10:00:00+24:00",
            "2024-05-01T10:00:00+01:60",
            "0000-01-01T00:00:00Z",
            {"$numberLong": 5},
            {"$numberLong": "9223372036854775808"},
            {"$numberLong": "1.5"},
            {},
        )
    ]
    + [(object_id_of, {"$oid": content}) for content in (1, "", "0" * 23, "g" * 24, "0" * 25)]
    + [
        (binary_of, {"$binary": content})
        for content in (
            "aGk=",
            {"base64": "aGk="},
            {"base64": "aGk", "subType": "00"},
            {"base64": "aG k=", "subType": "00"},
            {"base64": "aGk=\n", "subType": "00"},
            {"base64": "aGk=é", "subType": "00"},
            {"base64": 1, "subType": "00"},
            {"base64": "aGk=", "subType": "100"},
            {"base64": "aGk=", "subType": 0},
        )
    ],
)
def test_tagged_scalar_that_is_not_what_its_tag_says_is_refused(reader, value) -> None:
    with pytest.raises(InvalidDocument, match=r"\$"):
        reader(value)


@pytest.mark.parametrize(
    "text", ["1" * 34 + "0" * 40, "0" * 50 + "1", "1E6144", "1E-6176", ".5", "5.", "+1", "-Infinity"]
)
def test_decimals_within_decimal128_are_accepted(text) -> None:
    assert decimal_of({"$numberDecimal": text}) == Decimal(text)
