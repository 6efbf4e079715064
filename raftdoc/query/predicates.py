"""Tests of one value: what each operator asks of what its path reached, as closures made once per filter.

Comparisons stay within one type class; null compares with missing as with itself. The tests are called once a
document: those over numbers and strings look at the type first and touch nothing else. What compares values that may
be large counts them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from raftdoc.document.path import MISSING, Reached
from raftdoc.document.tagged import decimal_of, tag_of
from raftdoc.document.value import (
    RANK_ARRAY,
    RANK_BINARY,
    RANK_NULL,
    RANK_NUMBER,
    RANK_OBJECT,
    TAG_RANKS,
    JsonValue,
    rank_of,
    sort_key,
    tagged_key,
)
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.allowance import COMPARED_BYTES_PER_TEST, TAGGED_TESTS, Allowance
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


_LARGE_RANKS: Final = frozenset({RANK_ARRAY, RANK_BINARY, RANK_OBJECT})


def compare_test(node: Compare, allowance: Allowance) -> Test:
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
        return _number_test(node.op, value, allowance)
    wanted = sort_key(value)
    if wanted[0] in _LARGE_RANKS:
        return _large_test(wanted, node.op, allowance)
    return _tagged_test(wanted, compare, allowance)


def _string_test(op: CompareOp, value: str) -> Test:
    if op == "$eq":
        return lambda reached: reached == value
    compare = _ORDER[op]
    return lambda reached: type(reached) is str and compare(reached, value)


def _number_test(op: CompareOp, value: float, allowance: Allowance) -> Test:
    compare = _ORDER[op]

    def test(reached: Reached) -> bool:
        kind = type(reached)
        if kind is int or kind is float:
            return compare(reached, value)
        if isinstance(reached, dict) and tag_of(reached) == "$numberDecimal":
            allowance.left -= TAGGED_TESTS
            return compare(decimal_of(reached), value)
        return False

    return test


def _tagged_test(wanted: tuple[Any, ...], compare: Callable[[Any, Any], bool], allowance: Allowance) -> Test:
    """Return the test against a date, an object id or a decimal."""
    rank = wanted[0]
    tags = {tag for tag, its_rank in TAG_RANKS.items() if its_rank == rank}

    def test(reached: Reached) -> bool:
        if type(reached) is dict:
            tag = tag_of(reached)
            if tag is None or tag not in tags:
                return False
            allowance.left -= TAGGED_TESTS
            return compare(tagged_key(tag, reached), wanted)
        return reached is not MISSING and rank_of(reached) == rank and compare(sort_key(reached), wanted)

    return test


def _large_test(wanted: tuple[Any, ...], op: CompareOp, allowance: Allowance) -> Test:
    """Return the test against an array, an object or a binary."""
    rank, compare, key = wanted[0], _ORDER[op], allowance.key
    # Of arrays and objects that are equal the lengths are as well.
    length = len(wanted[1]) if op == "$eq" and rank != RANK_BINARY else None
    tag = "$binary" if rank == RANK_BINARY else None

    def test(reached: Reached) -> bool:
        if type(reached) is list:
            if rank != RANK_ARRAY:
                return False
        elif type(reached) is not dict or rank == RANK_ARRAY or tag_of(reached) != tag:
            return False
        return (length is None or len(reached) == length) and compare(key(reached), wanted)

    return test


def in_test(node: In, allowance: Allowance) -> Test:
    """Return the test of membership; a hash look-up, whatever the number of values."""
    strings = frozenset(value for value in node.values if isinstance(value, str))
    others = frozenset(sort_key(value) for value in node.values if not isinstance(value, str))
    has_null = (RANK_NULL,) in others
    ranks = {key[0] for key in others}
    key = allowance.key

    def test(reached: Reached) -> bool:
        if type(reached) is str:
            return reached in strings
        if reached is MISSING:
            return has_null
        if type(reached) is int:
            return (RANK_NUMBER, reached) in others
        if isinstance(reached, list | dict):
            rank = rank_of(reached)
            return rank in ranks and (key(reached) if rank in _LARGE_RANKS else sort_key(reached)) in others
        return sort_key(reached) in others

    return test


def exists_test(reached: Reached) -> bool:
    return reached is not MISSING


def type_test(node: TypeIs) -> Test:
    aliases = node.aliases | NUMBER_TYPES if "number" in node.aliases else node.aliases
    return lambda reached: type_name(reached) in aliases


def regex_test(node: Regex, allowance: Allowance) -> Test:
    matches, per_character = node.pattern.matches, node.pattern.position_count

    def test(reached: Reached) -> bool:
        if type(reached) is not str:
            return False
        work = len(reached) * per_character
        if work > COMPARED_BYTES_PER_TEST:
            allowance.spend(work // COMPARED_BYTES_PER_TEST)
        return matches(reached)

    return test


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


def mod_test(node: Mod, allowance: Allowance) -> Test:
    divisor, remainder = node.divisor, node.remainder

    def test(reached: Reached) -> bool:
        if type(reached) is dict:
            allowance.left -= TAGGED_TESTS
        whole = reached if type(reached) is int else whole_number(reached)
        if whole is None:
            return False
        rest = abs(whole) % abs(divisor)
        return (rest if whole >= 0 else -rest) == remainder

    return test


def bits_test(node: Bits, allowance: Allowance) -> Test:
    mask = node.mask
    wanted: dict[str, Callable[[int], bool]] = {
        "$bitsAllSet": lambda bits: bits & mask == mask,
        "$bitsAllClear": lambda bits: bits & mask == 0,
        "$bitsAnySet": lambda bits: bits & mask != 0,
        "$bitsAnyClear": lambda bits: bits & mask != mask,
    }
    holds = wanted[node.op]

    def test(reached: Reached) -> bool:
        bits = _bits_of(reached, allowance)
        return bits is not None and holds(bits)

    return test


def _bits_of(value: Reached, allowance: Allowance) -> int | None:
    if isinstance(value, dict):
        if tag_of(value) == "$binary":
            return allowance.bits(value)
        allowance.left -= TAGGED_TESTS
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
