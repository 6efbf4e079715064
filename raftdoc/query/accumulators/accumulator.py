"""What an accumulator is, and how one stands in a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from raftdoc.query.context import Context

if TYPE_CHECKING:
    # Expressions use accumulators: `{"$sum": ["$a", "$b"]}`.
    from raftdoc.query.expression import Expression

Value: TypeAlias = Any


class Accumulator(Protocol):
    def add(self, value: Value) -> bool | None:
        """Take a value; return True when it has become time to `settle`, for what sorts (see `table.SORTING`)."""
        ...

    def partial(self) -> Value:
        """Return what `merge` takes, made of JSON values."""
        ...

    def merge(self, partial: Value) -> None:
        """Add what another accumulator of the same kind has seen, behind what this one has."""
        ...

    def result(self) -> Value: ...


Make: TypeAlias = Callable[[Value, Context], Accumulator]
"""Makes the accumulator of a group from the group's `_id`."""


class Field(NamedTuple):
    """One accumulated field of a stage."""

    name: str
    expression: Expression
    make: Make
    grows: bool
    """Whether what it holds grows with the documents, and has to be measured."""
    holds_numbers: bool = False
    """Whether it holds nothing of a value but a number."""
