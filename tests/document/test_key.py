"""Keys: memcmp order is the order of values, they delimit themselves, and they come back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.document import compare, decode_key, encode_key
from raftdoc.errors import StateCorrupt

from .values import json_values, scalars


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _order(left: bytes, right: bytes) -> int:
    return (left > right) - (left < right)


@given(json_values, json_values)
def test_order_of_keys_is_the_order_of_values(left, right) -> None:
    assert _order(encode_key(left), encode_key(right)) == compare(left, right)


@given(scalars, scalars)
def test_order_of_keys_is_the_order_of_scalars(left, right) -> None:
    assert _order(encode_key(left), encode_key(right)) == compare(left, right)


@given(json_values, json_values)
def test_descending_keys_have_the_opposite_order(left, right) -> None:
    assert _order(encode_key(left, descending=True), encode_key(right, descending=True)) == -compare(left, right)


@given(json_values)
def test_key_decodes_to_an_equal_value(value) -> None:
    key = encode_key(value)
    decoded, offset = decode_key(key)
    assert offset == len(key)
    assert compare(decoded, value) == 0
    assert encode_key(decoded) == key


@given(st.lists(st.tuples(json_values, st.booleans()), max_size=5), st.binary(max_size=3))
def test_keys_delimit_themselves_in_any_mix_of_directions(parts, tail) -> None:
    data = b"".join(encode_key(value, descending=descending) for value, descending in parts)
    offset = 0
    for value, _ in parts:
        decoded, offset = decode_key(data + encode_key(None) + tail, offset)
        assert compare(decoded, value) == 0
    assert offset == len(data)


compounds = st.lists(scalars, min_size=2, max_size=2)


@given(compounds, compounds, st.tuples(st.booleans(), st.booleans()))
def test_compound_keys_order_by_each_part_in_its_direction(left, right, directions) -> None:
    def key(values):
        return b"".join(encode_key(value, descending=down) for value, down in zip(values, directions, strict=True))

    expected = 0
    for one, other, down in zip(left, right, directions, strict=True):
        if expected == 0:
            expected = compare(one, other) * (-1 if down else 1)
    assert _order(key(left), key(right)) == expected


@given(json_values, json_values)
def test_no_key_is_a_prefix_of_another(left, right) -> None:
    left_key, right_key = encode_key(left), encode_key(right)
    assert left_key == right_key or not right_key.startswith(left_key)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, "10"),
        (False, "7000"),
        (True, "7001"),
        ("", "3000"),
        ("a\0b\1", "3061010162010200"),
        (0, "20800000000000000000"),
        (-0.0, "20800000000000000000"),
        (1, "20bff000000000000000"),
        (1.0, "20bff000000000000000"),
        (-1, "20400fffffffffffff00"),
        ((1 << 53) + 1, "20c34000000000000001800f5b08145d374b0a5e00"),
        ([1, "a"], "5020bff00000000000000030610000"),
        ({"a": True}, "407061000100"),
        ({"$date": "1970-01-01T00:00:00Z"}, "788000000000000000"),
        ({"$oid": "65f0c0ffee65f0c0ffee65f0"}, "6865f0c0ffee65f0c0ffee65f0"),
        ({"$binary": {"base64": "aGk=", "subType": "00"}}, "6000000002006869"),
        ({"$numberDecimal": "0.1"}, "20bfb9999999999999017fff0b00"),
    ],
)
def test_keys_never_change_because_they_are_on_disk(value, key) -> None:
    assert encode_key(value).hex() == key


def test_numbers_of_equal_value_have_one_key() -> None:
    keys = {encode_key(value) for value in (7, 7.0, {"$numberDecimal": "7.00"}, {"$numberDecimal": "0.7E1"})}
    assert len(keys) == 1


def test_booleans_are_no_numbers() -> None:
    assert encode_key(True) != encode_key(1)
    assert encode_key(False) != encode_key(0)


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([-1, 0, 1]))
def test_neighbours_of_large_integers_stay_apart(number, step) -> None:
    other = max(-(1 << 63), min((1 << 63) - 1, number + step))
    assert _order(encode_key(number), encode_key(other)) == _sign(number - other)
    assert decode_key(encode_key(number))[0] == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back_exactly(number) -> None:
    decoded, _ = decode_key(encode_key(number))
    assert decoded == number
    assert math.copysign(1, decoded) == math.copysign(1, number) or number == 0


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x30abc", b"\x20\x80", b"\x50\x10", b"\x60\x00\x00\x00\x05\x00a", b"\x01"]
)
def test_what_is_no_key_is_refused(data) -> None:
    with pytest.raises(StateCorrupt):
        decode_key(data)
