"""Sorting many values in steps: other work gets its turn in between."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

T = TypeVar("T")

RUN_VALUES: Final = 1024


def sorted_in_steps(
    values: list[T], key: Callable[[T], Any] | None = None, *, is_descending: bool = False
) -> Generator[None, None, list[T]]:
    """Return the values as `sorted` does; yields pauses. The last step merges two halves, and is the longest."""

    def ordered(part: list[T]) -> list[T]:
        part.sort(key=key, reverse=is_descending)
        return part

    runs = []
    for start in range(0, len(values), RUN_VALUES):
        runs.append(ordered(values[start : start + RUN_VALUES]))
        yield None
    while len(runs) > 1:
        pairs, runs = [runs[place : place + 2] for place in range(0, len(runs), 2)], []
        for pair in pairs:
            # Runs that lie one behind the other are known to the sort, which then merges them.
            runs.append(ordered([value for run in pair for value in run]))
            yield None
    return runs[0] if runs else []
