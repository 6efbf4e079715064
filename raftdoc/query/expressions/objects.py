"""Operators on objects and their fields; chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.document.path import MISSING, is_object
from raftdoc.query.expressions.compile import compile_operand
from raftdoc.query.expressions.operands import check_members, is_nullish, nary
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, fault
from raftdoc.query.type_names import type_name

_METADATA: Final = frozenset({"textScore", "indexKey", "geoNearDistance", "geoNearPoint", "randVal", "searchScore"})
_MANTISSA: Final = 1 << 53


def merge_objects(objects: list[Value], pointer: str, *, mongo_code: int = 40400) -> Value:
    """Return one object with the fields of all; the last value of a name counts, in the place of the first."""
    merged: dict[str, Value] = {}
    for value in objects:
        if is_object(value):
            merged.update(value)
        elif not is_nullish(value):
            raise fault(f"only objects can be merged, not {type_name(value)}", pointer, mongo_code)
    return merged


def _merge(objects: list[Value], pointer: str) -> Value:
    if len(objects) == 1 and isinstance(objects[0], list):
        return merge_objects(objects[0], pointer)
    return merge_objects(objects, pointer)


def _build_get_field(spec: Value, scope: Scope, pointer: str) -> Code:
    if isinstance(spec, dict) and ("field" in spec or "input" in spec or next(iter(spec), "")[:1] != "$"):
        check_members(spec, pointer, names={"field": 3041702, "input": 3041703}, not_object=0, unknown=3041701)
        run_input = compile_operand(spec["input"], scope, f"{pointer}/input").run
        field, below = spec["field"], f"{pointer}/field"
    else:
        field, below = spec, pointer
        run_input = compile_operand("$$CURRENT", scope, pointer).run
    name_code = compile_operand(field, scope, below)
    if name_code.is_constant and not isinstance(name_code.constant, str):
        raise fault(f"a field name is a string, not {type_name(name_code.constant)}", below, 3041704)

    def run(frame: Frame) -> Value:
        name, value = name_code.run(frame), run_input(frame)
        if not isinstance(name, str):
            raise fault(f"a field name is a string, not {type_name(name)}", below, 3041704)
        if is_object(value):
            return value.get(name, MISSING)
        return None if is_nullish(value) and value is not MISSING else MISSING

    return Code(run)


def _fixed_name(spec: Value, scope: Scope, pointer: str) -> str:
    """Return the field name of `$setField`: a string, or an expression that is the same for every document."""
    if isinstance(spec, str):
        if spec[:1] == "$":
            raise fault("a field name that begins with '$' stands in $literal", pointer, 4161108)
        name: Value = spec
    else:
        code = compile_operand(spec, scope, pointer)
        is_literal = isinstance(spec, dict) and ("$literal" in spec or "$const" in spec)
        if isinstance(spec, dict | list) and spec and not is_literal:
            raise fault("a field name is no expression", pointer, 4161106)
        name = code.constant
    if not isinstance(name, str):
        raise fault(f"a field name is a string, not {type_name(name)}", pointer, 4161107)
    if "\0" in name:
        raise fault("a field name cannot hold a NUL", pointer, 9534700)
    return name


def _build_set_field(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"field": 4161102, "value": 4161103, "input": 4161109}
    check_members(spec, pointer, names=names, not_object=4161100, unknown=4161101)
    return _field_setter(spec, spec["value"], scope, pointer)


def _build_unset_field(spec: Value, scope: Scope, pointer: str) -> Code:
    names = {"field": 4161102, "input": 4161109}
    check_members(spec, pointer, names=names, not_object=4161100, unknown=4161101)
    return _field_setter(spec, "$$REMOVE", scope, pointer)


def _field_setter(spec: dict[str, Value], value: Value, scope: Scope, pointer: str) -> Code:
    source = compile_operand(spec["input"], scope, f"{pointer}/input")
    run_value = compile_operand(value, scope, f"{pointer}/value").run
    name = _fixed_name(spec["field"], scope, f"{pointer}/field")
    if source.is_constant:
        _check_input(source.constant, pointer)

    def run(frame: Frame) -> Value:
        given = source.run(frame)
        if _check_input(given, pointer):
            return None
        made, member = dict(given), run_value(frame)
        if member is MISSING:
            made.pop(name, None)
        else:
            made[name] = member
        return made

    return Code(run)


def _check_input(value: Value, pointer: str) -> bool:
    """Return whether the input is null or missing."""
    if is_nullish(value):
        return True
    if not is_object(value):
        raise fault(f"the input is an object, not {type_name(value)}", f"{pointer}/input", 4161105)
    return False


def _build_rand(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, dict | list):
        raise fault("$rand takes no operands", pointer, 10065)
    if spec:
        raise fault("$rand takes no operands", pointer, 3040501)
    return Code(lambda frame: (frame[CONTEXT_SLOT].draw() >> 11) / _MANTISSA)


def _build_meta(spec: Value, scope: Scope, pointer: str) -> Code:
    """Refuse `$meta`: a document here carries nothing but itself."""
    if not isinstance(spec, str):
        raise fault(f"$meta takes a string, not {type_name(spec)}", pointer, 17307)
    raise fault(f"there is no metadata {spec!r}", pointer, 40218 if spec in _METADATA else 17308)


OPERATORS: Final[Mapping[str, Builder]] = {
    "$mergeObjects": nary(_merge),
    "$getField": _build_get_field,
    "$setField": _build_set_field,
    "$unsetField": _build_unset_field,
    "$rand": _build_rand,
    "$meta": _build_meta,
}
