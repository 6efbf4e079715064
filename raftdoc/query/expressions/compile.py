"""Operands: constants, field paths, variables, arrays, objects and operators, compiled to closures."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from raftdoc.document.path import MISSING, mapped_value, parse_path
from raftdoc.document.tagged import TAGS, check_tagged
from raftdoc.errors import InvalidDocument
from raftdoc.query.expressions.scope import (
    CONTEXT_SLOT,
    FREE_SIZE,
    PARTS_PER_STEP,
    ROOT_SLOT,
    Code,
    Frame,
    Reading,
    Run,
    Scope,
    Value,
    constant,
    fault,
)

FAILED_TO_PARSE: Final = 9
UNKNOWN_OPERATOR: Final = 168
NO_CLUSTER_TIME: Final = 10071200

_BUILDING: Final = frozenset(
    {
        "$map", "$reduce", "$zip", "$concatArrays", "$setField", "$mergeObjects", "$objectToArray", "$arrayToObject",
        "$setUnion",
    }
)  # fmt: skip
"""Operators that can put one part into a value several times."""
_LOOPING: Final = frozenset({"$map", "$filter", "$reduce", "$zip", "$sortArray"})
"""Operators that evaluate something, or compare, for every element."""

LIGHT_PARTS: Final = 200

_VARIABLE = re.compile(r"[A-Za-z\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*")
_BINDABLE = re.compile(r"(?:[a-z\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*|CURRENT)")


def escaped(name: str) -> str:
    """Return a member name as a component of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def compile_operand(spec: Value, scope: Scope, pointer: str) -> Code:
    """Compile any expression.

    Raises:
        InvalidQuery: it is none.
    """
    code = _compile(spec, scope, pointer)
    if scope.depth and scope.size.charges:
        return Code(_charged(code.run, pointer), code.constant)
    return code


