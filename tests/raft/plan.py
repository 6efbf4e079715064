"""What one seed tries: sizes, speeds, and which classes of fault are on (swarm testing)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

MS = 1_000_000

FAULTS = (
    "isolate_leader",
    "bounce_others",
    "partition",
    "one_way",
    "crash",
    "crash_leader",
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
    "compact",
    "compact_alone",
)

CHANGE_FAULTS = ("change", "change", "change_twice", "change_and_cut", "old_snapshot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    voter_count: int
    learner_count: int = 0
    spare_count: int = 0
    """Nodes that begin outside the group."""
    election_timeout_ns: int = 400 * MS
    heartbeat_interval_ns: int = 50 * MS
    tick_ns: int = 25 * MS
    clock_rate_error: float = 0.01
    leases_enabled: bool = True
    has_priorities: bool = False
    is_lazy: bool = False
    """The host takes a Ready some time after it is there, as a turn does."""
    delay_ns: int = 2 * MS
    delay_tail_ns: int = 0
    drop: float = 0.0
    duplicate: float = 0.0
    persist_ns: int = 2 * MS
    apply_ns: int = 0
    client_interval_ns: int = 50 * MS
    read_share: float = 0.5
    burst_ns: int = 0
    """Writes come in bursts so long, with pauses five times as long, in which who is cut off does not fall behind."""
    fault_interval_ns: int = 400 * MS
    faults: tuple[str, ...] = ()
    change_interval_ns: int = 0
    """Another membership is asked for so often; 0: never."""
    inflight_messages_max: int = 256
    append_bytes_max: int = 1 << 20
    cache_bytes_max: int = 1 << 20
    uncommitted_bytes_max: int = 1 << 20
    holds_lone_entries: bool = True
    duration_ns: int = 4_000 * MS

    @property
    def node_count(self) -> int:
        return self.voter_count + self.learner_count + self.spare_count


LEASE_FAULTS = ("isolate_leader", "bounce_others", "one_way", "transfer_and_cut", "jump_clock", "freeze_clock")


def draw(random: Random) -> Plan:
    """Return a plan; each class of fault is off with probability one half."""
    kind = random.random()
    if kind < 0.25:
        return _draw_for_leases(random)
    return _draw_for_changes(random) if kind < 0.6 else _draw_for_all(random)


def _draw_for_leases(random: Random) -> Plan:
    """Return a plan in which nobody falls far behind, so that whoever may not be elected could be."""
    choice = random.choice
    changes = random.random() < 0.3
    return Plan(
        voter_count=choice((1, 1, 2, 3)) if changes else choice((3, 3, 5)),
        spare_count=choice((2, 3)) if changes else 0,
        change_interval_ns=choice((50, 150)) * MS if changes else 0,
        clock_rate_error=choice((0.0, 0.01)),
        delay_ns=choice((1, 4, 20)) * MS,
        delay_tail_ns=choice((0, 200)) * MS,
        persist_ns=choice((1, 5)) * MS,
        client_interval_ns=10 * MS,
        read_share=0.8,
        burst_ns=100 * MS,
        fault_interval_ns=choice((300, 800)) * MS,
        faults=(
            *(fault for fault in LEASE_FAULTS if random.random() < 0.5),
            *(("change_and_cut", "isolate_leader") if changes else ()),
        ),
    )


def _draw_for_changes(random: Random) -> Plan:
    """Return a plan in which nodes come and go, and logs are cut short, beside everything else."""
    plan = _draw_for_all(random)
    return replace(
        plan,
        voter_count=random.choice((1, 2, 3, 3, 4)),
        learner_count=random.choice((0, 1)),
        spare_count=random.choice((1, 2, 3)),
        fault_interval_ns=random.choice((60, 150, 400)) * MS,
        faults=(*plan.faults, *CHANGE_FAULTS, *random.choice(((), ("compact_alone",) * 3))),
        change_interval_ns=random.choice((40, 100, 300)) * MS,
    )


def _draw_for_all(random: Random) -> Plan:
    choice = random.choice
    return Plan(
        voter_count=choice((1, 2, 3, 3, 3, 3, 4, 5, 5)),
        learner_count=choice((0, 0, 0, 1)),
        clock_rate_error=choice((0.0, 0.01)),
        leases_enabled=random.random() < 0.85,
        has_priorities=random.random() < 0.2,
        is_lazy=random.random() < 0.3,
        delay_ns=choice((1, 4, 20)) * MS,
        delay_tail_ns=choice((0, 0, 200, 2000)) * MS,
        drop=choice((0.0, 0.0, 0.02, 0.2)),
        duplicate=choice((0.0, 0.0, 0.1)),
        persist_ns=choice((1, 5, 40)) * MS,
        apply_ns=choice((0, 0, 20)) * MS,
        client_interval_ns=choice((8, 20, 60)) * MS,
        burst_ns=choice((0, 100, 300, 1000)) * MS,
        fault_interval_ns=choice((250, 700, 2000)) * MS,
        faults=tuple(fault for fault in FAULTS if random.random() < 0.5),
        inflight_messages_max=choice((1, 3, 256)),
        append_bytes_max=choice((1, 60, 1 << 20)),
        cache_bytes_max=choice((1, 600, 1 << 20)),
        uncommitted_bytes_max=choice((100, 1 << 20)),
        holds_lone_entries=random.random() < 0.7,
    )
