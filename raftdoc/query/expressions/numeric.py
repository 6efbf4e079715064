"""Trigonometry and bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import reduce
from typing import Final

from raftdoc.query.expressions.arithmetic import numeric
from raftdoc.query.expressions.operands import binary, is_nullish, nary, unary
from raftdoc.query.expressions.scope import Builder, Value, fault
from raftdoc.query.numbers import as_float, finite, is_decimal, is_number, not_a_number, tagged_decimal
from raftdoc.query.type_names import type_name

OUT_OF_DOMAIN: Final = 50989


def _trigonometric(function: Callable[[float], float], first: float = -math.inf, last: float = math.inf) -> Builder:
    """Return the builder of a function of doubles on first to last; of a decimal it is worked out in doubles."""

    def apply(value: Value, pointer: str) -> Value:
        number = as_float(value)
        if not first <= number <= last:
            raise fault(f"the operand must be from {first} to {last}", pointer, OUT_OF_DOMAIN)
        try:
            result = finite(function(number), pointer)
        except OverflowError:
            raise not_a_number(pointer) from None
        except ValueError:
            raise fault("the function has no finite value there", pointer, OUT_OF_DOMAIN) from None
        return tagged_decimal(Decimal(repr(result)), pointer) if is_decimal(value) else result

    return numeric(apply)


def _arc_tangent_of_two(y: Value, x: Value, pointer: str) -> Value:
    if is_nullish(y) or is_nullish(x):
        return None
    if not is_number(y):
        raise fault(f"$atan2 takes numbers, not {type_name(y)}", pointer, 51044)
    if not is_number(x):
        raise fault(f"$atan2 takes numbers, not {type_name(x)}", pointer, 51045)
    angle = math.atan2(as_float(y), as_float(x))
    return tagged_decimal(Decimal(repr(angle)), pointer) if is_decimal(y) or is_decimal(x) else angle


def _bitwise(function: Callable[[int, int], int], neutral: int) -> Builder:
    def apply(values: list[Value], pointer: str) -> Value:
        if any(map(is_nullish, values)):
            return None
        for value in values:
            if type(value) is not int:
                raise fault(f"bits are those of integers, not of {type_name(value)}", pointer, 14)
        return reduce(function, values, neutral)

    return nary(apply)


def _bit_not(value: Value, pointer: str) -> Value:
    if is_nullish(value):
        return None
    if type(value) is not int:
        raise fault(f"bits are those of an integer, not of {type_name(value)}", pointer, 14)
    return ~value


OPERATORS: Final[Mapping[str, Builder]] = {
    "$sin": _trigonometric(math.sin),
    "$cos": _trigonometric(math.cos),
    "$tan": _trigonometric(math.tan),
    "$asin": _trigonometric(math.asin, -1, 1),
    "$acos": _trigonometric(math.acos, -1, 1),
    "$atan": _trigonometric(math.atan),
    "$atan2": binary(_arc_tangent_of_two),
    "$sinh": _trigonometric(math.sinh),
    "$cosh": _trigonometric(math.cosh),
    "$tanh": _trigonometric(math.tanh),
    "$asinh": _trigonometric(math.asinh),
    "$acosh": _trigonometric(math.acosh, 1),
    "$atanh": _trigonometric(math.atanh, -1, 1),
    "$degreesToRadians": _trigonometric(math.radians),
    "$radiansToDegrees": _trigonometric(math.degrees),
    "$bitAnd": _bitwise(lambda left, right: left & right, -1),
    "$bitOr": _bitwise(lambda left, right: left | right, 0),
    "$bitXor": _bitwise(lambda left, right: left ^ right, 0),
    "$bitNot": unary(_bit_not),
}
