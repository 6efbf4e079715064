"""What sender and receiver of a snapshot agree on, and what the turn needs of both.

    sender                                receiver
    SnapshotBegin  ------------------->   asks the core; a fresh incarnation
                   <-------------------   SnapshotStatus GOING, with the place to go on from
    SnapshotChunk, a window of them  -->  verified, written
                   <-------------------   SnapshotStatus GOING, one per chunk
    SnapshotEnd    ------------------->   digest compared, flushed, installed by one record of the log
                   <-------------------   SnapshotStatus DONE

Frames may be lost, repeated or come in another order: a chunk out of its order is dropped, and the sender goes back to
the place that a status names. Whoever hears nothing for long gives up; the core then asks for another stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from raftdoc.ids import GroupId, Index, NodeId
from raftdoc.limits import NS_PER_MS, NS_PER_S
from raftdoc.node.replica import Replica
from raftdoc.raft.snapshots import SnapshotMeta

LOAD_INTERVAL_NS = 250 * NS_PER_MS
LOAD_BYTES_MIN = 32 * 1024
"""Applied in one interval, it makes a node one with writes to do."""
LOAD_HOLD_NS = 2 * NS_PER_S
BURST_NS = 50 * NS_PER_MS
"""What was not sent in so long a time may be made up for: a tick is half of it."""


class StreamState(IntEnum):
    GOING = 0
    GAP = 1
    """As GOING, but something is missing or damaged: go on from the place named."""
    BUSY = 2
    """Not now: ask again."""
    UNKNOWN = 3
    """The receiver has no such stream, perhaps any more: begin again."""
    DONE = 4
    """The state is installed, or nothing of it is needed."""
    FAILED = 5
    """Nothing comes of this stream."""


class SnapshotHost(Protocol):
    """What the turn needs of it."""

    def wanted(self, replica: Replica, peers: Sequence[NodeId]) -> None:
        """Send the state to peers, once there is room for a stream (Ready.snapshots)."""

    def installed(self, replica: Replica, meta: SnapshotMeta) -> None:
        """Put the state that the log has just switched to in force (Ready.installed)."""

    def turn(self, now_ns: int) -> bool:
        """Do a slice of work, less than LOOP_BLOCK_MS_MAX; return whether there is more to do at once."""

    def tick(self, now_ns: int) -> None:
        """Let time pass."""

    def floor(self, group: GroupId) -> Index | None:
        """Return above which index the log is needed by those who get, or just got, a snapshot; None: nobody."""

    def forget(self, group: GroupId) -> None:
        """Drop everything of a group that leaves this node."""

    def close(self) -> None: ...


class Pace:
    """How fast a node sends snapshots: fast when it has nothing else to do. All its streams share it."""

    def __init__(self, bytes_per_s: int, idle_bytes_per_s: int) -> None:
        self.is_loaded = False
        self._bytes_per_s = bytes_per_s
        self._idle_bytes_per_s = idle_bytes_per_s
        self._free_ns = 0
        """When what was sent so far is paid for."""
        self._measured_ns = 0
        self._applied_bytes = 0
        self._loaded_until_ns = 0

    def measure(self, applied_bytes: int, now_ns: int) -> None:
        """Take how much the node has applied since its start."""
        if now_ns - self._measured_ns < LOAD_INTERVAL_NS:
            return
        if applied_bytes - self._applied_bytes >= LOAD_BYTES_MIN:
            self._loaded_until_ns = now_ns + LOAD_HOLD_NS
        self._measured_ns, self._applied_bytes = now_ns, applied_bytes
        self.is_loaded = now_ns < self._loaded_until_ns

    def may_send(self, now_ns: int) -> bool:
        return now_ns >= self._free_ns

    def sent(self, byte_count: int, now_ns: int) -> None:
        """Note bytes of keys and values that leave."""
        rate = self._bytes_per_s if self.is_loaded else self._idle_bytes_per_s
        self._free_ns = max(self._free_ns, now_ns - BURST_NS) + byte_count * NS_PER_S // rate
