"""Tests of one value: what each operator asks of what its path reached, as closures made once per filter.

Comparisons stay within one type class; null compares with missing as with itself. The tests are called once a
document: those over numbers and strings look at the type first and touch nothing else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from raftdoc.document.path import MISSING, Reached
from raftdoc.document.tagged import binary_of, decimal_of, tag_of
from raftdoc.document.value import RANK_NULL, JsonValue, sort_key
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.ast import Bits, Compare, CompareOp, In, Mod, Regex, TypeIs
from raftdoc.query.type_names import NUMBER_TYPES, type_name

Test: TypeAlias = Callable[[Reached], bool]

_ORDER: Final[dict[CompareOp, Callable[[Any, Any], bool]]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def compare_test(node: Compare) -> Test:
    """Return the test of `$eq $gt $gte $lt $lte` against one value."""
    value, compare = node.value, _ORDER[node.op]
    if value is None:
        is_wanted = node.op in ("$eq", "$gte", "$lte")
        return lambda reached: is_wanted and (reached is None or reached is MISSING)
    if isinstance(value, bool):
        return lambda reached: type(reached) is bool and compare(reached, value)
    if isinstance(value, str):
        return _string_test(node.op, value)
    if isinstance(value, int | float):
        return _number_test(node.op, value)
    wanted = sort_key(value)
    return _ranked_test(wanted, compare)


def _string_test(op: CompareOp, value: str) -> Test:
    if op == "$eq":
        return lambda reached: reached == value
    compare = _ORDER[op]
    return lambda reached: type(reached) is str and compare(reached, value)


def _number_test(op: CompareOp, value: float) -> Test:
    compare = _ORDER[op]

    def test(reached: Reached) -> bool:
        kind = type(reached)
        if kind is int or kind is float:
            return compare(reached, value)
        if isinstance(reached, dict) and tag_of(reached) == "$numberDecimal":
            return compare(decimal_of(reached), value)
        return False

    return test


def _ranked_test(wanted: tuple[object, ...], compare: Callable[[Any, Any], bool]) -> Test:
    rank = wanted[0]

    def test(reached: Reached) -> bool:
        if reached is MISSING:
            return False
        key = sort_key(reached)
        return key[0] == rank and compare(key, wanted)

    return test


def in_test(node: In) -> Test:
    """Return the test of membership; a hash look-up, whatever the number of values."""
    strings = frozenset(value for value in node.values if isinstance(value, str))
    others = frozenset(sort_key(value) for value in node.values if not isinstance(value, str))
    has_null = (RANK_NULL,) in others

    def test(reached: Reached) -> bool:
        if type(reached) is str:
            return reached in strings
        if reached is MISSING:
            return has_null
        return sort_key(reached) in others

    return test


def exists_test(reached: Reached) -> bool:
    return reached is not MISSING


def type_test(node: TypeIs) -> Test:
    aliases = node.aliases | NUMBER_TYPES if "number" in node.aliases else node.aliases
    return lambda reached: type_name(reached) in aliases


def regex_test(node: Regex) -> Test:
    matches = node.pattern.matches
    return lambda reached: type(reached) is str and matches(reached)


def whole_number(value: Reached) -> int | None:
    """Return a number without its fraction, None for what is no finite number within int64."""
    if isinstance(value, dict) and tag_of(value) == "$numberDecimal":
        value_number: int | float | Decimal = decimal_of(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value_number = value
    else:
        return None
    if not math.isfinite(value_number):
        return None
    whole = int(value_number)
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else None


def mod_test(node: Mod) -> Test:
    divisor, remainder = node.divisor, node.remainder

    def test(reached: Reached) -> bool:
        whole = whole_number(reached)
        if whole is None:
            return False
        rest = abs(whole) % abs(divisor)
        return (rest if whole >= 0 else -rest) == remainder

    return test


def bits_test(node: Bits) -> Test:
    mask = node.mask
    wanted: dict[str, Callable[[int], bool]] = {
        "$bitsAllSet": lambda bits: bits & mask == mask,
        "$bitsAllClear": lambda bits: bits & mask == 0,
        "$bitsAnySet": lambda bits: bits & mask != 0,
        "$bitsAnyClear": lambda bits: bits & mask != mask,
    }
    holds = wanted[node.op]

    def test(reached: Reached) -> bool:
        bits = _bits_of(reached)
        return bits is not None and holds(bits)

    return test


def _bits_of(value: Reached) -> int | None:
    if isinstance(value, dict) and tag_of(value) == "$binary":
        return int.from_bytes(binary_of(value)[1], "little")
    whole = whole_number(value)
    if whole is None or (isinstance(value, float) and value != whole):
        return None
    if isinstance(value, dict) and decimal_of(value) != whole:
        return None
    return whole


def is_truthy(value: JsonValue) -> bool:
    """Return what the dialect takes for true in options: all but false, null and zero."""
    if isinstance(value, dict) and tag_of(value) == "$numberDecimal":
        return decimal_of(value) != 0
    return value is not None and value is not False and (isinstance(value, str | list | dict) or value != 0)
