"""Accumulators as they stand in `$group`, `$bucket` and `$bucketAuto`: parsed into Fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from raftdoc.document.path import is_object
from raftdoc.limits import INTEGER_MAX
from raftdoc.query.accumulators.accumulator import Accumulator, Field, Value
from raftdoc.query.accumulators.ends import (
    AddToSet,
    Concat,
    Extreme,
    ExtremeN,
    First,
    FirstN,
    Last,
    LastN,
    MergeObjects,
    Push,
    Ranked,
    Union,
)
from raftdoc.query.accumulators.percentiles import Percentile, check_method, check_shares
from raftdoc.query.accumulators.totals import Average, Count, Deviation, Total
from raftdoc.query.context import Context
from raftdoc.query.expression import Expression, compile_in, evaluate, new_scope
from raftdoc.query.expressions.compile import escaped
from raftdoc.query.expressions.operands import check_members
from raftdoc.query.expressions.scope import VARIES, Frame, Reading, Scope, fault
from raftdoc.query.numbers import as_whole, is_number
from raftdoc.query.sort import parse_sort

_SIMPLE: Final[Mapping[str, tuple[Callable[[str], Accumulator], bool]]] = {
    "$sum": (Total, False),
    "$avg": (Average, False),
    "$min": (lambda _: Extreme(is_greatest=False), False),
    "$max": (lambda _: Extreme(is_greatest=True), False),
    "$first": (lambda _: First(), False),
    "$last": (lambda _: Last(), False),
    "$push": (lambda _: Push(), True),
    "$addToSet": (lambda _: AddToSet(), True),
    "$concatArrays": (Concat, True),
    "$setUnion": (Union, True),
    "$mergeObjects": (MergeObjects, True),
    "$stdDevPop": (lambda pointer: Deviation(pointer, is_sample=False), False),
    "$stdDevSamp": (lambda pointer: Deviation(pointer, is_sample=True), False),
}
"""Those of one operand: how to make one for a pointer, and whether it grows."""

_COUNTED: Final[Mapping[str, Callable[[int], Accumulator]]] = {
    "$firstN": FirstN,
    "$lastN": LastN,
    "$minN": lambda count: ExtremeN(count, is_greatest=False),
    "$maxN": lambda count: ExtremeN(count, is_greatest=True),
}
"""Those of input and n."""

_RANKED: Final[Mapping[str, bool]] = {"$top": False, "$topN": False, "$bottom": True, "$bottomN": True}
"""Those of an order: whether the last of it are kept."""


SORTING: Final = (ExtremeN, Ranked, Percentile)
"""Accumulators that have `settle`, to be called before `result`, and whenever `add` says so."""
ACCUMULATORS: Final = frozenset({*_SIMPLE, *_COUNTED, *_RANKED, "$count", "$median", "$percentile"})


def parse_field(
    name: str, spec: Value, pointer: str, variables: frozenset[str], reading: Reading, *, is_group: bool = True
) -> Field:
    """Return an accumulated field; pointer is that of its specification.

    Raises:
        InvalidQuery: it is none.
    """
    if "." in name:
        raise fault(f"the field name {name!r} holds a '.'", pointer, 40235)
    if name[:1] == "$":
        raise fault(f"the field name {name!r} begins with '$'", pointer, 40236)
    if not is_object(spec) or not spec or next(iter(spec))[:1] != "$":
        raise fault("an accumulated field is an object of one accumulator", pointer, 40234)
    if len(spec) > 1:
        raise fault("an accumulated field has exactly one accumulator", pointer, 40238)
    ((operator, operand),) = spec.items()
    below = f"{pointer}/{escaped(operator)}"
    if isinstance(operand, list):
        raise fault(f"{operator} takes one operand here, no array", below, 40237)
    scope = new_scope(variables, is_group=is_group, reading=reading)
    if operator in _SIMPLE:
        make, grows = _SIMPLE[operator]
        return Field(name, compile_in(scope, operand, below), lambda _, __: make(below), grows)
    if operator == "$count":
        return _parse_count(name, operand, scope, below)
    if operator in _COUNTED:
        return _parse_counted(name, operator, operand, scope, below)
    if operator in _RANKED:
        return _parse_ranked(name, operator, operand, scope, below)
    if operator in ("$median", "$percentile"):
        return _parse_percentile(name, operator, operand, scope, below)
    raise fault(f"there is no accumulator {operator!r}", below, 15952)


def _parse_count(name: str, operand: Value, scope: Scope, pointer: str) -> Field:
    if not is_object(operand):
        raise fault("$count takes an empty object", pointer, 14)
    if operand:
        raise fault("$count takes an empty object", pointer, 4842501)
    return Field(name, compile_in(scope, None, pointer), lambda _, __: Count(), grows=False)


def _parse_counted(name: str, operator: str, operand: Value, scope: Scope, pointer: str) -> Field:
    names = {"n": 5787906, "input": 5787907}
    not_object = 5787801 if operator in ("$firstN", "$lastN") else 5787900
    check_members(operand, pointer, names=names, not_object=not_object, unknown=5787901)
    count_of = _count_of(operand["n"], scope, f"{pointer}/n")
    expression = compile_in(scope, operand["input"], f"{pointer}/input")
    make = _COUNTED[operator]
    return Field(name, expression, lambda group, context: make(count_of(group, context)), grows=True)


def _count_of(spec: Value, scope: Scope, pointer: str) -> Callable[[Value, Context], int]:
    """Return how many values a group keeps: a constant, or an expression over the group's `_id`."""
    expression = compile_in(scope, spec, pointer)
    if expression.is_constant:
        count = checked_count(expression.constant, pointer)
        return lambda _, __: count
    return lambda group, context: checked_count(
        evaluate(expression, group if is_object(group) else {"_id": group}, context), pointer
    )


