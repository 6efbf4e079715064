"""Builders of the common shapes of operators: a fixed or bounded number of operands, or named members."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from raftdoc.document.path import MISSING
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import compile_operand, escaped
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, fault, fold

WRONG_COUNT: Final = 16020
WRONG_COUNT_IN_RANGE: Final = 28667


def compile_operands(spec: Value, scope: Scope, pointer: str) -> list[Code]:
    """Compile the operands of an operator: the elements of an array, or the one that is no array."""
    if not isinstance(spec, list):
        return [compile_operand(spec, scope, pointer)]
    return [compile_operand(element, scope, f"{pointer}/{place}") for place, element in enumerate(spec)]


def check_count(spec: Value, least: int, most: int, pointer: str) -> None:
    """Check how many operands there are.

    Raises:
        InvalidQuery: too few or too many.
    """
    count = len(spec) if isinstance(spec, list) else 1
    if least <= count <= most:
        return
    if least == most:
        raise fault(f"this operator takes exactly {least} operands, not {count}", pointer, WRONG_COUNT)
    raise fault(f"this operator takes {least} to {most} operands, not {count}", pointer, WRONG_COUNT_IN_RANGE)


def unary(function: Callable[[Value, str], Value]) -> Builder:
    """Return the builder of an operator of one operand."""

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        check_count(spec, 1, 1, pointer)
        (operand,) = compile_operands(spec, scope, pointer)
        run_operand = operand.run
        return fold(lambda frame: function(run_operand(frame), pointer), [operand], scope)

    return build


def binary(function: Callable[[Value, Value, str], Value]) -> Builder:
    """Return the builder of an operator of two operands."""

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        check_count(spec, 2, 2, pointer)
        left, right = compile_operands(spec, scope, pointer)
        run_left, run_right = left.run, right.run
        return fold(lambda frame: function(run_left(frame), run_right(frame), pointer), [left, right], scope)

    return build


def nary(function: Callable[[list[Value], str], Value]) -> Builder:
    """Return the builder of an operator of any number of operands."""
    return ranged(function, 0, 1 << 30)


def counted(
    function: Callable[[list[Value], Context, str], Value],
    least: int = 0,
    most: int = 1 << 30,
    *,
    is_commutative: bool = False,
) -> Builder:
    """Return the builder of an operator that charges by what it gets; see `commutative`."""

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        check_count(spec, least, most, pointer)
        codes = compile_operands(spec, scope, pointer)
        ordered = sorted(codes, key=lambda code: code.is_constant) if is_commutative else codes
        runs = [code.run for code in ordered]
        return fold(lambda frame: function([run(frame) for run in runs], frame[CONTEXT_SLOT], pointer), codes, scope)

    return build


def commutative(function: Callable[[list[Value], str], Value]) -> Builder:
    """Return the builder of an operator of any number of operands, in any order: constant ones come last."""

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = compile_operands(spec, scope, pointer)
        runs = [code.run for code in sorted(codes, key=lambda code: code.is_constant)]
        return fold(lambda frame: function([run(frame) for run in runs], pointer), codes, scope)

    return build


def ranged(function: Callable[[list[Value], str], Value], least: int, most: int) -> Builder:
    """Return the builder of an operator of least to most operands."""

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        check_count(spec, least, most, pointer)
        codes = compile_operands(spec, scope, pointer)
        runs = [code.run for code in codes]
        return fold(lambda frame: function([run(frame) for run in runs], pointer), codes, scope)

    return build


def named(
    function: Callable[[dict[str, Value], str], Value],
    *,
    names: Mapping[str, int | None],
    not_object: int,
    unknown: int,
) -> Builder:
    """Return the builder of an operator of named members.

    names maps each member to the number of its absence, None where it may be absent. The function gets the value
    of every member that is written; MISSING is one.
    """

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = compile_members(spec, scope, pointer, names=names, not_object=not_object, unknown=unknown)
        runs = [(name, code.run) for name, code in codes.items()]

        def run(frame: Frame) -> Value:
            return function({name: run_member(frame) for name, run_member in runs}, pointer)

        return fold(run, list(codes.values()), scope)

    return build


def compile_members(
    spec: Value,
    scope: Scope,
    pointer: str,
    *,
    names: Mapping[str, int | None],
    not_object: int,
    unknown: int,
) -> dict[str, Code]:
    """Compile the members of an operator of named members.

    Raises:
        InvalidQuery: it is no object, a member is unknown, or one is absent that must not be.
    """
    check_members(spec, pointer, names=names, not_object=not_object, unknown=unknown)
    return {name: compile_operand(member, scope, f"{pointer}/{escaped(name)}") for name, member in spec.items()}


def check_members(spec: Value, pointer: str, *, names: Mapping[str, int | None], not_object: int, unknown: int) -> None:
    """Check which members an operator of named members has.

    Raises:
        InvalidQuery: it is no object, a member is unknown, or one is absent that must not be.
    """
    if not isinstance(spec, dict):
        raise fault("this operator takes an object of named members", pointer, not_object)
    for name in spec:
        if name not in names:
            raise fault(f"this operator has no member {name!r}", f"{pointer}/{escaped(name)}", unknown)
    for name, absent in names.items():
        if absent is not None and name not in spec:
            raise fault(f"the member {name!r} is required", pointer, absent)


def is_nullish(value: Value) -> bool:
    """Return whether a value is null or missing."""
    return value is None or value is MISSING
