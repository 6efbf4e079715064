"""The operators of one field: `{field: {"$op": argument}}` to nodes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NoReturn, cast

from raftdoc.document.path import Path
from raftdoc.document.tagged import binary_of, tag_of
from raftdoc.document.value import JsonValue
from raftdoc.errors import InvalidQuery
from raftdoc.limits import FILTER_VALUES_MAX, INTEGER_MAX
from raftdoc.query.ast import (
    All,
    Always,
    And,
    Bits,
    BitsOp,
    Compare,
    CompareOp,
    ElemMatch,
    Exists,
    In,
    Mod,
    Node,
    Not,
    Regex,
    Size,
    TypeIs,
)
from raftdoc.query.literals import as_whole_number, check_literal, child_pointer, is_number, number_of
from raftdoc.query.predicates import is_truthy
from raftdoc.query.regex import compile_pattern
from raftdoc.query.type_names import INT32_MAX, TYPE_NAMES, TYPE_NUMBERS

BAD_VALUE: Final = 2
FAILED_TO_PARSE: Final = 9
TYPE_MISMATCH: Final = 14

_REFUSED_CODES: Final = {"$near": 5626500, "$nearSphere": 5626500, "$geoNear": 5626500}
"""The dialect's numbers of operators that are not here, where it has their own."""

Read = Callable[[Path, JsonValue, str], Node]


def is_operators(value: JsonValue) -> bool:
    """Return whether an object is operators and not a value: its first name begins with `$` and is no tag."""
    return isinstance(value, dict) and bool(value) and next(iter(value)).startswith("$") and tag_of(value) is None


def fail(detail: str, pointer: str, mongo_code: int = BAD_VALUE) -> NoReturn:
    raise InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)


def _compare(op: CompareOp) -> Read:
    def read(path: Path, value: JsonValue, pointer: str) -> Node:
        check_literal(value, pointer)
        return Compare(path, op, value)

    return read


def _not_equal(path: Path, value: JsonValue, pointer: str) -> Node:
    return Not(_compare("$eq")(path, value, pointer))


def _in(path: Path, value: JsonValue, pointer: str) -> Node:
    if not isinstance(value, list):
        fail("$in and $nin need an array", pointer)
    _check_count(value, pointer)
    for place, member in enumerate(value):
        if is_operators(member):
            fail("operators cannot stand in $in or $nin", child_pointer(pointer, str(place)))
    check_literal(value, pointer)
    return In(path, tuple(value))


def _check_count(values: list[JsonValue], pointer: str) -> None:
    if len(values) > FILTER_VALUES_MAX:
        fail(f"a list of a filter has at most {FILTER_VALUES_MAX} values", pointer)


def _not_in(path: Path, value: JsonValue, pointer: str) -> Node:
    return Not(_in(path, value, pointer))


def _exists(path: Path, value: JsonValue, pointer: str) -> Node:
    check_literal(value, pointer)
    return Exists(path) if is_truthy(value) else Not(Exists(path))


def _type(path: Path, value: JsonValue, pointer: str) -> Node:
    wanted = value if isinstance(value, list) else [value]
    if not wanted:
        fail("$type needs one type at least", pointer, FAILED_TO_PARSE)
    return TypeIs(path, frozenset(_type_alias(name, pointer) for name in wanted))


def _type_alias(value: JsonValue, pointer: str) -> str:
    if isinstance(value, str):
        if value not in TYPE_NAMES:
            fail(f"{value!r} is no name of a type", pointer)
        return value
    if not is_number(value):
        fail("a type is a name or a number", pointer, TYPE_MISMATCH)
    number = as_whole_number(value)
    if number is None or number not in TYPE_NUMBERS:
        fail(f"{number_of(value)} is no number of a type", pointer)
    return TYPE_NUMBERS[number]


def _size(path: Path, value: JsonValue, pointer: str) -> Node:
    size = as_whole_number(value)
    if size is None or not 0 <= size <= INT32_MAX:
        fail("$size needs an integer of at least 0 that fits in 32 bits", pointer)
    return Size(path, size)


def _mod(path: Path, value: JsonValue, pointer: str) -> Node:
    if not isinstance(value, list) or len(value) != 2:
        fail("$mod needs an array of divisor and remainder", pointer)
    check_literal(value, pointer)
    divisor, remainder = (_whole_part(part, child_pointer(pointer, str(place))) for place, part in enumerate(value))
    if divisor == 0:
        fail("the divisor of $mod cannot be 0", child_pointer(pointer, "0"))
    return Mod(path, divisor, remainder)


def _whole_part(value: JsonValue, pointer: str) -> int:
    if not is_number(value) or not math.isfinite(number_of(value)):
        fail("$mod needs finite numbers", pointer)
    whole = int(number_of(value))
    if abs(whole) > INTEGER_MAX:
        fail("$mod needs numbers within 64 bits", pointer)
    return whole


def _bits(op: BitsOp) -> Read:
    def read(path: Path, value: JsonValue, pointer: str) -> Node:
        if isinstance(value, list):
            mask = _mask_of_positions(value, pointer)
        elif isinstance(value, dict) and tag_of(value) == "$binary":
            check_literal(value, pointer)
            mask = int.from_bytes(binary_of(value)[1], "little")
        elif is_number(value):
            number = as_whole_number(value)
            if number is None or number < 0:
                fail(f"{op} needs a mask of at least 0 and without a fraction", pointer, FAILED_TO_PARSE)
            mask = number
        else:
            fail(f"{op} needs an array of positions, a number or binary data", pointer)
        return Bits(path, op, mask)

    return read


