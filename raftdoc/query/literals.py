"""Values that stand in a query as themselves: checked tagged scalars, numbers that have to be whole, pointers."""

from __future__ import annotations

import math
from decimal import Decimal

from raftdoc.document.tagged import check_tagged, decimal_of, tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidDocument, InvalidQuery
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN


def child_pointer(pointer: str, name: str) -> str:
    """Return the JSON Pointer of a member or, by its number, of an element (RFC 6901)."""
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def check_literal(value: JsonValue, pointer: str) -> None:
    """Check the tagged scalars within a value.

    Raises:
        InvalidQuery: one is not what its tag says.
    """
    if isinstance(value, list):
        for place, element in enumerate(value):
            if isinstance(element, list | dict):
                check_literal(element, child_pointer(pointer, str(place)))
    elif isinstance(value, dict):
        if tag_of(value) is not None:
            try:
                check_tagged(value)
            except InvalidDocument as error:
                raise InvalidQuery(error.detail, pointer=pointer, mongo_code=2) from None
            return
        for name, member in value.items():
            if isinstance(member, list | dict):
                check_literal(member, child_pointer(pointer, name))


def is_number(value: JsonValue) -> bool:
    """Return whether a value is a number of any type; a boolean is none."""
    if isinstance(value, dict):
        return tag_of(value) == "$numberDecimal"
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_of(value: JsonValue) -> int | float | Decimal:
    """Return a value that `is_number` as one that Python compares."""
    if isinstance(value, dict):
        return decimal_of(value)
    assert isinstance(value, int | float), type(value)
    return value


def as_whole_number(value: JsonValue) -> int | None:
    """Return a number that has no fraction and fits in int64; None for anything else."""
    if not is_number(value):
        return None
    number = number_of(value)
    if not math.isfinite(number) or number != int(number):
        return None
    whole = int(number)
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else None
