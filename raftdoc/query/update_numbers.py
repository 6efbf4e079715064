"""Operators on one value: `$inc $mul $min $max $bit $currentDate`.

Types stay what they are: an integer with an integer gives an integer, with a float a float, and a decimal wins over
both. A result that JSON has no number for - outside int64, infinite - is refused, never rounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final, TypeAlias

import orjson

from raftdoc.document.path import MISSING, Reached
from raftdoc.document.tagged import (
    DECIMAL_DIGITS_MAX,
    DECIMAL_EXPONENT_MAX,
    decimal_of,
    tag_of,
)
from raftdoc.document.value import JsonValue, compare
from raftdoc.errors import InvalidQuery, UpdateRefused
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.update_moment import BAD_VALUE, Moment
from raftdoc.query.update_tree import TYPE_MISMATCH, Act

Number: TypeAlias = "int | float | Decimal"

_BIT_ACTS: Final[dict[str, Callable[[int, int], int]]] = {
    "and": lambda left, right: left & right,
    "or": lambda left, right: left | right,
    "xor": lambda left, right: left ^ right,
}


def is_identical(left: Reached, right: Reached) -> bool:
    """Return whether two values are stored as the same bytes: 1 and 1.0 are not."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict | list | float):
        return orjson.dumps(left) == orjson.dumps(right)
    return left == right


def kept(old: Reached, new: JsonValue) -> Reached:
    """Return new, or the very old object where they are stored as the same bytes."""
    return old if is_identical(old, new) else new


def number_of(value: Reached) -> Number | None:
    """Return the number that a value is; None: it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict) and tag_of(value) == "$numberDecimal":
        return decimal_of(value)
    return None


def parse_arithmetic(operator: str, argument: JsonValue, pointer: str) -> Act:
    """Return what `$inc` or `$mul` does.

    Raises:
        InvalidQuery: the argument is no number.
    """
    operand = number_of(argument)
    if operand is None:
        raise InvalidQuery(f"{operator} takes a number", pointer=pointer, mongo_code=TYPE_MISMATCH)
    is_sum = operator == "$inc"

    def act(value: Reached, moment: Moment) -> Reached:
        if value is MISSING:
            return argument if is_sum else _stored(_calculated(operand, 0, is_sum=False), pointer)
        number = number_of(value)
        if number is None:
            detail = f"{operator} needs a number, and another value stands there"
            raise UpdateRefused(detail, pointer=pointer, mongo_code=TYPE_MISMATCH)
        result = _calculated(number, operand, is_sum=is_sum)
        # Zero times minus zero is no change.
        return value if type(result) is type(number) and result == number else _stored(result, pointer)

    return act


def _calculated(left: Number, right: Number, *, is_sum: bool) -> Number:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        context = _decimal_context()
        pair = _decimal(left), _decimal(right)
        return context.add(*pair) if is_sum else context.multiply(*pair)
    return left + right if is_sum else left * right


def _decimal_context() -> Context:
    # A fresh one each time: a context keeps flags, and modules hold no state.
    return Context(prec=DECIMAL_DIGITS_MAX, Emin=-6143, Emax=DECIMAL_EXPONENT_MAX, clamp=1, traps=[])


def _decimal(number: Number) -> Decimal:
    # The shortest text of a float is what the user wrote.
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def _stored(number: Number, pointer: str) -> JsonValue:
    """Return a result as it is stored.

    Raises:
        UpdateRefused: there is no such value.
    """
    if isinstance(number, Decimal) and not number.is_nan():
        return {"$numberDecimal": str(number)}
    if isinstance(number, int) and INTEGER_MIN <= number <= INTEGER_MAX:
        return number
    if isinstance(number, float) and math.isfinite(number):
        return number
    raise UpdateRefused("the result is no number that can be stored", pointer=pointer, mongo_code=BAD_VALUE)


def parse_extreme(operator: str, argument: JsonValue, pointer: str, check: Callable[[JsonValue, str], None]) -> Act:
    """Return what `$min` or `$max` does, by the one order over all values. `check` refuses what cannot be stored."""
    wanted = -1 if operator == "$min" else 1

    def act(value: Reached, moment: Moment) -> Reached:
        if value is MISSING or compare(argument, value) == wanted:
            check(argument, pointer)
            return argument
        return value

    return act


def parse_bit(argument: JsonValue, pointer: str) -> Act:
    """Return what `$bit` does.

    Raises:
        InvalidQuery: the argument is not like {"and": 5}.
    """
    if not isinstance(argument, dict) or not argument:
        raise InvalidQuery('$bit takes an object such as {"and": 5}', pointer=pointer, mongo_code=BAD_VALUE)
    steps: list[tuple[Callable[[int, int], int], int]] = []
    for name, operand in argument.items():
        if name not in _BIT_ACTS:
            raise InvalidQuery(f"$bit knows and, or, xor, not {name!r}", pointer=pointer, mongo_code=BAD_VALUE)
        if isinstance(operand, bool) or not isinstance(operand, int):
            raise InvalidQuery(f"{name} of $bit takes an integer", pointer=pointer, mongo_code=BAD_VALUE)
        steps.append((_BIT_ACTS[name], operand))

    def act(value: Reached, moment: Moment) -> Reached:
        number: Reached = 0 if value is MISSING else value
        if isinstance(number, bool) or not isinstance(number, int):
            detail = "$bit needs an integer, and another value stands there"
            raise UpdateRefused(detail, pointer=pointer, mongo_code=BAD_VALUE)
        for step, operand in steps:
            number = step(number, operand)
        return kept(value, number)

    return act


def parse_current_date(argument: JsonValue, pointer: str) -> Act:
    """Return what `$currentDate` does: the time is that of the log entry.

    Raises:
        InvalidQuery: another argument than true, false or {"$type": "date"}. A timestamp is no type of JSON documents.
    """
    is_date = isinstance(argument, bool) or argument == {"$type": "date"}
    if not is_date:
        detail = '$currentDate takes true or {"$type": "date"}'
        raise InvalidQuery(detail, pointer=pointer, mongo_code=BAD_VALUE)

    def act(value: Reached, moment: Moment) -> Reached:
        return kept(value, moment.context.now)

    return act
