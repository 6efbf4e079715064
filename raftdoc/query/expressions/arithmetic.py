"""Arithmetic and transcendental operators. Null or missing in, null out."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from raftdoc.document.tagged import date_ms_of
from raftdoc.limits import INTEGER_MIN
from raftdoc.query import numbers
from raftdoc.query.dates import add_ms, is_date
from raftdoc.query.expressions.compile import compile_operand
from raftdoc.query.expressions.operands import binary, commutative, compile_operands, is_nullish, ranged, unary
from raftdoc.query.expressions.scope import Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.numbers import DECIMAL128, as_float, is_decimal, is_number, is_zero, tagged_decimal
from raftdoc.query.type_names import type_name

TYPE_MISMATCH: Final = 14
NOT_NUMERIC: Final = 28765
ROUND_PLACE_MIN: Final = -20
ROUND_PLACE_MAX: Final = 100


def _add(values: list[Value], pointer: str) -> Value:
    date = None
    terms = []
    for value in values:
        if is_nullish(value):
            return None
        if is_number(value):
            terms.append(value)
        elif is_date(value):
            if date is not None:
                raise fault("only one date can be added", pointer, 16612)
            date = value
        else:
            raise fault(f"numbers and dates can be added, not {type_name(value)}", pointer, TYPE_MISMATCH)
    total = numbers.add(terms, pointer)
    return total if date is None else add_ms(date, total, pointer)


def _build_add(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, list) or len(spec) != 2:
        return commutative(_add)(spec, scope, pointer)
    left, right = compile_operands(spec, scope, pointer)
    run_left, run_right = left.run, right.run

    def run(frame: Frame) -> Value:
        first, second = run_left(frame), run_right(frame)
        if type(first) is int and type(second) is int:
            return numbers.fitted(first + second)
        return _add([second, first] if left.is_constant else [first, second], pointer)

    return fold(run, [left, right], scope)


def _subtract(left: Value, right: Value, pointer: str) -> Value:
    if is_nullish(left) or is_nullish(right):
        return None
    if is_number(left) and is_number(right):
        return numbers.subtract(left, right, pointer)
    if is_date(left):
        if is_date(right):
            return numbers.fitted(date_ms_of(left) - date_ms_of(right))
        if is_number(right):
            return add_ms(left, numbers.multiply(right, -1, pointer), pointer)
    raise fault(f"cannot subtract {type_name(right)} from {type_name(left)}", pointer, TYPE_MISMATCH)


def _multiply(values: list[Value], pointer: str) -> Value:
    product: Value = 1
    for value in values:
        if is_nullish(value):
            return None
        if not is_number(value):
            raise fault(f"only numbers can be multiplied, not {type_name(value)}", pointer, TYPE_MISMATCH)
        product = numbers.multiply(product, value, pointer)
    return product


def _build_divide(spec: Value, scope: Scope, pointer: str) -> Code:
    return binary(_divider(4848401 if scope.is_group else numbers.BAD_VALUE))(spec, scope, pointer)


def _divider(by_zero: int) -> Callable[[Value, Value, str], Value]:
    def divide(left: Value, right: Value, pointer: str) -> Value:
        if is_number(left) and is_number(right):
            if is_zero(right):
                raise fault("division by zero", pointer, by_zero)
            return numbers.divide(left, right, pointer)
        if is_nullish(left) or is_nullish(right):
            return None
        raise fault(f"cannot divide {type_name(left)} by {type_name(right)}", pointer, TYPE_MISMATCH)

    return divide


def _build_mod(spec: Value, scope: Scope, pointer: str) -> Code:
    return binary(_remainder(4848403 if scope.is_group else 16610))(spec, scope, pointer)


def _remainder(by_zero: int) -> Callable[[Value, Value, str], Value]:
    def remainder(left: Value, right: Value, pointer: str) -> Value:
        if is_number(left) and is_number(right):
            if is_zero(right):
                raise fault("remainder of a division by zero", pointer, by_zero)
            return numbers.remainder(left, right, pointer)
        if is_nullish(left) or is_nullish(right):
            return None
        raise fault(f"cannot divide {type_name(left)} by {type_name(right)}", pointer, 16611)

    return remainder


def _power(left: Value, right: Value, pointer: str) -> Value:
    if is_nullish(left) or is_nullish(right):
        return None
    if not is_number(left):
        raise fault(f"the base must be a number, not {type_name(left)}", pointer, 28762)
    if not is_number(right):
        raise fault(f"the exponent must be a number, not {type_name(right)}", pointer, 28763)
    if is_zero(left) and as_float(right) < 0:
        raise fault("zero has no negative power", pointer, 28764)
    return numbers.power(left, right, pointer)


def numeric(function: Callable[[Value, str], Value]) -> Builder:
    """Return the builder of an operator of one number."""
    return unary(_checked(function, NOT_NUMERIC))


def _checked(function: Callable[[Value, str], Value], mongo_code: int) -> Callable[[Value, str], Value]:
    def checked(value: Value, pointer: str) -> Value:
        if is_number(value):
            return function(value, pointer)
        if is_nullish(value):
            return None
        raise fault(f"this operator takes a number, not {type_name(value)}", pointer, mongo_code)

    return checked


def _absolute(value: Value, pointer: str) -> Value:
    if value == INTEGER_MIN and type(value) is int:
        raise fault(f"the absolute value of {value} is outside the range of 64 bits", pointer, 28680)
    if is_decimal(value):
        return tagged_decimal(abs(numbers.as_decimal(value)), pointer)
    return abs(value)


def _rounded_to_whole(rounding: str) -> Callable[[Value, str], Value]:
    return lambda value, pointer: numbers.round_at(value, 0, rounding, pointer)


def _exponential(value: Value, pointer: str) -> Value:
    if is_decimal(value):
        return tagged_decimal(DECIMAL128.exp(numbers.as_decimal(value)), pointer)
    try:
        return numbers.finite(math.exp(value), pointer)
    except OverflowError:
        raise numbers.not_a_number(pointer) from None


def _logarithm(
    of_double: Callable[[float], float], of_decimal: Callable[[Decimal], Decimal], mongo_code: int
) -> Callable[[Value, str], Value]:
    def logarithm(value: Value, pointer: str) -> Value:
        if as_float(value) <= 0:
            raise fault("only a positive number has a logarithm", pointer, mongo_code)
        if is_decimal(value):
            return tagged_decimal(of_decimal(numbers.as_decimal(value)), pointer)
        return of_double(value)

    return logarithm


def _log(value: Value, base: Value, pointer: str) -> Value:
    if is_nullish(value) or is_nullish(base):
        return None
    if not is_number(value):
        raise fault(f"$log takes numbers, not {type_name(value)}", pointer, 28756)
    if not is_number(base):
        raise fault(f"the base must be a number, not {type_name(base)}", pointer, 28757)
    if as_float(value) <= 0:
        raise fault("only a positive number has a logarithm", pointer, 28758)
    if as_float(base) <= 0 or as_float(base) == 1:
        raise fault("a base is a positive number other than 1", pointer, 28759)
    if is_decimal(value) or is_decimal(base):
        quotient = DECIMAL128.divide(DECIMAL128.ln(numbers.as_decimal(value)), DECIMAL128.ln(numbers.as_decimal(base)))
        return tagged_decimal(quotient, pointer)
    return math.log(value) / math.log(base)


def _square_root(value: Value, pointer: str) -> Value:
    if as_float(value) < 0:
        raise fault("a negative number has no square root", pointer, 28714)
    if is_decimal(value):
        return tagged_decimal(DECIMAL128.sqrt(numbers.as_decimal(value)), pointer)
    return math.sqrt(value)


def _sigmoid(value: Value, pointer: str) -> Value:
    if is_decimal(value):
        power = DECIMAL128.exp(-numbers.as_decimal(value))
        return tagged_decimal(DECIMAL128.divide(Decimal(1), DECIMAL128.add(Decimal(1), power)), pointer)
    try:
        return 1.0 / (1.0 + math.exp(-value))
    except OverflowError:
        return 0.0


def _build_sigmoid(spec: Value, scope: Scope, pointer: str) -> Code:
    """The one operator of one operand that does not take it in an array."""
    operand = compile_operand(spec, scope, pointer)
    apply, run_operand = _checked(_sigmoid, TYPE_MISMATCH), operand.run
    return fold(lambda frame: apply(run_operand(frame), pointer), [operand], scope)


def _rounding(rounding: str) -> Callable[[list[Value], str], Value]:
    def rounded(values: list[Value], pointer: str) -> Value:
        value = values[0]
        place = values[1] if len(values) > 1 else 0
        if is_nullish(value):
            return None
        if not is_number(value):
            raise fault(f"only a number can be rounded, not {type_name(value)}", pointer, 51081)
        if is_nullish(place):
            return None
        return numbers.round_at(value, _checked_place(place, pointer), rounding, pointer)

    return rounded


def _checked_place(place: Value, pointer: str) -> int:
    if not is_number(place):
        raise fault(f"the place must be a number, not {type_name(place)}", pointer, 16004)
    whole = numbers.as_whole(place)
    if whole is None:
        raise fault("the place must be a whole number", pointer, 51082)
    if not ROUND_PLACE_MIN <= whole <= ROUND_PLACE_MAX:
        raise fault(f"the place must be from {ROUND_PLACE_MIN} to {ROUND_PLACE_MAX}", pointer, 51083)
    return whole


OPERATORS: Final[Mapping[str, Builder]] = {
    "$add": _build_add,
    "$subtract": binary(_subtract),
    "$multiply": commutative(_multiply),
    "$divide": _build_divide,
    "$mod": _build_mod,
    "$pow": binary(_power),
    "$abs": numeric(_absolute),
    "$ceil": numeric(_rounded_to_whole(decimal.ROUND_CEILING)),
    "$floor": numeric(_rounded_to_whole(decimal.ROUND_FLOOR)),
    "$round": ranged(_rounding(decimal.ROUND_HALF_EVEN), 1, 2),
    "$trunc": ranged(_rounding(decimal.ROUND_DOWN), 1, 2),
    "$exp": numeric(_exponential),
    "$ln": numeric(_logarithm(math.log, DECIMAL128.ln, 28766)),
    "$log": binary(_log),
    "$log10": numeric(_logarithm(math.log10, DECIMAL128.log10, 28761)),
    "$sqrt": numeric(_square_root),
    "$sigmoid": _build_sigmoid,
}
