"""Conversions of one type to another: `$convert` and its short forms, `$type`, `$isNumber`.

JSON has one integer: converting to `long` gives the same as to `int` where 32 bits hold it. An integer within
32 bits is an `int`, which the dialect does not take for a date; a larger one is milliseconds since 1970.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from raftdoc.document.path import MISSING, is_object
from raftdoc.document.tagged import DECIMAL_EXPONENT_MAX, binary_of, date_ms_of, decimal_of, object_id_of
from raftdoc.errors import InvalidQuery
from raftdoc.limits import INTEGER_MAX, INTEGER_MIN
from raftdoc.query.binaries import Form, binary_from_text, binary_number, number_as_binary, text_from_binary
from raftdoc.query.date_text import parse_date
from raftdoc.query.dates import fields_of, is_date, tagged_date
from raftdoc.query.expressions.compile import FAILED_TO_PARSE
from raftdoc.query.expressions.operands import check_count, compile_members, compile_operands, is_nullish, unary
from raftdoc.query.expressions.scope import Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.numbers import as_whole, double_as_decimal, finite, is_decimal, is_number, tagged_decimal
from raftdoc.query.order import is_true
from raftdoc.query.type_names import INT32_MAX, INT32_MIN, TYPE_NUMBERS, type_name

CONVERSION_FAILURE: Final = 241
DECIMAL_ADJUSTED_MIN: Final = -6176
"""Below this exponent of its first digit a number is zero in decimal128."""
_WRONG_COUNT: Final = 50723

_INTEGER = re.compile(r"([+-]?)0*([0-9]{1,30})", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
_HEX_DOUBLE = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]{1,4})?")


def failure(value: Value, target: str, pointer: str) -> InvalidQuery:
    """Return the error of a value that has no meaning in the target type."""
    return fault(f"{type_name(value)} cannot be converted to {target} here", pointer, CONVERSION_FAILURE)


def number_text(value: Value) -> str:
    """Return a number as the dialect writes it: whole doubles without a point."""
    if type(value) is int:
        return str(value)
    if type(value) is dict:
        return str(decimal_of(value))
    if value == 0:
        return "-0" if str(value)[0] == "-" else "0"
    text = repr(value)
    mantissa, letter, exponent = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    if not letter:
        return mantissa
    return f"{mantissa}e{exponent[0] if exponent[0] in '+-' else '+'}{exponent.lstrip('+-').zfill(2)}"


def date_text(ms: int) -> str:
    """Return a date in ISO 8601, always with milliseconds."""
    at = fields_of(ms)
    sign = "-" if at.year < 0 else ""
    day = f"{sign}{abs(at.year):04}-{at.month:02}-{at.day:02}"
    return f"{day}T{at.hour:02}:{at.minute:02}:{at.second:02}.{at.millisecond:03}Z"


def _to_double(value: Value, form: Form, pointer: str) -> Value:
    if isinstance(value, bool):
        return float(value)
    if is_number(value):
        return finite(float(decimal_of(value)) if is_decimal(value) else float(value), pointer)
    if isinstance(value, str):
        if _DOUBLE.fullmatch(value):
            return _exact_double(value, pointer)
        if _HEX_DOUBLE.fullmatch(value):
            return _hex_double(value, pointer)
    if is_date(value):
        return float(date_ms_of(value))
    if type_name(value) == "binData":
        return binary_number(value, "double", form, pointer)
    raise failure(value, "double", pointer)


def _exact_double(value: str, pointer: str) -> float:
    number = float(value)
    is_lost = not number and any(digit in "123456789" for digit in value.lower().partition("e")[0])
    if is_lost or number in (float("inf"), float("-inf")):
        raise failure(value, "double", pointer)
    return number


def _hex_double(value: str, pointer: str) -> float:
    try:
        return float.fromhex(value)
    except OverflowError:
        raise failure(value, "double", pointer) from None


def _to_integer(name: str, first: int, last: int) -> Convert:
    def convert(value: Value, form: Form, pointer: str) -> Value:
        whole = _integer_of(value, name, form, pointer)
        if whole is None or not first <= whole <= last:
            raise failure(value, name, pointer)
        return whole

    return convert


def _integer_of(value: Value, name: str, form: Form, pointer: str) -> int | None:
    if isinstance(value, bool | int | float):
        return int(value)
    if is_decimal(value):
        exact = decimal_of(value)
        return int(exact) if exact.is_finite() and exact.adjusted() < 30 else None
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value)
        return int(match[1] + match[2]) if match else None
    if is_date(value) and name == "long":
        return date_ms_of(value)
    if type_name(value) == "binData":
        return int(binary_number(value, name, form, pointer))
    return None


def _to_decimal(value: Value, form: Form, pointer: str) -> Value:
    if isinstance(value, bool | int):
        return tagged_decimal(Decimal(int(value)), pointer)
    if isinstance(value, float):
        return tagged_decimal(double_as_decimal(value), pointer)
    if is_decimal(value):
        return value
    if isinstance(value, str) and _DOUBLE.fullmatch(value):
        exact = Decimal(value)
        if exact and not DECIMAL_ADJUSTED_MIN <= exact.adjusted() <= DECIMAL_EXPONENT_MAX:
            raise failure(value, "decimal", pointer)
        return tagged_decimal(exact, pointer)
    if is_date(value):
        return tagged_decimal(Decimal(date_ms_of(value)), pointer)
    raise failure(value, "decimal", pointer)


def _to_bool(value: Value, form: Form, pointer: str) -> Value:
    return is_true(value)


def _to_text(value: Value, form: Form, pointer: str) -> Value:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_number(value):
        return number_text(value)
    kind = type_name(value)
    if kind == "date":
        return date_text(date_ms_of(value))
    if kind == "objectId":
        return object_id_of(value).hex()
    if kind == "binData":
        return text_from_binary(value, form, pointer)
    raise failure(value, "string", pointer)


def _to_date(value: Value, form: Form, pointer: str) -> Value:
    kind = type_name(value)
    if kind == "date":
        return value
    if kind in ("long", "double", "decimal"):
        whole = _integer_of(value, "long", form, pointer)
        if whole is not None and INTEGER_MIN <= whole <= INTEGER_MAX:
            return tagged_date(whole, pointer)
    if kind == "objectId":
        return tagged_date(int.from_bytes(object_id_of(value)[:4], "big") * 1000, pointer)
    if isinstance(value, str):
        ms = parse_date(value)
        if ms is not None:
            return tagged_date(ms, pointer)
    raise failure(value, "date", pointer)


def _to_object_id(value: Value, form: Form, pointer: str) -> Value:
    if type_name(value) == "objectId":
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{24}", value):
        return {"$oid": value.lower()}
    raise failure(value, "objectId", pointer)


def _to_binary(value: Value, form: Form, pointer: str) -> Value:
    kind = type_name(value)
    if isinstance(value, str):
        return binary_from_text(value, form, pointer)
    if kind in ("int", "long", "double"):
        return number_as_binary(value, kind, form, pointer)
    if kind == "binData" and binary_of(value)[0] == (form.subtype or 0):
        return value
    raise failure(value, "binData", pointer)


Convert = Callable[[Value, Form, str], Value]

_CONVERTERS: Final[Mapping[str, Convert]] = {
    "double": _to_double,
    "int": _to_integer("int", INT32_MIN, INT32_MAX),
    "long": _to_integer("long", INTEGER_MIN, INTEGER_MAX),
    "decimal": _to_decimal,
    "bool": _to_bool,
    "string": _to_text,
    "date": _to_date,
    "objectId": _to_object_id,
    "binData": _to_binary,
}


def convert(value: Value, target: str, form: Form, pointer: str) -> Value:
    """Return a value in another type; null stays null.

    Raises:
        InvalidQuery: it has no meaning there (241).
    """
    if is_nullish(value):
        return None
    converter = _CONVERTERS.get(target)
    if converter is None:
        raise failure(value, target, pointer)
    return converter(value, form, pointer)


def _short_form(target: str) -> Builder:
    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        if isinstance(spec, list) and len(spec) != 1:
            raise fault("this operator takes exactly one operand", pointer, _WRONG_COUNT)
        (operand,) = compile_operands(spec, scope, pointer)
        return fold(lambda frame: convert(operand.run(frame), target, Form(), pointer), [operand], scope)

    return build


_MEMBERS: Final = {
    "input": FAILED_TO_PARSE,
    "to": FAILED_TO_PARSE,
    "onError": None,
    "onNull": None,
    "format": None,
    "byteOrder": None,
}


def _build_convert(spec: Value, scope: Scope, pointer: str) -> Code:
    codes = compile_members(spec, scope, pointer, names=_MEMBERS, not_object=FAILED_TO_PARSE, unknown=FAILED_TO_PARSE)
    runs = {name: code.run for name, code in codes.items()}

    def run(frame: Frame) -> Value:
        value, wanted = runs["input"](frame), runs["to"](frame)
        if is_nullish(value):
            return runs["onNull"](frame) if "onNull" in runs else None
        if is_nullish(wanted):
            return None
        target, subtype = _target(wanted, pointer)
        text_form = runs["format"](frame) if "format" in runs else None
        form = Form.checked(text_form, runs["byteOrder"](frame) if "byteOrder" in runs else None, subtype, pointer)
        try:
            return convert(value, target, form, pointer)
        except InvalidQuery as error:
            if "onError" not in runs or error.mongo_code != CONVERSION_FAILURE:
                raise
            return runs["onError"](frame)

    return fold(run, list(codes.values()), scope)


def _target(wanted: Value, pointer: str) -> tuple[str, Value]:
    """Return the name of the type that `to` names, and the subtype."""
    below = f"{pointer}/to"
    subtype: Value = MISSING
    if is_object(wanted):
        subtype, wanted = wanted.get("subtype", MISSING), wanted.get("type")
    if isinstance(wanted, str):
        if wanted not in TYPE_NUMBERS.values():
            raise fault(f"there is no type {wanted!r}", below, 2)
        return wanted, subtype
    number = as_whole(wanted) if is_number(wanted) else None
    if number == 0:
        return "missing", subtype
    if number is None or number not in TYPE_NUMBERS:
        raise fault("a type is a name or a number of the dialect", below, FAILED_TO_PARSE)
    return TYPE_NUMBERS[number], subtype


def _build_type(spec: Value, scope: Scope, pointer: str) -> Code:
    check_count(spec, 1, 1, pointer)
    (operand,) = compile_operands(spec, scope, pointer)
    return fold(lambda frame: type_name(operand.run(frame)), [operand], scope)


OPERATORS: Final[Mapping[str, Builder]] = {
    "$convert": _build_convert,
    "$toDouble": _short_form("double"),
    "$toInt": _short_form("int"),
    "$toLong": _short_form("long"),
    "$toDecimal": _short_form("decimal"),
    "$toBool": _short_form("bool"),
    "$toString": _short_form("string"),
    "$toDate": _short_form("date"),
    "$toObjectId": _short_form("objectId"),
    "$type": _build_type,
    "$isNumber": unary(lambda value, _: is_number(value)),
}
