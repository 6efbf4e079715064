"""Which writes clients know of, and since when: a read that says how old it may be has to show what was known then."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from raftdoc.ids import GroupId, Index
from raftdoc.limits import CLOCK_RATE_ERROR_MAX, NS_PER_MS
from raftdoc.raft.invariants import require

NO_INDEX: Final = Index(0)
TOLERANCE: Final = 1 + 2 * CLOCK_RATE_ERROR_MAX
"""A node counts by its own clock."""


class Acknowledged:
    """Of one world."""

    def __init__(self) -> None:
        self._times_ns: dict[GroupId, list[int]] = {}
        self._highest: dict[GroupId, list[Index]] = {}
        """For each of the times: up to where the log was known by then."""

    def note(self, group: GroupId, index: Index, now_ns: int) -> None:
        """Take that a client has just learned that its write is at index."""
        highest = self._highest.setdefault(group, [])
        self._times_ns.setdefault(group, []).append(now_ns)
        highest.append(max(index, highest[-1]) if highest else index)

    def check_staleness(self, group: GroupId, index: Index, asked_ns: int, staleness_ms: int) -> None:
        """Look at a read that was asked for then, saw the state at index, and said that this is no older.

        Raises:
            InvariantBroken: a write that was acknowledged before is not in it.
        """
        since_ns = asked_ns - int(staleness_ms * NS_PER_MS * TOLERANCE)
        count = bisect_right(self._times_ns.get(group, []), since_ns)
        known = self._highest[group][count - 1] if count else NO_INDEX
        require(index >= known, "I13: a read is older than it says", group, index, known, staleness_ms)
