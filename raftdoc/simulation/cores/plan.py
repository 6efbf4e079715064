"""What one seed tries: sizes, speeds, what clients do, and which classes of fault are on.

Each class is off with probability one half (swarm testing): a fault that never stops hides what needs calm to show.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from raftdoc.limits import KIB, NS_PER_MS

MS: Final = NS_PER_MS

FAULTS: Final = (
    "isolate_leader",
    "bounce_others",
    "partition",
    "minority",
    "one_way",
    "crash",
    "crash_on_write",
    "crash_twice",
    "crash_all",
    "pause",
    "transfer",
    "transfer_and_cut",
    "stall_disk",
    "fill_disk",
    "fail_disk",
    "jump_clock",
    "freeze_clock",
    "unreachable",
    "old_messages",
    "old_answers",
    "busy_engine",
    "slow_apply",
    "lose_answers",
    "flush",
    "flush_alone",
    "old_snapshot",
    "change",
    "change_twice",
    "change_and_cut",
)
LEASE_FAULTS: Final = ("isolate_leader", "bounce_others", "one_way", "transfer_and_cut", "jump_clock", "freeze_clock")
READ_FAULTS: Final = ("isolate_leader", "partition", "one_way", "slow_apply", "transfer", "crash", "pause")
MINORITY_FAULTS: Final = (
    "isolate_leader",
    "minority",
    "crash",
    "crash_on_write",
    "crash_twice",
    "old_messages",
    "old_answers",
)
MEMBERSHIP_FAULTS: Final = (
    "change",
    "change_twice",
    "change_and_cut",
    "flush_alone",
    "old_snapshot",
    "isolate_leader",
    "partition",
    "crash",
    "crash_on_write",
    "transfer",
)
LEVELS: Final = ("linearizable", "follower", "stale", "min_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Times are nanoseconds of the world."""

    voter_count: int
    spare_count: int = 0
    """Nodes that belong to nothing at first; membership changes bring them in."""
    duration_ns: int = 3_000 * MS
    election_timeout_ns: int = 400 * MS
    heartbeat_interval_ns: int = 50 * MS
    tick_ns: int = 25 * MS
    clock_rate_error: float = 0.01
    """How far clocks really are apart; what the cores assume is 0.01."""
    leases_enabled: bool = True
    has_priorities: bool = False
    turn_ns: int = 0
    """How long after the first thing of a turn the rest of it is taken in."""
    delay_ns: int = 2 * MS
    delay_tail_ns: int = 0
    drop: float = 0.0
    duplicate: float = 0.0
    persist_ns: int = 2 * MS
    apply_ns: int = 0
    inflight_messages_max: int = 256
    inflight_bytes_max: int = 64 * KIB
    append_bytes_max: int = 64 * KIB
    cache_bytes_max: int = 64 * KIB
    uncommitted_bytes_max: int = 64 * KIB
    holds_lone_entries: bool = True
    segment_bytes: int = 64 * KIB
    compaction_entries: int = 0
    """A node flushes and compacts when it has applied so many entries since; 0: only the nemesis makes it."""
    compacts_alone: bool = False
    """Whatever others lack: they need a snapshot then."""
    client_count: int = 4
    key_count: int = 4
    think_ns: int = 20 * MS
    timeout_ns: int = 300 * MS
    """Of one attempt."""
    attempts_max: int = 8
    """With one idempotency key."""
    read_share: float = 0.5
    levels: tuple[str, ...] = LEVELS
    retention_ms: int = 3_600_000
    requests_max: int = 1_000_000
    burst_ns: int = 0
    """Writes come in bursts so long, with pauses five times as long in which who is cut off does not fall behind."""
    fault_interval_ns: int = 400 * MS
    faults: tuple[str, ...] = ()
    is_minority_left_down: bool = False
    """When the faults stop, a minority stays down for a while: the others have to do without."""


def draw(random: Random) -> Plan:
    """Return the plan of a seed: some classes of fault are met only where others do not get in the way."""
    chance = random.random()
    if chance < 0.25:
        return _draw_for_leases(random)
    if chance < 0.4:
        return _draw_for_reads(random)
    if chance < 0.55:
        return _draw_for_membership(random)
    if chance < 0.65:
        return _draw_for_minorities(random)
    return _draw_for_all(random)


def _draw_for_leases(random: Random) -> Plan:
    """Return a plan in which nobody falls far behind, so that whoever may not be elected could be."""
    choice = random.choice
    # Where promises are long, what clocks are apart in that time is more than the margin of a lease.
    election_timeout_ms = choice((400, 400, 1500))
    return Plan(
        voter_count=choice((3, 3, 5)),
        election_timeout_ns=election_timeout_ms * MS,
        clock_rate_error=choice((0.0, 0.01)),
        delay_ns=choice((1, 4, 20)) * MS,
        delay_tail_ns=choice((0, 200)) * MS,
        persist_ns=choice((1, 5)) * MS,
        client_count=choice((3, 6)),
        key_count=choice((1, 2)),
        think_ns=choice((5, 10)) * MS,
        timeout_ns=choice((100, 300)) * MS,
        read_share=0.8,
        levels=("linearizable", "linearizable", "follower"),
        burst_ns=100 * MS,
        fault_interval_ns=choice((150, 300, 600)) * MS,
        faults=tuple(fault for fault in LEASE_FAULTS if random.random() < 0.5),
        duration_ns=5_000 * MS if election_timeout_ms == 400 else 8_000 * MS,
    )


