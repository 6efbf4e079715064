"""Whole nodes from one seed: they keep every promise, and the same seed is the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from raftdoc.simulation.nodes.plan import MS, Plan
from raftdoc.simulation.nodes.run import run_seed

SEEDS = 20
GROUPS = 4
STALLS = Plan(
    election_timeout_ms=1000,
    heartbeat_interval_ms=100,
    duration_ns=4_000 * MS,
    client_count=6,
    think_ns=10 * MS,
    timeout_ns=2_000 * MS,
    deadline_ms=1800,
    attempts_max=1,
    fault_interval_ns=250 * MS,
    faults=("stall_disk", "break_link", "break_link"),
    has_index=False,
    has_collections=False,
)
ALONE = Plan(node_count=1, leases_enabled=False, duration_ns=2_000 * MS, faults=("set_wall",))
CRASHED_LATE = Plan(
    duration_ns=500 * MS,
    fault_interval_ns=200 * MS,
    faults=("crash",),
    client_count=1,
    has_index=False,
    has_collections=False,
)
JOINED_MEANWHILE = Plan(
    election_timeout_ms=300,
    duration_ns=4_000 * MS,
    fault_interval_ns=250 * MS,
    faults=("join", "join", "crash", "isolate_leader", "transfer"),
    client_count=1,
    has_index=False,
    has_collections=False,
)
FOUND_FAULTS = (
    # A write that was lost sight of, and sent again under its key, was said not to have happened by what refused it.
    (0, STALLS),
    # A node that is alone, without leases, answered no linearizable read any more after its wall clock was set.
    (0, ALONE),
    # Of the simulator: a node that was down for longer than the rest of the run was started again while all stopped.
    (4, CRASHED_LATE),
    # Of the simulator: a node that was away while others joined could not answer the one of them that led.
    (130, JOINED_MEANWHILE),
)
"""Seeds and plans that once found a fault, and which."""

PROGRAM = (
    "from raftdoc.simulation.nodes.run import run_seed\nprint(*(run_seed(seed).trace_hash for seed in (1, 8, 11)))"
)
"""Seeds in which snapshots, joins and moves of replicas happen: where sets of names are gone through."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_seeds_keep_every_promise_and_recover(group: int) -> None:
    size = SEEDS // GROUPS
    results = [run_seed(seed) for seed in range(group * size, (group + 1) * size)]
    assert [(result.seed, result.verdict) for result in results if not result.is_ok] == []
    counters: Counter[str] = Counter()
    for result in results:
        counters.update(result.counters)
    assert [name for name in ("elections", "leases", "ok_put", "ok_get", "first_answers") if not counters[name]] == []


@pytest.mark.parametrize(("seed", "plan"), FOUND_FAULTS)
def test_seed_that_once_found_a_fault(seed: int, plan: Plan) -> None:
    result = run_seed(seed, plan=plan)
    assert result.is_ok, result.verdict
    assert any(name.startswith("fault_") for name in result.counters)


def test_trace_hash_is_the_same_in_every_process() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(hashes) == 1
    assert len(set(next(iter(hashes)).split())) == 3


def test_suppressed_decisions_leave_a_run_without_faults() -> None:
    whole = run_seed(5)
    without = run_seed(5, suppressed=frozenset(range(whole.decision_count)))
    assert whole.trace_hash != without.trace_hash
    assert any(name.startswith("fault_") for name in whole.counters)
    assert not any(name.startswith("fault_") for name in without.counters)
    assert without.is_ok, without.verdict


def test_trace_draws_a_column_per_node() -> None:
    lines = run_seed(0, trace=True).trace
    assert lines[0].split()[:3] == ["time", "ms", "n1"]
    assert any("leads" in line for line in lines)
    assert any("fault" in line for line in lines)
