"""Operators on arrays that bind no variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.document.path import MISSING, is_object
from raftdoc.query.context import Context
from raftdoc.query.expressions.charges import charge_elements, charge_parts
from raftdoc.query.expressions.operands import binary, check_count, compile_operands, is_nullish, nary, ranged, unary
from raftdoc.query.expressions.scope import (
    CONTEXT_SLOT,
    FREE_SIZE,
    PARTS_PER_STEP,
    Builder,
    Code,
    Frame,
    Scope,
    Value,
    fault,
    fold,
)
from raftdoc.query.numbers import as_whole, is_number
from raftdoc.query.order import identity_key
from raftdoc.query.type_names import INT32_MAX, INT32_MIN, type_name

ARRAY_LENGTH_MAX: Final = 1_000_000
"""Of an array that an operator makes out of others, or of numbers alone."""


def int32(value: Value, pointer: str, *, not_number: int, not_whole: int) -> int:
    """Return a number that is a whole one within 32 bits.

    Raises:
        InvalidQuery: it is not.
    """
    if not is_number(value):
        raise fault(f"a whole number is needed, not {type_name(value)}", pointer, not_number)
    whole = as_whole(value)
    if whole is None or not INT32_MIN <= whole <= INT32_MAX:
        raise fault("a whole number of 32 bits is needed", pointer, not_whole)
    return whole


def _array_elem_at(array: Value, place: Value, pointer: str) -> Value:
    if is_nullish(array) or is_nullish(place):
        return None
    if not isinstance(array, list):
        raise fault(f"$arrayElemAt takes an array, not {type_name(array)}", pointer, 28689)
    whole = int32(place, pointer, not_number=28690, not_whole=28691)
    return array[whole] if -len(array) <= whole < len(array) else MISSING


def end_of(place: int) -> Builder:
    """Return the builder of `$first` (place 0) or `$last` (place -1)."""

    def end(array: Value, pointer: str) -> Value:
        if is_nullish(array):
            return None
        if not isinstance(array, list):
            raise fault(f"an array is needed, not {type_name(array)}", pointer, 28689)
        return array[place] if array else MISSING

    return unary(end)


def _array_to_object(array: Value, pointer: str) -> Value:
    if is_nullish(array):
        return None
    if not isinstance(array, list):
        raise fault(f"$arrayToObject takes an array, not {type_name(array)}", pointer, 40386)
    if not array:
        return {}
    pairs = _listed_pairs(array, pointer) if isinstance(array[0], list) else _named_pairs(array, pointer)
    made = {}
    for name, value in pairs:
        if "\0" in name:
            raise fault("a field name cannot hold a NUL", pointer, 4940401)
        made[name] = value
    return made


def _listed_pairs(array: list[Value], pointer: str) -> list[tuple[str, Value]]:
    for pair in array:
        if not isinstance(pair, list):
            raise fault("either all elements are arrays or all are objects", pointer, 40396)
        if len(pair) != 2:
            raise fault("a pair is an array of two", pointer, 40397)
        if not isinstance(pair[0], str):
            raise fault(f"a name is a string, not {type_name(pair[0])}", pointer, 40395)
    return [(name, value) for name, value in array]


def _named_pairs(array: list[Value], pointer: str) -> list[tuple[str, Value]]:
    for place, pair in enumerate(array):
        if not is_object(pair):
            raise fault("an element is a pair, not " + type_name(pair), pointer, 40391 if place else 40398)
        if len(pair) != 2:
            raise fault("a pair is an object of k and v", pointer, 40392)
        if "k" not in pair or "v" not in pair:
            raise fault("a pair is an object of k and v", pointer, 40393)
        if not isinstance(pair["k"], str):
            raise fault(f"a name is a string, not {type_name(pair['k'])}", pointer, 40394)
    return [(pair["k"], pair["v"]) for pair in array]


def _object_to_array(value: Value, pointer: str) -> Value:
    if is_nullish(value):
        return None
    if not is_object(value):
        raise fault(f"$objectToArray takes an object, not {type_name(value)}", pointer, 40390)
    return [{"k": name, "v": member} for name, member in value.items()]


def _concat_arrays(arrays: list[Value], pointer: str) -> Value:
    joined: list[Value] = []
    for array in arrays:
        if is_nullish(array):
            return None
        if not isinstance(array, list):
            raise fault(f"only arrays can be joined, not {type_name(array)}", pointer, 28664)
        joined += array
        if len(joined) > ARRAY_LENGTH_MAX:
            raise fault(f"a joined array has at most {ARRAY_LENGTH_MAX} elements", pointer, 146)
    return joined


def _build_in(spec: Value, scope: Scope, pointer: str) -> Code:
    check_count(spec, 2, 2, pointer)
    sought, among = compile_operands(spec, scope, pointer)
    if isinstance(among.constant, list):
        run_sought, keys = sought.run, {identity_key(element) for element in among.constant}
        return fold(lambda frame: identity_key(run_sought(frame)) in keys, [sought], scope)
    run_one, run_array = sought.run, among.run

    def run(frame: Frame) -> Value:
        value, array = run_one(frame), run_array(frame)
        if not isinstance(array, list):
            raise fault(f"$in looks into an array, not {type_name(array)}", pointer, 40081)
        return _place_of(value, array, range(len(array)), frame[CONTEXT_SLOT], pointer) >= 0

    return fold(run, [sought, among], scope)


def _place_of(sought: Value, array: list[Value], places: range, context: Context, pointer: str) -> int:
    """Return where the first element equal to a value stands, -1: nowhere."""
    charge_elements(array, context, pointer)
    charge_parts(sought, context, pointer)
    key = identity_key(sought)
    for place in places:
        element = array[place]
        charge_parts(element, context, pointer)
        if identity_key(element) == key:
            return place
    return -1


def _build_index_of_array(spec: Value, scope: Scope, pointer: str) -> Code:
    check_count(spec, 2, 4, pointer)
    codes = compile_operands(spec, scope, pointer)
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        return _index_of_array([run_operand(frame) for run_operand in runs], frame[CONTEXT_SLOT], pointer)

    return fold(run, codes, scope)


def _index_of_array(values: list[Value], context: Context, pointer: str) -> Value:
    array = values[0]
    if is_nullish(array):
        return None
    if not isinstance(array, list):
        raise fault(f"$indexOfArray looks into an array, not {type_name(array)}", pointer, 40090)
    start = _place(values[2], pointer) if len(values) > 2 else 0
    stop = _place(values[3], pointer) if len(values) > 3 else len(array)
    return _place_of(values[1], array, range(start, min(stop, len(array))), context, pointer)


def _place(value: Value, pointer: str) -> int:
    whole = int32(value, pointer, not_number=9711600, not_whole=9711600)
    if whole < 0:
        raise fault("a place is not negative", pointer, 9711601)
    return whole


def _range(values: list[Value], pointer: str) -> range:
    start = int32(values[0], pointer, not_number=34443, not_whole=34444)
    stop = int32(values[1], pointer, not_number=34445, not_whole=34446)
    step = int32(values[2], pointer, not_number=34447, not_whole=34448) if len(values) > 2 else 1
    if step == 0:
        raise fault("the step of $range is not zero", pointer, 34449)
    numbers = range(start, stop, step)
    if len(numbers) > ARRAY_LENGTH_MAX:
        raise fault(f"$range makes at most {ARRAY_LENGTH_MAX} numbers", pointer, 146)
    return numbers


def _build_range(spec: Value, scope: Scope, pointer: str) -> Code:
    check_count(spec, 2, 3, pointer)
    codes = compile_operands(spec, scope, pointer)
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        numbers = _range([run_operand(frame) for run_operand in runs], pointer)
        if len(numbers) > FREE_SIZE:
            frame[CONTEXT_SLOT].charge(len(numbers) // PARTS_PER_STEP, pointer)
        return list(numbers)

    return fold(run, codes, scope)


def _reverse_array(array: Value, pointer: str) -> Value:
    if is_nullish(array):
        return None
    if not isinstance(array, list):
        raise fault(f"$reverseArray takes an array, not {type_name(array)}", pointer, 34435)
    return array[::-1]


def _size(array: Value, pointer: str) -> Value:
    if not isinstance(array, list):
        raise fault(f"$size takes an array, not {type_name(array)}", pointer, 17124)
    return len(array)


def _slice(values: list[Value], pointer: str) -> Value:
    if any(is_nullish(value) for value in values):
        return None
    array = values[0]
    if not isinstance(array, list):
        raise fault(f"$slice takes an array, not {type_name(array)}", pointer, 28724)
    first = int32(values[1], pointer, not_number=28725, not_whole=28726)
    if len(values) == 2:
        return array[:first] if first >= 0 else array[first:]
    count = int32(values[2], pointer, not_number=28727, not_whole=28728)
    if count <= 0:
        raise fault("the count of $slice is positive", pointer, 28729)
    start = first if first >= 0 else max(0, len(array) + first)
    return array[start : start + count]


def _is_array(value: Value, pointer: str) -> bool:
    return isinstance(value, list)


OPERATORS: Final[Mapping[str, Builder]] = {
    "$arrayElemAt": binary(_array_elem_at),
    "$arrayToObject": unary(_array_to_object),
    "$objectToArray": unary(_object_to_array),
    "$concatArrays": nary(_concat_arrays),
    "$in": _build_in,
    "$indexOfArray": _build_index_of_array,
    "$range": _build_range,
    "$reverseArray": unary(_reverse_array),
    "$size": unary(_size),
    "$slice": ranged(_slice, 2, 3),
    "$isArray": unary(_is_array),
}
