"""Operators that go through an array: with a variable bound to each element, or with a sort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, Final

from raftdoc.document.path import MISSING, is_object, mapped_value, parse_path
from raftdoc.query.expressions.arrays import int32
from raftdoc.query.expressions.charges import charge_parts
from raftdoc.query.expressions.compile import check_bindable, compile_operand, escaped
from raftdoc.query.expressions.operands import check_members, is_nullish
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, fault
from raftdoc.query.numbers import as_whole, is_number
from raftdoc.query.order import is_true, order_key
from raftdoc.query.type_names import type_name


def _array_of(value: Value, pointer: str, mongo_code: int) -> list[Value] | None:
    if isinstance(value, list):
        return value
    if is_nullish(value):
        return None
    raise fault(f"the input is an array, not {type_name(value)}", f"{pointer}/input", mongo_code)


def _variable(spec: dict[str, Value], pointer: str) -> str:
    return check_bindable(spec["as"], f"{pointer}/as") if "as" in spec else "this"


def _build_map(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"input": 16880, "as": None, "in": 16882}
    check_members(spec, pointer, names=names, not_object=16878, unknown=16879)
    run_input = compile_operand(spec["input"], scope, f"{pointer}/input").run
    inner, (slot,) = scope.bind(_variable(spec, pointer))
    run_element = compile_operand(spec["in"], inner, f"{pointer}/in").run

    def run(frame: Frame) -> Value:
        array = _array_of(run_input(frame), pointer, 16883)
        if array is None:
            return None
        frame[CONTEXT_SLOT].charge(len(array), pointer)
        made = []
        for element in array:
            frame[slot] = element
            value = run_element(frame)
            made.append(None if value is MISSING else value)
        return made

    return Code(run)


def _build_filter(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"input": 28648, "as": None, "cond": 28650, "limit": None}
    check_members(spec, pointer, names=names, not_object=28646, unknown=28647)
    run_input = compile_operand(spec["input"], scope, f"{pointer}/input").run
    run_limit = compile_operand(spec.get("limit"), scope, f"{pointer}/limit").run
    inner, (slot,) = scope.bind(_variable(spec, pointer))
    run_condition = compile_operand(spec["cond"], inner, f"{pointer}/cond").run

    def run(frame: Frame) -> Value:
        array = _array_of(run_input(frame), pointer, 28651)
        if array is None:
            return None
        limit = _limit(run_limit(frame), pointer)
        frame[CONTEXT_SLOT].charge(len(array), pointer)
        kept: list[Value] = []
        for element in array:
            frame[slot] = element
            if is_true(run_condition(frame)):
                kept.append(element)
                if len(kept) == limit:
                    break
        return kept

    return Code(run)


def _limit(value: Value, pointer: str) -> int | None:
    if is_nullish(value):
        return None
    limit = int32(value, f"{pointer}/limit", not_number=327391, not_whole=327391)
    if limit < 1:
        raise fault("a limit is positive", f"{pointer}/limit", 327392)
    return limit


def _build_reduce(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"input": 40077, "initialValue": 40078, "in": 40079}
    check_members(spec, pointer, names=names, not_object=40075, unknown=40076)
    run_input = compile_operand(spec["input"], scope, f"{pointer}/input").run
    run_initial = compile_operand(spec["initialValue"], scope, f"{pointer}/initialValue").run
    inner, (this_slot, value_slot) = scope.bind("this", "value")
    run_step = compile_operand(spec["in"], inner, f"{pointer}/in").run

    def run(frame: Frame) -> Value:
        array = _array_of(run_input(frame), pointer, 40080)
        if array is None:
            return None
        frame[CONTEXT_SLOT].charge(len(array), pointer)
        value = run_initial(frame)
        for element in array:
            frame[this_slot], frame[value_slot] = element, value
            value = run_step(frame)
        return value

    return Code(run)


def _build_zip(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, dict):
        raise fault("$zip takes an object", pointer, 34460)
    for name in spec:
        if name not in ("inputs", "useLongestLength", "defaults"):
            raise fault(f"$zip has no member {name!r}", f"{pointer}/{escaped(name)}", 34464)
    inputs, defaults = _zip_lists(spec, pointer)
    is_longest = spec.get("useLongestLength", False)
    if not isinstance(is_longest, bool):
        raise fault("useLongestLength is true or false", f"{pointer}/useLongestLength", 34463)
    if not inputs:
        raise fault("$zip needs inputs", pointer, 34465)
    if defaults and not is_longest:
        raise fault("defaults need useLongestLength", f"{pointer}/defaults", 34466)
    if defaults and len(defaults) != len(inputs):
        raise fault("there are as many defaults as inputs", f"{pointer}/defaults", 34467)
    run_inputs = compile_operand(inputs, scope, f"{pointer}/inputs").run
    run_defaults = compile_operand(defaults or [None] * len(inputs), scope, f"{pointer}/defaults").run

    def run(frame: Frame) -> Value:
        arrays = run_inputs(frame)
        for array in arrays:
            if not isinstance(array, list) and array is not None:
                raise fault(f"$zip takes arrays, not {type_name(array)}", f"{pointer}/inputs", 34468)
        if None in arrays:
            return None
        frame[CONTEXT_SLOT].charge(sum(map(len, arrays)), pointer)
        return _zipped(arrays, run_defaults(frame)) if is_longest else [list(row) for row in zip(*arrays, strict=False)]

    return Code(run)


def _zip_lists(spec: dict[str, Value], pointer: str) -> tuple[list[Value], list[Value]]:
    inputs, defaults = spec.get("inputs", []), spec.get("defaults", [])
    if not isinstance(inputs, list):
        raise fault("the inputs are an array", f"{pointer}/inputs", 34461)
    if not isinstance(defaults, list):
        raise fault("the defaults are an array", f"{pointer}/defaults", 34462)
    return inputs, defaults


def _zipped(arrays: list[list[Value]], defaults: list[Value]) -> list[list[Value]]:
    rows = zip_longest(*arrays, fillvalue=MISSING)
    return [
        [default if value is MISSING else value for value, default in zip(row, defaults, strict=True)] for row in rows
    ]


def _build_sort_array(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"input": 2942502, "sortBy": 2942503}
    check_members(spec, pointer, names=names, not_object=2942500, unknown=2942501)
    run_input = compile_operand(spec["input"], scope, f"{pointer}/input").run
    sorts, is_whole = element_sorts(spec["sortBy"], f"{pointer}/sortBy"), is_number(spec["sortBy"])

    def run(frame: Frame) -> Value:
        array = _array_of(run_input(frame), pointer, 2942504)
        if array is None:
            return None
        context = frame[CONTEXT_SLOT]
        context.charge(len(array) * len(sorts), pointer)
        if is_whole:
            charge_parts(array, context, pointer)
        return sorted_elements(array, sorts)

    return Code(run)


ElementSort = tuple[Callable[[Value], Any], bool]
"""The key, and whether it is descending."""


def element_sorts(spec: Value, pointer: str) -> list[ElementSort]:
    """Return the sorts of array elements, the most significant first.

    Raises:
        InvalidQuery: it is neither 1 nor -1 nor an object of paths to 1 or -1.
    """
    if is_number(spec):
        return [(order_key, _is_descending(spec, pointer, 2942506))]
    if not is_object(spec):
        raise fault("sortBy is 1, -1, or an object of field paths", pointer, 2942507)
    if not spec:
        raise fault("sortBy names at least one field path", pointer, 2942505)
    sorts = []
    for name, direction in spec.items():
        below = f"{pointer}/{escaped(name)}"
        sorts.append((_key_at(parse_path(name, below)), _is_descending(direction, below, 2942505)))
    return sorts


def _is_descending(direction: Value, pointer: str, mongo_code: int) -> bool:
    whole = as_whole(direction) if is_number(direction) else None
    if whole not in (1, -1):
        raise fault("a direction is 1 or -1", pointer, mongo_code)
    return whole == -1


def _key_at(path: tuple[str, ...]) -> Callable[[Value], Any]:
    def key(element: Value) -> Any:
        value = mapped_value(element, path) if is_object(element) else MISSING
        return order_key(None if value is MISSING else value)

    return key


def sorted_elements(array: list[Value], sorts: list[ElementSort]) -> list[Value]:
    """Return the elements in the order of sorts; equal ones as they were."""
    made = array
    for key, is_descending in reversed(sorts):
        made = sorted(made, key=key, reverse=is_descending)
    return made


OPERATORS: Final[Mapping[str, Builder]] = {
    "$map": _build_map,
    "$filter": _build_filter,
    "$reduce": _build_reduce,
    "$zip": _build_zip,
    "$sortArray": _build_sort_array,
}
