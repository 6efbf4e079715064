"""Random worlds: every seed another mix of sizes, speeds and faults; every invariant after every step."""

from __future__ import annotations

from collections import Counter

import pytest

from .world import World

SEEDS = 160
GROUPS = 2

RARE = (
    "elections",
    "crashes",
    "truncations",
    "transfers",
    "compactions",
    "stalls",
    "reads_by_lease",
    "reads_by_index",
    "changes",
    "joint",
    "installed",
)


def run_seeds(seeds: range) -> Counter[str]:
    """Run worlds; a failure names its seed."""
    total: Counter[str] = Counter()
    for seed in seeds:
        try:
            total += World(seed).run()
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    return total


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_worlds_keep_every_invariant_and_recover(group: int) -> None:
    size = SEEDS // GROUPS
    counts = run_seeds(range(group * size, (group + 1) * size))
    # A sweep in which one of these never happened proves nothing.
    assert [name for name in RARE if not counts[name]] == []