def _mask_of_positions(positions: list[JsonValue], pointer: str) -> int:
    mask = 0
    for place, value in enumerate(positions):
        position = as_whole_number(value)
        if position is None or position < 0 or position > INT32_MAX:
            fail("a position of a bit is an integer of at least 0", child_pointer(pointer, str(place)))
        # A value has 64 bits, of which the last stands for all above it.
        mask |= 1 << min(position, 63)
    return mask


def _regex(path: Path, spec: dict[str, JsonValue], pointer: str) -> Node:
    source, options = spec["$regex"], spec.get("$options", "")
    if not isinstance(source, str):
        fail("$regex needs a string", child_pointer(pointer, "$regex"))
    if not isinstance(options, str):
        fail("$options needs a string", child_pointer(pointer, "$options"))
    return Regex(path, compile_pattern(source, options, child_pointer(pointer, "$regex"), finds_spans=False))


READERS: Final[dict[str, Read]] = {
    "$eq": _compare("$eq"),
    "$gt": _compare("$gt"),
    "$gte": _compare("$gte"),
    "$lt": _compare("$lt"),
    "$lte": _compare("$lte"),
    "$ne": _not_equal,
    "$in": _in,
    "$nin": _not_in,
    "$exists": _exists,
    "$type": _type,
    "$size": _size,
    "$mod": _mod,
    "$bitsAllSet": _bits("$bitsAllSet"),
    "$bitsAllClear": _bits("$bitsAllClear"),
    "$bitsAnySet": _bits("$bitsAnySet"),
    "$bitsAnyClear": _bits("$bitsAnyClear"),
}

ParseObject = Callable[[dict[str, JsonValue], str, int], Node]
"""Reads the filter inside of `$elemMatch`: (object, pointer, depth)."""


class FieldReader:
    """Reads the operators of a field; `parse_object` is the parser of whole filters, for `$elemMatch`."""

    def __init__(self, parse_object: ParseObject) -> None:
        self._parse_object = parse_object

    def read(self, path: Path, spec: dict[str, JsonValue], pointer: str, depth: int) -> Node:
        """Return the conjunction of all operators of spec.

        Raises:
            InvalidQuery: an unknown operator, or one whose argument is not what it takes.
        """
        children = [
            self._operator(path, name, spec, child_pointer(pointer, name), depth)
            for name in spec
            if name not in ("$options", "$comment")
        ]
        if "$options" in spec and "$regex" not in spec:
            fail("$options needs $regex", child_pointer(pointer, "$options"))
        return children[0] if len(children) == 1 else And(tuple(children))

    def _operator(self, path: Path, name: str, spec: dict[str, JsonValue], pointer: str, depth: int) -> Node:
        value = spec[name]
        if (reader := READERS.get(name)) is not None:
            return reader(path, value, pointer)
        if name == "$regex":
            return _regex(path, spec, pointer.removesuffix("/$regex"))
        if name == "$not":
            return self._not(path, value, pointer, depth)
        if name == "$elemMatch":
            return self._elem_match(path, value, pointer, depth)
        if name == "$all":
            return self._all(path, value, pointer, depth)
        fail(f"{name!r} is no operator of a field", pointer, _REFUSED_CODES.get(name, BAD_VALUE))

    def _not(self, path: Path, value: JsonValue, pointer: str, depth: int) -> Node:
        if not is_operators(value):
            fail("$not needs an object of operators", pointer)
        return Not(self.read(path, cast("dict[str, JsonValue]", value), pointer, depth + 1))

    def _elem_match(self, path: Path, value: JsonValue, pointer: str, depth: int) -> Node:
        if not isinstance(value, dict) or tag_of(value) is not None:
            fail("$elemMatch needs an object", pointer)
        first = next(iter(value), "")
        if is_operators(value) and first not in ("$and", "$or", "$nor", "$expr", "$jsonSchema", "$comment", "$where"):
            return ElemMatch(path, self.read((), value, pointer, depth + 1), is_value=True)
        return ElemMatch(path, self._parse_object(value, pointer, depth + 1), is_value=False)

    def _all(self, path: Path, value: JsonValue, pointer: str, depth: int) -> Node:
        if not isinstance(value, list):
            fail("$all needs an array", pointer)
        if not value:
            return Always(False)
        _check_count(value, pointer)
        is_elements = isinstance(value[0], dict) and next(iter(value[0]), "") == "$elemMatch"
        children = [
            self._all_member(path, member, child_pointer(pointer, str(place)), depth, is_elements=is_elements)
            for place, member in enumerate(value)
        ]
        return All(path, tuple(children))

    def _all_member(self, path: Path, member: JsonValue, pointer: str, depth: int, *, is_elements: bool) -> Node:
        if is_elements:
            if not isinstance(member, dict) or list(member) != ["$elemMatch"]:
                fail("$all holds either values or $elemMatch, not both", pointer)
            return self._elem_match(path, member["$elemMatch"], child_pointer(pointer, "$elemMatch"), depth)
        if is_operators(member):
            fail("operators cannot stand in $all", pointer)
        check_literal(member, pointer)
        return Compare(path, "$eq", member)
