"""What a tick looks at besides Raft: clocks that disagree, a disk that stalls, a disk that is full.

Source: breakers L4 and L8 and the disk-full rules of docs/consensus.md.
"""

from __future__ import annotations

from typing import NamedTuple

from raftdoc.limits import ELECTION_TIMEOUT_MS, NS_PER_MS
from raftdoc.node.clock import Clock, ClockWatchdog
from raftdoc.storage.log.log import SharedLog

STALL_AFTER_NS = ELECTION_TIMEOUT_MS * NS_PER_MS // 2
DISK_CHECK_INTERVAL_NS = 250 * NS_PER_MS


class Verdict(NamedTuple):
    is_clock_suspect: bool
    stall_changed: bool | None
    """True: the disk has begun to stall; False: it has ended; None: as before."""
    full_changed: bool | None


class Health:
    def __init__(self, clock: Clock, log: SharedLog) -> None:
        self._watchdog = ClockWatchdog(clock)
        self._log = log
        self.is_disk_stalled = False
        self.is_disk_full = False
        self._next_disk_check_ns = 0

    def check(self, now_ns: int, oldest_write_ns: int | None) -> Verdict:
        """Return what has changed since the last tick. `oldest_write_ns`: when the oldest unfinished write began."""
        is_stalled = oldest_write_ns is not None and now_ns - oldest_write_ns > STALL_AFTER_NS
        stall_changed = is_stalled if is_stalled != self.is_disk_stalled else None
        self.is_disk_stalled = is_stalled
        return Verdict(self._watchdog.disagrees(), stall_changed, self._check_full(now_ns))

    def _check_full(self, now_ns: int) -> bool | None:
        if now_ns < self._next_disk_check_ns:
            return None
        self._next_disk_check_ns = now_ns + DISK_CHECK_INTERVAL_NS
        is_full = self._log.is_disk_full()
        changed = is_full if is_full != self.is_disk_full else None
        self.is_disk_full = is_full
        return changed
