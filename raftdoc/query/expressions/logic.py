"""Comparison, boolean and conditional operators, `$let` and `$literal`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from raftdoc.document.path import MISSING
from raftdoc.query.expressions.charges import charged_key
from raftdoc.query.expressions.compile import check_bindable, compile_operand, escaped
from raftdoc.query.expressions.operands import (
    WRONG_COUNT,
    check_count,
    check_members,
    compile_operands,
    unary,
)
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, constant, fault, fold
from raftdoc.query.order import is_true

_PLAIN: Final = frozenset({int, float, str})


def _comparison(holds: Callable[[Any, Any], bool]) -> Builder:
    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        check_count(spec, 2, 2, pointer)
        left, right = compile_operands(spec, scope, pointer)
        run_left, run_right = left.run, right.run

        def run(frame: Frame) -> Value:
            first, second = run_left(frame), run_right(frame)
            if type(first) is type(second) and type(first) in _PLAIN:
                return holds(first, second)
            context = frame[CONTEXT_SLOT]
            return holds(charged_key(first, context, pointer), charged_key(second, context, pointer))

        return fold(run, [left, right], scope)

    return build


def _build_cmp(spec: Value, scope: Scope, pointer: str) -> Code:
    check_count(spec, 2, 2, pointer)
    left, right = compile_operands(spec, scope, pointer)
    run_left, run_right = left.run, right.run

    def run(frame: Frame) -> Value:
        context = frame[CONTEXT_SLOT]
        first = charged_key(run_left(frame), context, pointer)
        second = charged_key(run_right(frame), context, pointer)
        return (first > second) - (first < second)

    return fold(run, [left, right], scope)


def _build_and(spec: Value, scope: Scope, pointer: str) -> Code:
    codes = compile_operands(spec, scope, pointer)
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        for run_operand in runs:  # noqa: SIM110 - a generator costs more than the operands
            if not is_true(run_operand(frame)):
                return False
        return True

    return constant(False) if _ends_with(codes, is_wanted=False) else fold(run, codes, scope)


def _ends_with(codes: list[Code], *, is_wanted: bool) -> bool:
    """Return whether the last operand decides, whatever the others are; they are then not evaluated."""
    return bool(codes) and codes[-1].is_constant and is_true(codes[-1].constant) is is_wanted


def _build_or(spec: Value, scope: Scope, pointer: str) -> Code:
    codes = compile_operands(spec, scope, pointer)
    runs = [code.run for code in codes]

    def run(frame: Frame) -> Value:
        for run_operand in runs:  # noqa: SIM110 - a generator costs more than the operands
            if is_true(run_operand(frame)):
                return True
        return False

    return constant(True) if _ends_with(codes, is_wanted=True) else fold(run, codes, scope)


def _build_cond(spec: Value, scope: Scope, pointer: str) -> Code:
    if isinstance(spec, dict) and not (len(spec) == 1 and next(iter(spec))[:1] == "$"):
        absent = {"if": 17080, "then": 17081, "else": 17082}
        check_members(spec, pointer, names=absent, not_object=WRONG_COUNT, unknown=17083)
        parts = [compile_operand(spec[name], scope, f"{pointer}/{name}") for name in ("if", "then", "else")]
    else:
        check_count(spec, 3, 3, pointer)
        parts = compile_operands(spec, scope, pointer)
    condition, then, otherwise = parts
    if condition.is_constant:
        return then if is_true(condition.constant) else otherwise
    run_condition, run_then, run_otherwise = condition.run, then.run, otherwise.run
    return Code(lambda frame: run_then(frame) if is_true(run_condition(frame)) else run_otherwise(frame))


def _build_if_null(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, list) or len(spec) < 2:
        raise fault("$ifNull takes at least two operands", pointer, 1257300)
    codes = compile_operands(spec, scope, pointer)
    runs, run_last = [code.run for code in codes[:-1]], codes[-1].run

    def run(frame: Frame) -> Value:
        for run_operand in runs:
            value = run_operand(frame)
            if value is not None and value is not MISSING:
                return value
        return run_last(frame)

    return fold(run, codes, scope)


def _build_switch(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, dict):
        raise fault("$switch takes an object", pointer, 40060)
    branches: list[tuple[Code, Code]] = []
    for name, member in spec.items():
        if name == "branches":
            branches = _compile_branches(member, scope, f"{pointer}/branches")
        elif name != "default":
            raise fault(f"$switch has no member {name!r}", f"{pointer}/{escaped(name)}", 40067)
    if not branches:
        raise fault("$switch takes at least one branch", pointer, 40068)
    default = compile_operand(spec["default"], scope, f"{pointer}/default") if "default" in spec else None
    return _choose(branches, default, pointer)


def _compile_branches(spec: Value, scope: Scope, pointer: str) -> list[tuple[Code, Code]]:
    if not isinstance(spec, list):
        raise fault("the branches of $switch are an array", pointer, 40061)
    branches = []
    for place, branch in enumerate(spec):
        below = f"{pointer}/{place}"
        if not isinstance(branch, dict):
            raise fault("a branch of $switch is an object", below, 40062)
        for name in branch:
            if name not in ("case", "then"):
                raise fault(f"a branch has no member {name!r}", f"{below}/{escaped(name)}", 40063)
        if "case" not in branch:
            raise fault("a branch needs a case", below, 40064)
        if "then" not in branch:
            raise fault("a branch needs a then", below, 40065)
        case = compile_operand(branch["case"], scope.branch(), f"{below}/case")
        branches.append((case, compile_operand(branch["then"], scope.branch(), f"{below}/then")))
    return branches


def _choose(branches: list[tuple[Code, Code]], default: Code | None, pointer: str) -> Code:
    kept = [(case, then) for case, then in branches if not case.is_constant or is_true(case.constant)]
    if kept and kept[0][0].is_constant:
        return kept[0][1]
    if not kept and default is not None:
        return default
    if not kept:
        raise fault("no branch of $switch applies and there is no default", pointer, 40069)
    runs = [(case.run, then.run) for case, then in kept]

    def run(frame: Frame) -> Value:
        for run_case, run_then in runs:
            if is_true(run_case(frame)):
                return run_then(frame)
        if default is None:
            raise fault("no branch of $switch applies and there is no default", pointer, 40066)
        return default.run(frame)

    return Code(run)


def _build_let(spec: Value, scope: Scope, pointer: str) -> Code:
    if not isinstance(spec, dict):
        raise fault("$let takes an object", pointer, 16874)
    for name in spec:
        if name not in ("vars", "in"):
            raise fault(f"$let has no member {name!r}", f"{pointer}/{escaped(name)}", 16875)
    if "vars" not in spec:
        raise fault("$let needs vars", pointer, 16876)
    if "in" not in spec:
        raise fault("$let needs in", pointer, 16877)
    variables = spec["vars"]
    if isinstance(variables, list):
        variables = {str(place): element for place, element in enumerate(variables)}
    if not isinstance(variables, dict):
        raise fault("the vars of $let are an object", f"{pointer}/vars", 10065)
    names = [check_bindable(name, f"{pointer}/vars/{escaped(name)}") for name in variables]
    codes = [compile_operand(value, scope, f"{pointer}/vars/{escaped(name)}") for name, value in variables.items()]
    inner, slots = scope.bind(*names)
    body = compile_operand(spec["in"], inner, f"{pointer}/in")
    runs, run_body = [(slot, code.run) for slot, code in zip(slots, codes, strict=True)], body.run

    def run(frame: Frame) -> Value:
        # All values first: a variable does not see the others of the same $let.
        for slot, value in [(slot, run_value(frame)) for slot, run_value in runs]:
            frame[slot] = value
        return run_body(frame)

    return body if body.is_constant else Code(run)


def _build_literal(spec: Value, scope: Scope, pointer: str) -> Code:
    return constant(spec)


def _not(value: Value, pointer: str) -> bool:
    return not is_true(value)


OPERATORS: Final[Mapping[str, Builder]] = {
    "$eq": _comparison(operator.eq),
    "$ne": _comparison(operator.ne),
    "$gt": _comparison(operator.gt),
    "$gte": _comparison(operator.ge),
    "$lt": _comparison(operator.lt),
    "$lte": _comparison(operator.le),
    "$cmp": _build_cmp,
    "$and": _build_and,
    "$or": _build_or,
    "$not": unary(_not),
    "$cond": _build_cond,
    "$ifNull": _build_if_null,
    "$switch": _build_switch,
    "$let": _build_let,
    "$literal": _build_literal,
    "$const": _build_literal,
    "$expr": compile_operand,
}
