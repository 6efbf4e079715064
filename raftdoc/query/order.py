"""The total order with MISSING in it, and keys by which equal values find each other.

missing < null < numbers < strings < ...        MISSING equals only MISSING: `{"$eq": ["$gone", null]}` is false
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from raftdoc.document.path import MISSING
from raftdoc.document.tagged import decimal_of
from raftdoc.document.value import sort_key
from raftdoc.query.extent import check_extent
from raftdoc.query.numbers import is_decimal, is_zero

_MISSING_KEY: Final = (0,)
_PLAIN: Final = frozenset({int, float, str})


def order_key(value: Any) -> tuple[Any, ...]:
    """Return a tuple that sorts as the value does, MISSING first.

    Raises:
        InvalidQuery: the value is too large or too deep to be compared.
    """
    if value is MISSING:
        return _MISSING_KEY
    check_extent(value)
    return sort_key(value)


def identity_key(value: Any) -> Hashable:
    """Return what equal values have in common and different ones have not: 1 and 1.0 one, true another.

    Strings and numbers stand for themselves, all others for a tuple, which equals none of them.
    """
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return]
    return decimal_of(value) if is_decimal(value) else order_key(value)


def compare_values(left: Any, right: Any) -> int:
    """Return -1, 0 or 1."""
    if type(left) in _PLAIN and type(left) is type(right):
        return int(left > right) - int(left < right)
    left_key, right_key = order_key(left), order_key(right)
    return (left_key > right_key) - (left_key < right_key)


def are_equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal; missing equals missing only."""
    kind = type(left)
    if kind in _PLAIN and kind is type(right):
        return bool(left == right)
    return order_key(left) == order_key(right)


def is_true(value: Any) -> bool:
    """Return whether a condition holds: all but false, zero, null and missing."""
    if value is True:
        return True
    if value is False or value is None or value is MISSING:
        return False
    kind = type(value)
    if kind is int or kind is float:
        return bool(value)
    return not (is_decimal(value) and is_zero(value))