def _charged(run: Run, pointer: str) -> Run:
    """Return an operand that counts as turns of a loop by its size: an operator goes through all of it."""

    def run_charged(frame: Frame) -> Value:
        value = run(frame)
        kind = type(value)
        if (kind is list or kind is str or kind is dict) and len(value) > FREE_SIZE:
            frame[CONTEXT_SLOT].charge(len(value) // PARTS_PER_STEP, pointer)
        return value

    return run_charged


def is_heavy(spec: Value, reading: Reading) -> bool:
    """Return whether an expression has loops, or is part of much: then the size of its operands counts."""
    left = [spec]
    while left:
        part = left.pop()
        reading.part_count += 1
        if reading.part_count > LIGHT_PARTS:
            return True
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            if not _LOOPING.isdisjoint(part):
                return True
            left += part.values()
    return False


def _compile(spec: Value, scope: Scope, pointer: str) -> Code:
    if isinstance(spec, str):
        return _compile_text(spec, scope, pointer)
    if isinstance(spec, dict) and spec:
        return _compile_object(spec, scope.deeper(pointer), pointer)
    if isinstance(spec, list):
        return _compile_array(spec, scope.deeper(pointer), pointer)
    return constant(spec)


def _compile_text(text: str, scope: Scope, pointer: str) -> Code:
    if text[:1] != "$":
        return constant(text)
    if text[:2] == "$$":
        return _compile_variable(text[2:], scope, pointer)
    if text == "$":
        raise fault("'$' by itself is not a field path", pointer, 16872)
    path = parse_path(text[1:], pointer)
    if "CURRENT" in scope.slots:
        return _path_from_slot(scope.slots["CURRENT"], path, scope)
    return _path_from_root(path, scope)


def _path_from_root(path: tuple[str, ...], scope: Scope) -> Code:
    first, rest, follow = path[0], path[1:], _follow(scope)
    if not rest:
        return Code(lambda frame: frame[0].get(first, MISSING))

    def run(frame: Frame) -> Value:
        value = frame[0].get(first, MISSING)
        return value if value is MISSING else follow(value, rest, frame)

    return Code(run)


def _follow(scope: Scope) -> Callable[[Value, tuple[str, ...], Frame], Value]:
    return _mapped_charged if scope.size.charges else _mapped


def _mapped(value: Value, path: tuple[str, ...], frame: Frame) -> Value:
    return mapped_value(value, path)


def _mapped_charged(value: Value, path: tuple[str, ...], frame: Frame) -> Value:
    if type(value) is list and len(value) > FREE_SIZE:
        frame[CONTEXT_SLOT].charge(len(value) // PARTS_PER_STEP, "")
    return mapped_value(value, path)


def _path_from_slot(slot: int, path: tuple[str, ...], scope: Scope) -> Code:
    follow = _follow(scope)
    if not path:
        return Code(lambda frame: frame[slot])

    def run(frame: Frame) -> Value:
        value = frame[slot]
        return value if value is MISSING else follow(value, path, frame)

    return Code(run)


def _compile_variable(text: str, scope: Scope, pointer: str) -> Code:
    name, dot, rest = text.partition(".")
    if _VARIABLE.fullmatch(name) is None:
        raise fault(f"'$${name}' is no name of a variable", pointer, FAILED_TO_PARSE)
    path = parse_path(rest, pointer) if dot and rest else ()
    if dot and not rest:
        raise fault(f"the field path '$${text}' ends with '.'", pointer, 40353)
    if name in scope.slots:
        return _path_from_slot(scope.slots[name], path, scope)
    if name in ("ROOT", "CURRENT"):
        return _path_from_root(path, scope) if path else _path_from_slot(ROOT_SLOT, path, scope)
    if name in scope.outer:
        return _path_from_context(name, path, scope)
    if name == "NOW":
        return Code(lambda frame: MISSING if path else frame[CONTEXT_SLOT].now)
    if name in scope.constants:
        return constant(MISSING if path else scope.constants[name])
    if name == "REMOVE":
        return constant(MISSING)
    if name == "CLUSTER_TIME":
        raise fault("there is no cluster time", pointer, NO_CLUSTER_TIME)
    raise fault(f"the variable '$${name}' is not defined", pointer, 17276)


def _path_from_context(name: str, path: tuple[str, ...], scope: Scope) -> Code:
    follow = _follow(scope)

    def run(frame: Frame) -> Value:
        value = frame[CONTEXT_SLOT].variables[name]
        return value if value is MISSING else follow(value, path, frame)

    return Code(run)


def check_bindable(name: Value, pointer: str) -> str:
    """Return a name that `as` or `vars` gives to a variable.

    Raises:
        InvalidQuery: it cannot be one.
    """
    if not isinstance(name, str) or _BINDABLE.fullmatch(name) is None:
        raise fault(
            f"{name!r} cannot be the name of a variable: it begins with a small letter", pointer, FAILED_TO_PARSE
        )
    return name


def _is_plain(value: Value) -> bool:
    """Return whether a value stands for itself, as most elements of a long array do."""
    return not isinstance(value, dict | list | str) or (isinstance(value, str) and value[:1] != "$")


def _compile_array(spec: list[Value], scope: Scope, pointer: str) -> Code:
    if all(map(_is_plain, spec)):
        return constant(list(spec))
    codes = [compile_operand(element, scope, f"{pointer}/{place}") for place, element in enumerate(spec)]
    if all(code.is_constant for code in codes):
        return constant([None if code.constant is MISSING else code.constant for code in codes])
    scope.size.builds = True
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        return [None if (value := run_element(frame)) is MISSING else value for run_element in runs]

    return Code(run)


def _compile_object(spec: dict[str, Value], scope: Scope, pointer: str) -> Code:
    name = next(iter(spec))
    if name[:1] != "$":
        return _compile_fields(spec, scope, pointer)
    if len(spec) > 1:
        raise fault("an expression is an object of exactly one operator", pointer, 15983)
    if name in TAGS:
        return _compile_tagged(spec, pointer)
    builder = scope.operators.get(name)
    if builder is None:
        raise fault(f"there is no operator {name!r}", f"{pointer}/{escaped(name)}", UNKNOWN_OPERATOR)
    scope.size.builds |= name in _BUILDING
    return builder(spec[name], scope, f"{pointer}/{escaped(name)}")


def _compile_tagged(spec: dict[str, Value], pointer: str) -> Code:
    try:
        check_tagged(spec)
    except InvalidDocument as error:
        raise fault(error.detail, pointer, FAILED_TO_PARSE) from None
    return constant(spec)


def check_field_name(name: str, pointer: str) -> None:
    """Check the name of a member of a computed object.

    Raises:
        InvalidQuery: it is empty, begins with `$`, or holds a dot or a NUL.
    """
    if not name:
        raise fault("a field name cannot be empty", pointer, 15998)
    if name[0] == "$":
        raise fault(f"the field name {name!r} begins with '$'", pointer, 16410)
    if "\0" in name:
        raise fault("a field name cannot hold a NUL", pointer, 16411)
    if "." in name:
        raise fault(f"the field name {name!r} holds a '.'", pointer, 16412)


def _compile_fields(spec: dict[str, Value], scope: Scope, pointer: str) -> Code:
    codes: dict[str, Code] = {}
    for name, member in spec.items():
        below = f"{pointer}/{escaped(name)}"
        check_field_name(name, below)
        codes[name] = compile_operand(member, scope, below)
    if all(code.is_constant for code in codes.values()):
        return constant({name: code.constant for name, code in codes.items() if code.constant is not MISSING})
    scope.size.builds = True
    runs = [(name, code.run) for name, code in codes.items()]

    def run(frame: Frame) -> Value:
        return {name: value for name, run_member in runs if (value := run_member(frame)) is not MISSING}

    return Code(run)
