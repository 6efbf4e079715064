"""What a compiled expression is, and which names it may use.

A frame is the list that every closure gets: slot 0 the document (`$$ROOT`), slot 1 the Context, then one slot
for each variable that `$let`, `$map` and their like bind. Slots are assigned at parse, so that a variable costs
an index into a list. Variables that come from outside the expression are looked up in the Context by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from raftdoc.errors import InvalidQuery, QueryOverBudget
from raftdoc.query.context import Budget, Context
from raftdoc.query.extent import check_extent, size_of

Value: TypeAlias = Any
"""A JSON value, or MISSING."""
Frame: TypeAlias = list[Any]
Run: TypeAlias = Callable[[Frame], Value]

ROOT_SLOT: Final = 0
CONTEXT_SLOT: Final = 1
_FIRST_FREE_SLOT: Final = 2

EXPRESSION_DEPTH_MAX: Final = 100
FOLD_STEPS_MAX: Final = 20_000
"""Turns of loops, about, that the constants of one specification may take when it is read: some 10 ms."""
FREE_SIZE: Final = 32
"""Parts of a value that count as nothing."""
PARTS_PER_STEP: Final = 16
"""Elements, members or characters of an operand that cost as much as one turn of a loop, about."""


class Varies(Enum):
    """The type of VARIES."""

    VARIES = "varies"


VARIES: Final = Varies.VARIES
"""The value depends on the frame."""


class Code(NamedTuple):
    run: Run
    constant: Value = VARIES
    """The value, where it is the same for every frame."""

    @property
    def is_constant(self) -> bool:
        return self.constant is not VARIES


Builder: TypeAlias = "Callable[[Value, Scope, str], Code]"


@dataclass(slots=True)
class FrameSize:
    """What is known of a frame and of the expression that it is for, as more of it is compiled."""

    slots: int = _FIRST_FREE_SLOT
    charges: bool = False
    """Whether the size of operands is counted."""
    builds: bool = False
    """Whether the expression makes arrays or objects: its value may be larger than what it is made of."""


class Reading:
    """One specification while it is read: what all of its expressions share."""

    __slots__ = ("_folding", "part_count")

    def __init__(self) -> None:
        self._folding: Context | None = None
        self.part_count = 0
        """Of the expressions that were read so far."""

    @property
    def folding(self) -> Context:
        """In which constant operands are worked out."""
        if self._folding is None:
            self._folding = Context(budget=Budget(FOLD_STEPS_MAX, FOLD_STEPS_MAX))
        return self._folding


@dataclass(frozen=True, slots=True)
class Scope:
    operators: Mapping[str, Builder]
    slots: Mapping[str, int] = field(default_factory=dict)
    """Where bound variables stand."""
    outer: frozenset[str] = frozenset()
    """Variables that the Context has."""
    constants: Mapping[str, Value] = field(default_factory=dict)
    """Variables with a fixed value, as `$$DESCEND` in `$redact`."""
    size: FrameSize = field(default_factory=FrameSize)
    reading: Reading = field(default_factory=Reading)
    depth: int = 0
    folds: bool = True
    """Whether constant operands are worked out at parse; not in a branch that may never be taken."""
    is_group: bool = False
    """In an accumulator of `$group`, where the dialect's compiled engine numbers a division by zero otherwise."""

    def bind(self, *names: str) -> tuple[Scope, list[int]]:
        """Return the scope in which these names are bound, and their slots in this order."""
        first = self.size.slots
        places = list(range(first, first + len(names)))
        self.size.slots += len(names)
        return replace(self, slots={**self.slots, **dict(zip(names, places, strict=True))}), places

    def branch(self) -> Scope:
        """Return the scope of an operand that may never be evaluated."""
        return replace(self, folds=False)

    def deeper(self, pointer: str) -> Scope:
        """Return the scope of operands.

        Raises:
            InvalidQuery: the expression is nested too deep.
        """
        if self.depth >= EXPRESSION_DEPTH_MAX:
            raise fault(f"an expression has at most {EXPRESSION_DEPTH_MAX} levels", pointer, 15)
        return replace(self, depth=self.depth + 1)


def fault(detail: str, pointer: str, mongo_code: int) -> InvalidQuery:
    """Return the error of a fault at pointer."""
    return InvalidQuery(detail, pointer=pointer, mongo_code=mongo_code)


def constant(value: Value) -> Code:
    """Return the code of a fixed value."""
    return Code(lambda _: value, value)


def fold(run: Run, operands: Sequence[Code], scope: Scope) -> Code:
    """Return the code of an operator without memory and variables: worked out now if its operands are constant.

    What takes more than is left for the constants of the specification is worked out for each document.

    Raises:
        InvalidQuery: the constant operands are what the operator cannot take.
    """
    if scope.folds and all(operand.constant is not VARIES for operand in operands):
        value = _worked_out(run, operands, scope.reading.folding)
        if value is not VARIES:
            return constant(value)
    return Code(run)


def _worked_out(run: Run, operands: Sequence[Code], context: Context) -> Value:
    """Return the value of an operator over constants; VARIES: it takes too much."""
    try:
        context.charge(1 + sum(size_of(operand.constant) for operand in operands) // PARTS_PER_STEP, "")
        value = run([{}, context])
        check_extent(value)
        context.charge(size_of(value) // PARTS_PER_STEP, "")
    except QueryOverBudget:
        return VARIES
    return value
