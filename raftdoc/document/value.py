"""JSON values, and the one order over all of them.

    missing and null < numbers < strings < objects < arrays < binary < object ids < booleans < dates

Numbers compare by value across int, float and decimal; strings by code point; objects field by field in
their stored order (rank of the value, then name, then value); arrays element by element; a prefix comes
first. `False == 0` and `True == 1` of Python never apply: a boolean is no number.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from raftdoc.document.tagged import binary_of, date_ms_of, decimal_of, object_id_of, tag_of

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A tagged scalar (`{"$date": ...}` and its like, see `tagged`) is a dict with one member."""

DocumentId: TypeAlias = "bool | int | float | str | dict[str, JsonValue]"
"""Any scalar but null; the dict is a tagged one."""

RANK_NULL: Final = 1
RANK_NUMBER: Final = 2
RANK_STRING: Final = 3
RANK_OBJECT: Final = 4
RANK_ARRAY: Final = 5
RANK_BINARY: Final = 6
RANK_OBJECT_ID: Final = 7
RANK_BOOLEAN: Final = 8
RANK_DATE: Final = 9

TAG_RANKS: Final = {
    "$numberDecimal": RANK_NUMBER,
    "$date": RANK_DATE,
    "$oid": RANK_OBJECT_ID,
    "$binary": RANK_BINARY,
}

_SCALAR_RANKS: Final[dict[type, int]] = {
    int: RANK_NUMBER,
    float: RANK_NUMBER,
    str: RANK_STRING,
    bool: RANK_BOOLEAN,
}


def compare(left: JsonValue, right: JsonValue) -> int:
    """Return -1, 0 or 1 as left is before, equal to or after right.

    Raises:
        InvalidDocument: a tagged scalar whose content is not what its tag says.
    """
    left_key, right_key = sort_key(left), sort_key(right)
    return (left_key > right_key) - (left_key < right_key)


def sort_key(value: JsonValue) -> tuple[Any, ...]:
    """Return a tuple that Python compares as `compare` compares the values. Only for comparing.

    Raises:
        InvalidDocument: a tagged scalar whose content is not what its tag says.
    """
    rank = _SCALAR_RANKS.get(type(value))
    if rank is not None:
        return rank, value
    if value is None:
        return (RANK_NULL,)
    if isinstance(value, list):
        return RANK_ARRAY, tuple([sort_key(element) for element in value])
    assert isinstance(value, dict), type(value)
    tag = tag_of(value)
    return _object_key(value) if tag is None else tagged_key(tag, value)


def rank_of(value: JsonValue) -> int:
    """Return the first member of a value's sort key, without making the key."""
    rank = _SCALAR_RANKS.get(type(value))
    if rank is not None:
        return rank
    if value is None:
        return RANK_NULL
    if isinstance(value, list):
        return RANK_ARRAY
    assert isinstance(value, dict), type(value)
    tag = tag_of(value)
    return RANK_OBJECT if tag is None else TAG_RANKS[tag]


def _object_key(value: dict[str, JsonValue]) -> tuple[Any, ...]:
    fields = []
    for name, member in value.items():
        key = sort_key(member)
        fields.append((key[0], name, key[1:]))
    return RANK_OBJECT, tuple(fields)


def tagged_key(tag: str, value: dict[str, JsonValue]) -> tuple[Any, ...]:
    """Return the sort key of a tagged scalar."""
    if tag == "$numberDecimal":
        return RANK_NUMBER, decimal_of(value)
    if tag == "$date":
        return RANK_DATE, date_ms_of(value)
    if tag == "$oid":
        return RANK_OBJECT_ID, object_id_of(value)
    subtype, data = binary_of(value)
    return RANK_BINARY, len(data), subtype, data
