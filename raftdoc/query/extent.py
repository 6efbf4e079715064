"""How large a value would be written out: an expression can build one that shares its parts.

    {"$reduce": {"input": {"$range": [0, 60]}, "initialValue": [1], "in": ["$$value", "$$value"]}}

has sixty lists in memory and 2^60 elements on the wire. Whatever goes through all of a value (a comparison, a key,
the encoder) is therefore handed only values of bounded extent.
"""

from __future__ import annotations

from typing import Any, Final

from raftdoc.errors import InvalidQuery

VALUES_MAX: Final = 1_000_000
"""Members and elements, those of shared parts as often as they would be written."""
DEPTH_MAX: Final = 200

TOO_LARGE: Final = 10334
TOO_DEEP: Final = 15


def check_extent(value: Any, pointer: str = "") -> int:
    """Return how many parts a value has, 0 if it can have none, in time linear in what is in memory.

    Raises:
        InvalidQuery: it is too large or too deep.
    """
    if type(value) is list or type(value) is dict:
        return _count(value, {}, 0, pointer)
    return 0


def size_of(value: Any) -> int:
    """Return how many parts a value has, or a text characters.

    Raises:
        InvalidQuery: it is too large or too deep.
    """
    return len(value) if type(value) is str else check_extent(value)


def _count(value: Any, known: dict[int, int], depth: int, pointer: str) -> int:
    counted = known.get(id(value))
    if counted is not None:
        return counted
    if depth >= DEPTH_MAX:
        raise InvalidQuery(f"a value has at most {DEPTH_MAX} levels", pointer=pointer, mongo_code=TOO_DEEP)
    total = len(value)
    for part in value.values() if type(value) is dict else value:
        if type(part) is list or type(part) is dict:
            total += _count(part, known, depth + 1, pointer)
    if total > VALUES_MAX:
        raise InvalidQuery(f"a value has at most {VALUES_MAX} parts", pointer=pointer, mongo_code=TOO_LARGE)
    known[id(value)] = total
    return total
