"""Arithmetic as the dialect does it: ints stay ints until int64 overflows, then doubles; a decimal makes decimals.

A double that meets a decimal is first cut to 15 digits, as there. A result that is no number in JSON (NaN, an
infinite double) is refused, for nothing in a document could hold it.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from raftdoc.document.tagged import decimal_of
from raftdoc.errors import InvalidQuery
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN

Number: TypeAlias = Any
"""int, float or `{"$numberDecimal": ...}`."""

BAD_VALUE: Final = 2

DECIMAL128: Final = decimal.Context(prec=34, rounding=decimal.ROUND_HALF_EVEN, Emin=-6143, Emax=6144, clamp=1, traps=[])
_FIFTEEN_DIGITS: Final = decimal.Context(prec=15, rounding=decimal.ROUND_HALF_EVEN, traps=[])


def is_number(value: Any) -> bool:
    """Return whether a value is a number; a boolean is none."""
    kind = type(value)
    return kind is int or kind is float or is_decimal(value)


def is_decimal(value: Any) -> bool:
    """Return whether a value is a tagged decimal."""
    return type(value) is dict and len(value) == 1 and "$numberDecimal" in value


def as_decimal(value: Number) -> Decimal:
    """Return a number as the decimal that arithmetic uses for it."""
    if type(value) is int:
        return Decimal(value)
    if type(value) is float:
        return double_as_decimal(value)
    return decimal_of(value)


def double_as_decimal(value: float) -> Decimal:
    """Return a double as a decimal of 15 digits."""
    exact = _FIFTEEN_DIGITS.create_decimal(value)
    if not exact:
        return exact
    return exact.quantize(Decimal((0, (1,), exact.adjusted() - 14)), context=_FIFTEEN_DIGITS)


def tagged_decimal(value: Decimal, pointer: str) -> Number:
    """Return a decimal as a tagged scalar, rounded to decimal128.

    Raises:
        InvalidQuery: it is no number.
    """
    rounded = DECIMAL128.plus(value)
    if rounded.is_nan():
        raise not_a_number(pointer)
    return {"$numberDecimal": str(rounded)}


def not_a_number(pointer: str) -> InvalidQuery:
    """Return the error of a result that JSON has no number for."""
    return InvalidQuery("the result is no finite number", pointer=pointer, mongo_code=BAD_VALUE)


def finite(value: float, pointer: str) -> float:
    """Return value.

    Raises:
        InvalidQuery: it is infinite or NaN.
    """
    if math.isfinite(value):
        return value
    raise not_a_number(pointer)


def fitted(value: int) -> int | float:
    """Return an exact integer, as a double where int64 cannot hold it."""
    return value if INTEGER_MIN <= value <= INTEGER_MAX else float(value)


def as_float(value: Number) -> float:
    """Return a number as a double."""
    return float(value) if type(value) is not dict else float(decimal_of(value))


def as_whole(value: Number) -> int | None:
    """Return a number as an int if it is whole, else None."""
    if type(value) is int:
        return value
    if type(value) is float:
        return int(value) if value.is_integer() else None
    exact = decimal_of(value)
    # The exponent first: an integer of six thousand digits is nobody's argument.
    if not exact.is_finite() or exact.adjusted() > 40 or exact != exact.to_integral_value():
        return None
    return int(exact)


def is_zero(value: Number) -> bool:
    """Return whether a number is zero."""
    return not value if type(value) is not dict else not decimal_of(value)


def add(values: Iterable[Number], pointer: str) -> Number:
    """Return the sum of numbers, rounded once."""
    whole, doubles, decimals = 0, [], []
    for value in values:
        if type(value) is int:
            whole += value
        elif type(value) is float:
            doubles.append(value)
        else:
            decimals.append(decimal_of(value))
    if decimals:
        total = DECIMAL128.create_decimal(whole)
        for exact in [*map(double_as_decimal, doubles), *decimals]:
            total = DECIMAL128.add(total, exact)
        return tagged_decimal(total, pointer)
    if not doubles:
        return fitted(whole)
    return add_doubles(doubles, whole, pointer)


def add_doubles(doubles: list[float], whole: int, pointer: str) -> float:
    """Return the sum of doubles and an exact integer as a double.

    Raises:
        InvalidQuery: it is out of the range of doubles.
    """
    if len(doubles) == 1 and not whole:
        return doubles[0] + 0.0
    try:
        return finite(math.fsum([*doubles, whole] if whole else doubles), pointer)
    except OverflowError:
        raise not_a_number(pointer) from None


def subtract(left: Number, right: Number, pointer: str) -> Number:
    """Return left - right."""
    if type(left) is int and type(right) is int:
        return fitted(left - right)
    if type(left) is dict or type(right) is dict:
        return tagged_decimal(DECIMAL128.subtract(as_decimal(left), as_decimal(right)), pointer)
    return finite(left - right, pointer)


def multiply(left: Number, right: Number, pointer: str) -> Number:
    """Return left * right."""
    if type(left) is int and type(right) is int:
        return fitted(left * right)
    if type(left) is dict or type(right) is dict:
        return tagged_decimal(DECIMAL128.multiply(as_decimal(left), as_decimal(right)), pointer)
    return finite(left * right, pointer)


def divide(left: Number, right: Number, pointer: str) -> Number:
    """Return left / right, a double or a decimal; right is not zero."""
    if type(left) is dict or type(right) is dict:
        return tagged_decimal(DECIMAL128.divide(as_decimal(left), as_decimal(right)), pointer)
    try:
        return finite(float(left) / float(right), pointer)
    except OverflowError:
        raise not_a_number(pointer) from None


def remainder(left: Number, right: Number, pointer: str) -> Number:
    """Return the remainder of a division cut towards zero: it has the sign of left; right is not zero."""
    if type(left) is int and type(right) is int:
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if type(left) is dict or type(right) is dict:
        return tagged_decimal(DECIMAL128.remainder(as_decimal(left), as_decimal(right)), pointer)
    return finite(math.fmod(left, right), pointer)


def power(left: Number, right: Number, pointer: str) -> Number:
    """Return left ** right; an int where both are, right is not negative and int64 holds it."""
    if type(left) is dict or type(right) is dict:
        return tagged_decimal(DECIMAL128.power(as_decimal(left), as_decimal(right)), pointer)
    if type(left) is int and type(right) is int and (abs(left) < 2 or 0 <= right < 64):
        # Of 1 and -1, and for positive exponents of 0, every power is that of an exponent of the same parity.
        result = left ** (right if abs(left) > 1 or 0 <= right < 2 else 2 + right % 2)
        if INTEGER_MIN <= result <= INTEGER_MAX:
            return result
    try:
        result_double = float(left) ** float(right)
    except (OverflowError, ZeroDivisionError):
        raise not_a_number(pointer) from None
    if isinstance(result_double, complex):
        raise not_a_number(pointer)
    return finite(result_double, pointer)


def round_at(value: Number, place: int, rounding: str, pointer: str) -> Number:
    """Return a number rounded to `place` digits behind the point; its type stays, but an int may outgrow int64."""
    if type(value) is int:
        return value if place >= 0 else fitted(_quantize_whole(value, place, rounding))
    exact = Decimal(value) if type(value) is float else decimal_of(value)
    if not exact.is_finite() or _last_place(exact) >= -place:
        return value
    # Wide enough for every digit that a double or a decimal can have.
    wide = decimal.Context(prec=1200, rounding=rounding, Emin=-9999, Emax=9999)
    rounded = exact.quantize(Decimal((0, (1,), -place)), context=wide)
    if type(value) is float:
        return math.copysign(float(rounded), value)
    return tagged_decimal(rounded, pointer)


def _last_place(exact: Decimal) -> int:
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int), exponent
    return exponent


def _quantize_whole(value: int, place: int, rounding: str) -> int:
    unit: int = 10**-place
    down, rest = divmod(abs(value), unit)
    if rounding == decimal.ROUND_HALF_EVEN and (2 * rest > unit or (2 * rest == unit and down % 2)):
        down += 1
    return -down * unit if value < 0 else down * unit
