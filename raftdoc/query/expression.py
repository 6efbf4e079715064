"""Expressions: `{"$add": ["$price", "$$tax"]}`, parsed once, evaluated for every document.

    total = parse_expression({"$add": ["$price", 1]}, "/pipeline/0/$set/total")
    evaluate(total, {"price": 2}, Context())          # 3, or MISSING where there is nothing

Constant parts are worked out at parse, so a fault in them shows even where no document does. An expression
has no memory: it may be shared. Its result may share parts with the document; neither is ever changed in place.

Source: the dialect's recorded cases; the numbers of the errors are theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from raftdoc.document.path import MISSING, Missing
from raftdoc.query.context import Context
from raftdoc.query.expressions.compile import compile_operand, is_heavy
from raftdoc.query.expressions.scope import (
    VARIES,
    Builder,
    Code,
    Frame,
    FrameSize,
    Reading,
    Run,
    Scope,
    Value,
)
from raftdoc.query.expressions.table import OPERATORS
from raftdoc.query.extent import check_extent

__all__ = ["MISSING", "Context", "Expression", "Missing", "compile_in", "evaluate", "new_scope", "parse_expression"]

_NO_SLOTS: Final[list[Value]] = []


class Expression(NamedTuple):
    run: Run
    """For those that keep frames themselves; see `frame`."""
    constant: Value
    """The value where it depends on nothing, else VARIES."""
    slots: list[Value]
    """The part of a frame for bound variables."""

    @property
    def is_constant(self) -> bool:
        return self.constant is not VARIES


def new_scope(
    variables: Iterable[str] = (),
    *,
    constants: Mapping[str, Value] | None = None,
    is_group: bool = False,
    reading: Reading | None = None,
) -> Scope:
    """Return the scope of an expression that may use these outer variables; `reading` is that of its specification."""
    return Scope(
        OPERATORS,
        outer=frozenset(variables),
        constants=constants or {},
        size=FrameSize(),
        reading=reading or Reading(),
        is_group=is_group,
    )


def parse_expression(
    spec: Value, pointer: str, *, variables: Iterable[str] = (), reading: Reading | None = None
) -> Expression:
    """Return the expression of a specification that stands at pointer in the request.

    Raises:
        InvalidQuery: it is none.
    """
    return compile_in(new_scope(variables, reading=reading), spec, pointer)


def compile_in(scope: Scope, spec: Value, pointer: str) -> Expression:
    """Return the expression of a specification in a scope of `new_scope`.

    Raises:
        InvalidQuery: it is none.
    """
    scope.size.charges |= is_heavy(spec, scope.reading)
    code: Code = compile_operand(spec, scope, pointer)
    run = code.run
    if scope.size.builds and not code.is_constant:
        run = _bounded(run, pointer)
    return Expression(run, code.constant, [MISSING] * (scope.size.slots - 2) or _NO_SLOTS)


def _bounded(run: Run, pointer: str) -> Run:
    def run_bounded(frame: Frame) -> Value:
        value = run(frame)
        check_extent(value, pointer)
        return value

    return run_bounded


def evaluate(expression: Expression, document: Value, context: Context) -> Value:
    """Return the value of an expression over a document, MISSING if it has none.

    Raises:
        InvalidQuery: an operator cannot take a value.
    """
    frame: Frame = [document, context, *expression.slots]
    return expression.run(frame)


def operator_builders() -> Mapping[str, Builder]:
    """Return every operator by name."""
    return OPERATORS
