"""How fast a build of an index goes on: as fast as it can where nobody writes, a fixed rate beside others."""

from __future__ import annotations

from typing import Final

from raftdoc.limits import (
    INDEX_BUSY_MS,
    INDEX_STEP_DOCUMENTS_MAX,
    INDEX_STEP_DOCUMENTS_MAX_BUSY,
    INDEX_STEP_INTERVAL_MS_BUSY,
    INDEX_STEPS_IN_FLIGHT_MAX,
    INDEX_STEPS_IN_FLIGHT_MAX_BUSY,
    NS_PER_MS,
    NS_PER_S,
)
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica

CATCH_UP_STEPS: Final = 4
"""So many that came late are made up for at once."""


class Pace:
    """Of one build, whose steps are commands of `replica`. Others count as writers for a while after they wrote."""

    def __init__(self, node: Node, replica: Replica) -> None:
        self._node = node
        self._replica = replica
        self._step_count = 0
        self._activity = self._look_around()
        self._busy_until_ns = 0
        self._next_ns = 0
        """When the next step may begin, beside others."""
        self.is_busy = False
        """Whether others write, as of the last look: a step then goes with one of their turns."""

    def look(self) -> tuple[int, int]:
        """Return how many steps may be in flight now, and how many documents one may have."""
        now_ns, activity = self._node.clock.now_ns(), self._look_around()
        if activity != self._activity:
            self._activity = activity
            self._busy_until_ns = now_ns + INDEX_BUSY_MS * NS_PER_MS
        self.is_busy = now_ns < self._busy_until_ns
        if self.is_busy:
            return INDEX_STEPS_IN_FLIGHT_MAX_BUSY, INDEX_STEP_DOCUMENTS_MAX_BUSY
        return INDEX_STEPS_IN_FLIGHT_MAX, INDEX_STEP_DOCUMENTS_MAX

    def next_step_s(self) -> float:
        """Count a step that was begun; return how long to wait before the next."""
        self._step_count += 1
        if not self.is_busy:
            return 0
        now_ns = self._node.clock.now_ns()
        interval_ns = INDEX_STEP_INTERVAL_MS_BUSY * NS_PER_MS
        self._next_ns = max(self._next_ns, now_ns - CATCH_UP_STEPS * interval_ns) + interval_ns
        return max(0, self._next_ns - now_ns) / NS_PER_S

    def _look_around(self) -> tuple[int, int]:
        """Return what changes when somebody else writes: to this group, or to another one that has a replica here."""
        replica = self._replica
        applied_elsewhere = int(self._node.metrics.applied_entries.value) - replica.applied_entries
        return replica.proposals.added_count - self._step_count, applied_elsewhere
