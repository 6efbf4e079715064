"""`$median` and `$percentile`: exact, from all values; the same for each of the dialect's methods but `continuous`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from raftdoc.query.accumulators.accumulator import Value
from raftdoc.query.accumulators.in_steps import RUN_VALUES, sorted_in_steps
from raftdoc.query.expressions.scope import fault
from raftdoc.query.numbers import as_float, finite, is_number

METHODS: Final = frozenset({"approximate", "discrete", "continuous"})


def check_method(method: Value, pointer: str) -> str:
    """Return a method.

    Raises:
        InvalidQuery: it is none.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise fault(f"a method is one of {', '.join(sorted(METHODS))}", pointer, 2)
    return method


def check_shares(shares: Value, pointer: str) -> list[float]:
    """Return the `p` of `$percentile`.

    Raises:
        InvalidQuery: it is no array of numbers from 0 to 1.
    """
    if not isinstance(shares, list) or not shares:
        raise fault("p is an array of at least one number", pointer, 7750301)
    for share in shares:
        if not is_number(share):
            raise fault("p holds numbers", pointer, 7750302)
        if not 0 <= as_float(share) <= 1:
            raise fault("p holds numbers from 0 to 1", pointer, 7750303)
    return [as_float(share) for share in shares]


def percentiles(values: Sequence[float], shares: Sequence[float], method: str) -> list[Value]:
    """Return for each share the value below or at which that share of the values lies; null of no values."""
    if not values:
        return [None] * len(shares)
    ordered = sorted(values)
    return [_at(ordered, share, is_continuous=method == "continuous") for share in shares]


def _at(ordered: Sequence[float], share: float, *, is_continuous: bool) -> float:
    if not is_continuous:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    rank = share * (len(ordered) - 1)
    low = math.floor(rank)
    if low + 1 >= len(ordered):
        return ordered[low]
    return ordered[low] + (rank - low) * (ordered[low + 1] - ordered[low])


class Percentile:
    __slots__ = ("_is_single", "_method", "_pointer", "_shares", "_values")

    def __init__(self, shares: Sequence[float], method: str, pointer: str, *, is_single: bool) -> None:
        self._pointer = pointer
        self._shares = shares
        self._method = method
        self._is_single = is_single
        self._values: list[float] = []

    def add(self, value: Value) -> None:
        if is_number(value):
            self._values.append(finite(as_float(value), self._pointer))

    def settle(self) -> Iterator[None]:
        """Do what `result` has to do, in steps, if it is much."""
        if len(self._values) > RUN_VALUES:
            self._values = yield from sorted_in_steps(self._values)

    def partial(self) -> Value:
        return self._values

    def merge(self, partial: Value) -> None:
        self._values += partial

    def result(self) -> Value:
        found = percentiles(self._values, self._shares, self._method)
        return found[0] if self._is_single else found
