"""What one seed of the nodes level tries: sizes, speeds, what clients do, and which classes of fault are on.

Each class is off with probability one half (swarm testing): a fault that never stops hides what needs calm to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from raftdoc.limits import KIB, MIB, NS_PER_MS

MS: Final = NS_PER_MS

FAULTS: Final = (
    "isolate_leader",
    "partition",
    "one_way",
    "silence",
    "break_link",
    "crash",
    "crash_on_write",
    "crash_on_flush",
    "crash_on_install",
    "crash_twice",
    "crash_all",
    "restart",
    "pause",
    "suspend",
    "set_wall",
    "transfer",
    "transfer_and_cut",
    "stall_disk",
    "fill_disk",
    "fail_disk",
    "busy_engine",
    "lose_answers",
    "join",
    "leave",
)
SNAPSHOT_FAULTS: Final = (
    "isolate_leader",
    "partition",
    "silence",
    "crash",
    "crash_on_write",
    "crash_on_flush",
    "crash_on_install",
    "pause",
    "join",
    "leave",
)
LEVELS: Final = ("linearizable", "stale", "min_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times are nanoseconds of the world."""

    node_count: int = 3
    duration_ns: int = 6_000 * MS
    election_timeout_ms: int = 500
    heartbeat_interval_ms: int = 50
    clock_rate_error: float = 0.01
    clock_read_ns: int = 0
    leases_enabled: bool = True
    is_shuffling: bool = True
    """Whether what is ready at once runs in a drawn order."""
    delay_ns: int = 2 * MS
    delay_tail_ns: int = 0
    drop: float = 0.0
    persist_ns: int = 2 * MS
    segment_bytes: int = 64 * KIB
    log_bytes_max: int = MIB
    flush_bytes: int = 32 * MIB
    """Applied between two flushes: few of them let the log go early, so that who lags needs a snapshot."""
    cache_bytes_max: int = 64 * KIB
    client_count: int = 4
    key_count: int = 4
    padding_bytes: int = 0
    """Of every document."""
    think_ns: int = 40 * MS
    timeout_ns: int = 800 * MS
    """Of one attempt, as the client counts."""
    deadline_ms: int = 1500
    """Of one attempt, as it tells the node."""
    attempts_max: int = 6
    levels: tuple[str, ...] = LEVELS
    fault_interval_ns: int = 500 * MS
    faults: tuple[str, ...] = ()
    has_index: bool = True
    has_collections: bool = True
    """Whether a second collection is made and dropped all the time."""

    @property
    def has_quick_disks(self) -> bool:
        """Return whether nodes wait for writes that nothing is before within their turn."""
        return self.persist_ns <= MS


def draw(random: Random) -> Plan:
    """Return the plan of a seed."""
    choice = random.choice
    is_small_log = random.random() < 0.5
    faults = SNAPSHOT_FAULTS if is_small_log and random.random() < 0.5 else FAULTS
    return Plan(
        node_count=choice((1, 3, 3, 3, 3, 5)) if random.random() < 0.5 else 3,
        duration_ns=choice((3_000, 6_000, 8_000)) * MS,
        election_timeout_ms=choice((300, 500, 1000)),
        clock_rate_error=choice((0.0, 0.01)),
        clock_read_ns=choice((0, 0, 1_000, 100_000)),
        leases_enabled=random.random() < 0.8,
        is_shuffling=random.random() < 0.6,
        delay_ns=choice((1, 2, 10)) * MS,
        delay_tail_ns=choice((0, 0, 100, 400)) * MS,
        drop=choice((0.0, 0.0, 0.02, 0.1)),
        persist_ns=choice((1, 4, 15)) * MS,
        segment_bytes=choice((8, 16)) * KIB if is_small_log else 64 * KIB,
        log_bytes_max=16 * KIB if is_small_log else MIB,
        flush_bytes=choice((1, 4)) * KIB if is_small_log else choice((16 * KIB, 32 * MIB)),
        cache_bytes_max=choice((1, 64 * KIB)),
        client_count=choice((2, 4, 6)),
        key_count=choice((1, 3, 6)),
        padding_bytes=choice((0, 200)) if is_small_log else 0,
        think_ns=choice((10, 40, 100)) * MS,
        timeout_ns=choice((200, 800, 2000)) * MS,
        attempts_max=choice((1, 6)),
        levels=tuple(level for level in LEVELS if random.random() < 0.7) or LEVELS,
        fault_interval_ns=choice((250, 500, 1200)) * MS,
        faults=tuple(fault for fault in faults if random.random() < 0.5),
        has_index=random.random() < 0.6,
        has_collections=random.random() < 0.5,
    )
