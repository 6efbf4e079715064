"""The answer to many documents, small enough to be remembered: 14 bytes an item would not be.

The documents that were created have consecutive revisions, so the first one, the number of items and the
positions of those that failed say it all. Which index refused a document is kept, its key is not.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeAlias

from raftdoc.statemachine.outcome import OK

ItemResult: TypeAlias = tuple[str, int] | tuple[str, int, str]
"""Code, the revision of the document created or 0, and the index that refused it if one did."""


class Shape(IntEnum):
    PLAIN = 0
    MANY = 1
    """All that failed did so alike, and no index refused."""
    MIXED = 2


def compact_data(data: Any) -> tuple[Any, ...]:
    """Return the data of an outcome as it is stored: a shape and what it needs. A tuple is a tuple of ItemResult."""
    if not isinstance(data, tuple):
        return int(Shape.PLAIN), data
    failures: dict[tuple[str, ...], list[int]] = {}
    for position, (code, _, *index) in enumerate(data):
        if code != OK:
            failures.setdefault((code, *index), []).append(position)
    revisions = [result[1] for result in data if result[0] == OK]
    first = revisions[0] if revisions else 0
    assert revisions == list(range(first, first + len(revisions))), first
    if len(failures) > 1 or any(len(failure) > 1 for failure in failures):
        return int(Shape.MIXED), len(data), first, tuple(failures.items())
    (((failure,), failed),) = failures.items() or [(("",), [])]
    return int(Shape.MANY), len(data), first, failure, failed


def expand_data(shape: int, *stored: Any) -> Any:
    """Return the data that compact_data was given."""
    if shape == Shape.PLAIN:
        return stored[0]
    count, revision, *rest = stored
    failures = rest[0] if shape == Shape.MIXED else (((rest[0],), rest[1]),)
    failed = {position: (code, 0, *index) for (code, *index), positions in failures for position in positions}
    results: list[ItemResult] = []
    for position in range(count):
        result = failed.get(position)
        if result is None:
            result = (OK, revision)
            revision += 1
        results.append(result)
    return tuple(results)