def _draw_for_reads(random: Random) -> Plan:
    """Return a plan of reads without leases, on nodes that are a little behind, beside many writes."""
    choice = random.choice
    return Plan(
        voter_count=choice((3, 5)),
        leases_enabled=random.random() < 0.2,
        turn_ns=choice((0, 1)) * MS,
        delay_ns=choice((4, 20)) * MS,
        delay_tail_ns=choice((0, 100)) * MS,
        persist_ns=choice((1, 5)) * MS,
        apply_ns=choice((0, 20)) * MS,
        client_count=choice((6, 10)),
        key_count=1,
        think_ns=choice((2, 5)) * MS,
        levels=choice((("linearizable",), ("follower",), ("linearizable", "follower"))),
        fault_interval_ns=choice((300, 1000)) * MS,
        faults=tuple(fault for fault in READ_FAULTS if random.random() < 0.5),
    )


def _draw_for_membership(random: Random) -> Plan:
    """Return a plan in which nodes come and go, and meet a log that does not reach back."""
    choice = random.choice
    return Plan(
        voter_count=choice((1, 2, 3, 3, 4, 5)),
        spare_count=choice((1, 2, 3)),
        turn_ns=choice((0, 1)) * MS,
        delay_ns=choice((1, 4)) * MS,
        delay_tail_ns=choice((0, 0, 200)) * MS,
        drop=choice((0.0, 0.0, 0.1)),
        persist_ns=choice((1, 5)) * MS,
        append_bytes_max=choice((300, 64 * KIB)),
        segment_bytes=choice((8 * KIB, 64 * KIB)),
        compaction_entries=choice((0, 5, 20)),
        compacts_alone=random.random() < 0.7,
        client_count=choice((2, 4)),
        think_ns=choice((10, 30)) * MS,
        read_share=0.3,
        fault_interval_ns=choice((100, 200, 400)) * MS,
        faults=("change", *(fault for fault in MEMBERSHIP_FAULTS if random.random() < 0.5)),
    )


def _draw_for_minorities(random: Random) -> Plan:
    """Return a plan in which what a minority holds is replaced here and wins there."""
    choice = random.choice
    return Plan(
        voter_count=5,
        delay_ns=choice((1, 4)) * MS,
        persist_ns=choice((1, 5)) * MS,
        append_bytes_max=choice((1, 64 * KIB)),
        client_count=choice((4, 8)),
        think_ns=choice((5, 20)) * MS,
        timeout_ns=choice((800, 2000)) * MS,
        attempts_max=choice((1, 8)),
        read_share=0.2,
        fault_interval_ns=choice((400, 800, 1200)) * MS,
        faults=("minority", *(fault for fault in MINORITY_FAULTS if random.random() < 0.5)),
        duration_ns=5_000 * MS,
    )


def _draw_for_all(random: Random) -> Plan:
    choice = random.choice
    return Plan(
        voter_count=choice((1, 2, 3, 3, 3, 3, 4, 5, 5, 7)),
        spare_count=choice((0, 0, 1, 2)),
        clock_rate_error=choice((0.0, 0.01)),
        leases_enabled=random.random() < 0.85,
        has_priorities=random.random() < 0.2,
        turn_ns=choice((0, 0, 1, 3)) * MS,
        delay_ns=choice((1, 4, 20)) * MS,
        delay_tail_ns=choice((0, 0, 200, 2000)) * MS,
        drop=choice((0.0, 0.0, 0.02, 0.2)),
        duplicate=choice((0.0, 0.0, 0.1)),
        persist_ns=choice((1, 5, 40)) * MS,
        apply_ns=choice((0, 0, 20)) * MS,
        inflight_messages_max=choice((1, 3, 256)),
        append_bytes_max=choice((1, 300, 64 * KIB)),
        cache_bytes_max=choice((1, 1 * KIB, 64 * KIB)),
        uncommitted_bytes_max=choice((600, 64 * KIB)),
        segment_bytes=choice((8 * KIB, 64 * KIB)),
        compaction_entries=choice((0, 10, 40)),
        compacts_alone=random.random() < 0.4,
        client_count=choice((2, 4, 8)),
        key_count=choice((1, 3, 8)),
        think_ns=choice((5, 20, 60)) * MS,
        timeout_ns=choice((100, 300, 800)) * MS,
        attempts_max=choice((1, 8)),
        read_share=choice((0.2, 0.5)),
        levels=tuple(level for level in LEVELS if random.random() < 0.6) or LEVELS,
        retention_ms=choice((200, 2_000, 3_600_000)),
        requests_max=choice((5, 1_000_000)),
        burst_ns=choice((0, 0, 100, 1000)) * MS,
        fault_interval_ns=choice((150, 400, 1500)) * MS,
        faults=tuple(fault for fault in FAULTS if random.random() < 0.5),
        is_minority_left_down=random.random() < 0.3,
        holds_lone_entries=random.random() < 0.7,
    )
