"""The answer to many documents, small enough to be remembered: 14 bytes an item would not be.

The documents that were created have consecutive revisions, so the first one, the number of items and the
positions of those that failed say it all.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from raftdoc.statemachine.outcome import OK

ItemResult: TypeAlias = tuple[str, int]
"""Code, and the revision of the document created or 0."""


class Shape(IntEnum):
    PLAIN = 0
    MANY = 1


def compact_data(data: Any) -> tuple[Any, ...]:
    """Return the data of an outcome as it is stored: a shape and what it needs. A tuple is a tuple of ItemResult."""
    if not isinstance(data, tuple):
        return int(Shape.PLAIN), data
    failed = [position for position, (code, _) in enumerate(data) if code != OK]
    revisions = [revision for code, revision in data if code == OK]
    failure = data[failed[0]][0] if failed else ""
    first = revisions[0] if revisions else 0
    assert revisions == list(range(first, first + len(revisions))), first
    assert all(data[position] == (failure, 0) for position in failed), failure
    return int(Shape.MANY), len(data), first, failure, failed


def expand_data(shape: int, *stored: Any) -> Any:
    """Return the data that compact_data was given."""
    if shape == Shape.PLAIN:
        return stored[0]
    count, revision, failure, failed = stored
    results: list[ItemResult] = []
    failed_positions = frozenset(failed)
    for position in range(count):
        if position in failed_positions:
            results.append((failure, 0))
        else:
            results.append((OK, revision))
            revision += 1
    return tuple(results)