def checked_count(value: Value, pointer: str, *, not_number: int = 7548606, not_positive: int = 7548606) -> int:
    """Return an `n`.

    Raises:
        InvalidQuery: it is no positive whole number.
    """
    whole = as_whole(value) if is_number(value) else None
    if whole is None:
        raise fault("n is a positive whole number", pointer, not_number)
    if not 0 < whole <= INTEGER_MAX:
        raise fault("n is a positive whole number", pointer, not_positive)
    return whole


def _parse_ranked(name: str, operator: str, operand: Value, scope: Scope, pointer: str) -> Field:
    is_single = not operator.endswith("N")
    names = {"sortBy": 5788005, "output": 5788004, **({} if is_single else {"n": 5788003})}
    check_members(operand, pointer, names=names, not_object=5788001, unknown=5788002)
    if not is_object(operand["sortBy"]):
        raise fault("sortBy is an object of paths to 1 or -1", f"{pointer}/sortBy", 5788604)
    sort = parse_sort(operand["sortBy"], f"{pointer}/sortBy")
    output = compile_in(scope, operand["output"], f"{pointer}/output")
    run_output = output.run

    def run(frame: Frame) -> Value:
        return sort.key(frame[0]), run_output(frame)

    count_of = _count_of(1 if is_single else operand["n"], scope, f"{pointer}/n")
    is_bottom = _RANKED[operator]

    def make(group: Value, context: Context) -> Accumulator:
        return Ranked(count_of(group, context), is_bottom=is_bottom, is_single=is_single)

    return Field(name, output._replace(run=run, constant=VARIES), make, grows=not is_single)


def _parse_percentile(name: str, operator: str, operand: Value, scope: Scope, pointer: str) -> Field:
    is_single = operator == "$median"
    names = {"input": 40414, "method": 40414, **({} if is_single else {"p": 40414})}
    check_members(operand, pointer, names=names, not_object=7436100 if is_single else 7429703, unknown=40415)
    expression = compile_in(scope, operand["input"], f"{pointer}/input")
    method = check_method(operand["method"], f"{pointer}/method")
    shares = [0.5] if is_single else check_shares(_fixed(operand["p"], scope, f"{pointer}/p"), f"{pointer}/p")

    def make(_group: Value, _context: Context) -> Accumulator:
        return Percentile(shares, method, pointer, is_single=is_single)

    return Field(name, expression, make, grows=True, holds_numbers=True)


def _fixed(spec: Value, scope: Scope, pointer: str) -> Value:
    expression: Expression = compile_in(scope, spec, pointer)
    if not expression.is_constant:
        raise fault("p does not depend on documents", pointer, 7750300)
    return expression.constant
