"""What a tick looks at besides Raft: clocks that disagree, a disk that stalls, a disk that is full.

Source: breakers L4 and L8 and the disk-full rules of docs/consensus.md.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from raftdoc.limits import NS_PER_MS, WALL_CLOCK_SKEW_MS_MAX
from raftdoc.node.clock import Clock, ClockWatchdog
from raftdoc.storage.log.log import SharedLog

DISK_CHECK_INTERVAL_NS = 250 * NS_PER_MS

log = logging.getLogger("raftdoc.node")


class Verdict(NamedTuple):
    is_clock_suspect: bool
    is_wall_clock_skewed: bool
    """This node's wall clock is too far from the others' to stamp log time: it may not lead."""
    stall_changed: bool | None
    """True: the disk has begun to stall; False: it has ended; None: as before."""
    full_changed: bool | None

    @property
    def concerns_all(self) -> bool:
        """Return whether every replica has to hear of it, whether or not its own time has come."""
        is_change = self.stall_changed is not None or self.full_changed is not None
        return self.is_clock_suspect or self.is_wall_clock_skewed or is_change


class Health:
    def __init__(self, clock: Clock, disk: SharedLog, election_timeout_ms: int) -> None:
        self._watchdog = ClockWatchdog(clock)
        self._disk = disk
        self._stall_after_ns = election_timeout_ms * NS_PER_MS // 2
        self.is_wall_clock_skewed = False
        self.is_disk_stalled = False
        self.is_disk_full = False
        self._next_disk_check_ns = 0

    def check(self, now_ns: int, oldest_write_ns: int | None, wall_skew_ms: int) -> Verdict:
        """Return what has changed since the last tick. `oldest_write_ns`: when the oldest unfinished write began."""
        is_skewed = abs(wall_skew_ms) > WALL_CLOCK_SKEW_MS_MAX
        if is_skewed != self.is_wall_clock_skewed:
            self.is_wall_clock_skewed = is_skewed
            log.warning("wall clock against the others skew_ms=%d may_lead=%s", wall_skew_ms, not is_skewed)
        is_stalled = oldest_write_ns is not None and now_ns - oldest_write_ns > self._stall_after_ns
        stall_changed = is_stalled if is_stalled != self.is_disk_stalled else None
        self.is_disk_stalled = is_stalled
        return Verdict(self._watchdog.disagrees(), is_skewed, stall_changed, self._check_full(now_ns))

    def _check_full(self, now_ns: int) -> bool | None:
        if now_ns < self._next_disk_check_ns:
            return None
        self._next_disk_check_ns = now_ns + DISK_CHECK_INTERVAL_NS
        is_full = self._disk.is_disk_full()
        changed = is_full if is_full != self.is_disk_full else None
        self.is_disk_full = is_full
        return changed
