"""Operators on arrays as sets: order and repetition do not count, 1 and 1.0 are one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from raftdoc.query.context import Context
from raftdoc.query.expressions.charges import COMPARED_PER_STEP, charge_parts
from raftdoc.query.expressions.operands import compile_operands, counted, is_nullish, unary
from raftdoc.query.expressions.scope import CONTEXT_SLOT, FREE_SIZE, Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.order import identity_key, is_true, order_key
from raftdoc.query.type_names import type_name


def _as_set(array: list[Value], context: Context, pointer: str) -> dict[Hashable, Value]:
    """Return the first of each group of equal elements by its key, in the order of the array."""
    if len(array) > FREE_SIZE:
        context.charge(len(array) // COMPARED_PER_STEP, pointer)
    members: dict[Hashable, Value] = {}
    for element in array:
        if type(element) is list or type(element) is dict:
            charge_parts(element, context, pointer)
        members.setdefault(identity_key(element), element)
    return members


def _checked(array: Value, pointer: str, mongo_code: int) -> list[Value]:
    if isinstance(array, list):
        return array
    raise fault(f"a set is an array, not {type_name(array)}", pointer, mongo_code)


def _in_order(members: Mapping[Hashable, Value]) -> list[Value]:
    return sorted(members.values(), key=order_key)


def _union(arrays: list[Value], context: Context, pointer: str) -> Value:
    joined: list[Value] = []
    for array in arrays:
        if is_nullish(array):
            return None
        joined += _checked(array, pointer, 17043)
    return _in_order(_as_set(joined, context, pointer))


def _intersection(arrays: list[Value], context: Context, pointer: str) -> Value:
    common: dict[Hashable, Value] | None = None
    for array in arrays:
        if is_nullish(array):
            return None
        members = _as_set(_checked(array, pointer, 17047), context, pointer)
        common = members if common is None else {key: value for key, value in common.items() if key in members}
    return _in_order(common or {})


def _difference(values: list[Value], context: Context, pointer: str) -> Value:
    left, right = values
    if is_nullish(left) or is_nullish(right):
        return None
    gone = _as_set(_checked(right, pointer, 17049), context, pointer) if isinstance(left, list) else {}
    members = _as_set(_checked(left, pointer, 17048), context, pointer)
    return [value for key, value in members.items() if key not in gone]


def _build_equals(spec: Value, scope: Scope, pointer: str) -> Code:
    codes = compile_operands(spec, scope, pointer)
    if len(codes) < 2:
        raise fault("$setEquals takes at least two operands", pointer, 17045)
    for code in codes:
        if code.is_constant:
            _checked(code.constant, pointer, 5887502)
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        context = frame[CONTEXT_SLOT]
        sets = [_as_set(_checked(run_operand(frame), pointer, 17044), context, pointer) for run_operand in runs]
        first, *others = [members.keys() for members in sets]
        return all(first == other for other in others)

    return fold(run, codes, scope)


def _is_subset(values: list[Value], context: Context, pointer: str) -> Value:
    left, right = values
    members = _as_set(_checked(left, pointer, 17046), context, pointer)
    return members.keys() <= _as_set(_checked(right, pointer, 17042), context, pointer).keys()


def _all_true(array: Value, pointer: str) -> Value:
    return all(map(is_true, _checked(array, pointer, 17040)))


def _any_true(array: Value, pointer: str) -> Value:
    return any(map(is_true, _checked(array, pointer, 17041)))


OPERATORS: Final[Mapping[str, Builder]] = {
    "$setUnion": counted(_union, is_commutative=True),
    "$setIntersection": counted(_intersection, is_commutative=True),
    "$setDifference": counted(_difference, 2, 2),
    "$setEquals": _build_equals,
    "$setIsSubset": counted(_is_subset, 2, 2),
    "$allElementsTrue": unary(_all_true),
    "$anyElementTrue": unary(_any_true),
}
