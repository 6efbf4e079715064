"""A plan: which ranges of which order are read, and what is still to be done with what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from raftdoc.document import decode_key
from raftdoc.errors import StateCorrupt
from raftdoc.query.index_definition import ID_INDEX_NAME, IndexDefinition

KeyRange: TypeAlias = tuple[bytes, bytes | None]
"""start <= key < stop; None: to the end."""

SortKind = Literal["none", "index", "memory"]
"""Asked for none; given by the order of reading; done in memory."""

SHOWN_RANGES_MAX = 20
SHOWN_KEY_BYTES_MAX = 200
"""Of one end of a range: there may be many, of values of any size."""


@dataclass(frozen=True, slots=True)
class Plan:
    index: IndexDefinition | None
    """None: the documents themselves, in the order of their ids."""
    ranges: tuple[KeyRange, ...]
    """In ascending order, without overlap: of value keys, or of id keys where there is no index."""
    is_bounded: bool
    """The ranges are less than everything."""
    reverse: bool
    sort: SortKind
    is_covered: bool
    """Everything that is asked for stands in the index."""
    is_exact: bool
    """The ranges hold what the filter matches, and nothing else: it need not be asked."""
    estimated_keys: int
    cost: float
    """In documents read and judged, about: only for comparing."""

    @property
    def name(self) -> str:
        return ID_INDEX_NAME if self.index is None else self.index.name

    @property
    def is_full_scan(self) -> bool:
        """Whether all documents of the collection are read."""
        return self.index is None and not self.is_bounded

    def describe(self) -> dict[str, Any]:
        """Return the plan as `explain` shows it."""
        shown = [_shown(bounds) for bounds in self.ranges[:SHOWN_RANGES_MAX]] if self.is_bounded else []
        stage = ("count" if self.is_exact else "covered") if self.is_covered else "fetch"
        access = "scan" if self.is_full_scan else "ids" if self.index is None else "index"
        return {
            "access": access,
            "index": None if self.is_full_scan else self.name,
            "direction": "backward" if self.reverse else "forward",
            "range_count": len(self.ranges),
            "ranges": shown,
            "sort": self.sort,
            "documents": stage,
            "filter_is_in_ranges": self.is_exact,
            "estimated_keys": self.estimated_keys,
            "cost": round(self.cost, 1),
        }


def _shown(bounds: KeyRange) -> dict[str, Any]:
    start, stop = bounds
    return {"from": shown_key(start), "below": None if stop is None else shown_key(stop)}


def shown_key(key: bytes) -> str:
    """Return a key for people: the values as far as it holds whole ones, then the rest in hex; `...` if it was cut."""
    if len(key) > SHOWN_KEY_BYTES_MAX:
        return f"{shown_key(key[:SHOWN_KEY_BYTES_MAX])}..."
    parts: list[str] = []
    offset = 0
    while offset < len(key):
        try:
            value, offset = decode_key(key, offset)
        except (StateCorrupt, UnicodeDecodeError):
            return " ".join([*parts, f"0x{key[offset:].hex()}"])
        parts.append(repr(value))
    return " ".join(parts)
