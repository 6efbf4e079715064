"""Accumulators as expressions: over the elements of one array, or over several operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from raftdoc.query.accumulators.accumulator import Accumulator
from raftdoc.query.accumulators.ends import Extreme, ExtremeN, FirstN, LastN
from raftdoc.query.accumulators.percentiles import check_method, check_shares, percentiles
from raftdoc.query.accumulators.totals import Average, Deviation, Total
from raftdoc.query.context import Context
from raftdoc.query.expressions.arrays import end_of
from raftdoc.query.expressions.charges import charge_elements, charge_parts
from raftdoc.query.expressions.operands import compile_members, counted
from raftdoc.query.expressions.scope import CONTEXT_SLOT, Builder, Code, Frame, Scope, Value, fault, fold
from raftdoc.query.numbers import as_float, as_whole, finite, is_number
from raftdoc.query.type_names import type_name


def _folding(make: Callable[[str], Accumulator], *, compares: bool = False) -> Builder:
    def run(values: list[Value], context: Context, pointer: str) -> Value:
        state = make(pointer)
        elements = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        charge_elements(elements, context, pointer)
        for value in elements:
            if compares:
                charge_parts(value, context, pointer)
            state.add(value)
        return state.result()

    return counted(run)


def _counted(make: Callable[[int], Accumulator], *, not_object: int = 5787900) -> Builder:
    names = {"n": 5787906, "input": 5787907}

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = compile_members(spec, scope, pointer, names=names, not_object=not_object, unknown=5787901)
        run_n, run_input = codes["n"].run, codes["input"].run

        def run(frame: Frame) -> Value:
            count, array = _count(run_n(frame), f"{pointer}/n"), run_input(frame)
            if not isinstance(array, list):
                raise fault(f"the input is an array, not {type_name(array)}", f"{pointer}/input", 5788200)
            state, context = make(count), frame[CONTEXT_SLOT]
            charge_elements(array, context, pointer)
            for element in array:
                charge_parts(element, context, pointer)
                state.add(element)
            return state.result()

        return fold(run, list(codes.values()), scope)

    return build


def _count(value: Value, pointer: str) -> int:
    if not is_number(value):
        raise fault(f"n is a number, not {type_name(value)}", pointer, 5787902)
    whole = as_whole(value)
    if whole is None:
        raise fault("n is a whole number", pointer, 5787903)
    if whole < 1:
        raise fault("n is positive", pointer, 5787908)
    return whole


def _percentile(*, is_single: bool) -> Builder:
    names = {"input": 40414, "method": 40414, **({} if is_single else {"p": 40414})}
    not_object = 7436201 if is_single else 7436200

    def build(spec: Value, scope: Scope, pointer: str) -> Code:
        codes = compile_members(spec, scope, pointer, names=names, not_object=not_object, unknown=40415)
        method = check_method(spec["method"], f"{pointer}/method")
        shares = [0.5]
        if not is_single:
            if not codes["p"].is_constant:
                raise fault("p does not depend on documents", f"{pointer}/p", 7750300)
            shares = check_shares(codes["p"].constant, f"{pointer}/p")
        run_input = codes["input"].run

        def run(frame: Frame) -> Value:
            given = run_input(frame)
            values = given if isinstance(given, list) else [given]
            numbers = [finite(as_float(value), pointer) for value in values if is_number(value)]
            found = percentiles(numbers, shares, method)
            return found[0] if is_single else found

        return fold(run, [codes["input"]], scope)

    return build


OPERATORS: Final[Mapping[str, Builder]] = {
    "$sum": _folding(Total),
    "$avg": _folding(Average),
    "$min": _folding(lambda _: Extreme(is_greatest=False), compares=True),
    "$max": _folding(lambda _: Extreme(is_greatest=True), compares=True),
    "$stdDevPop": _folding(lambda pointer: Deviation(pointer, is_sample=False)),
    "$stdDevSamp": _folding(lambda pointer: Deviation(pointer, is_sample=True)),
    "$first": end_of(0),
    "$last": end_of(-1),
    "$firstN": _counted(FirstN, not_object=5787801),
    "$lastN": _counted(LastN, not_object=5787801),
    "$minN": _counted(lambda count: ExtremeN(count, is_greatest=False)),
    "$maxN": _counted(lambda count: ExtremeN(count, is_greatest=True)),
    "$median": _percentile(is_single=True),
    "$percentile": _percentile(is_single=False),
}
