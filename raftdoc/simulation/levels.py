"""The levels of simulation there are, and what each has to have seen in a sweep that counts."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from raftdoc.simulation.cores import run as cores
from raftdoc.simulation.nodes import run as nodes
from raftdoc.simulation.seed_result import SeedResult


class RunSeed(Protocol):
    """One seed, from start to verdict. The same arguments give the same result, in every process."""

    def __call__(self, seed: int, *, suppressed: frozenset[int] = frozenset(), trace: bool = False) -> SeedResult: ...


class Level(NamedTuple):
    run_seed: RunSeed
    sometimes: tuple[str, ...]
    """Counters of which none may stay 0 in a sweep of SOMETIMES_SEEDS_MIN seeds: it would prove nothing."""


SOMETIMES_SEEDS_MIN: Final = 200

LEVELS: Final[dict[str, Level]] = {
    cores.LEVEL: Level(
        cores.run_seed,
        (
            "elections",
            "crashes",
            "disk_failures",
            "truncations",
            "transfers",
            "suspicions",
            "compactions",
            "changes",
            "joint",
            "snapshots",
            "installed",
            "damaged_chunks",
            "failed_reads",
            "reads_by_lease",
            "reads_by_index",
            "reads_by_min_index",
            "reads_by_stale",
            "dedup_hits",
            "answers_lost",
            "unknown_applied",
            "unknown_never",
            "outcome_key_expired",
            "ok_put",
            "ok_cas",
            "ok_create",
            "ok_delete",
        ),
    ),
    nodes.LEVEL: Level(
        nodes.run_seed,
        (
            "elections",
            "leases",
            "crashes",
            "restarts",
            "disk_failures",
            "transfers",
            "joins",
            "removes",
            "removed",
            "installed",
            "frames_lost",
            "answers_lost",
            "replayed",
            "retries",
            "reads_linearizable",
            "reads_stale",
            "reads_min_index",
            "staleness_checked",
            "index_compared",
            "collections_changed",
            "unknown_applied",
            "unknown_never",
            "ok_put",
            "ok_cas",
            "ok_create",
            "ok_update",
            "ok_delete",
            "ok_add",
        ),
    ),
}


def never_seen(level: str, counters: dict[str, int]) -> list[str]:
    """Return what has to happen now and then, and did not."""
    return [name for name in LEVELS[level].sometimes if not counters.get(name)]
