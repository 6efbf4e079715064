"""Sweeps: what is told, what a file keeps, and how a failure is made small."""

from __future__ import annotations

from pathlib import Path

import pytest

from raftdoc.simulation.levels import LEVELS, never_seen
from raftdoc.simulation.seed_result import SeedResult
from raftdoc.simulation.shrink import rule_of, shrink
from raftdoc.simulation.sweep import Sweep, sweep
from raftdoc.simulation.worker import decode_result, encode_result


def result(seed: int, verdict: str = "ok", decisions: int = 0) -> SeedResult:
    return SeedResult(seed, "cores", verdict == "ok", verdict, 10, "", {"elections": 1}, decisions, [])


def test_sweep_in_processes_finds_what_one_process_finds() -> None:
    seeds = range(2)
    found = [sweep("cores", seeds, jobs=jobs, resume=None, on_result=lambda _: None) for jobs in (1, 2)]
    assert found[0].counters == found[1].counters
    assert found[0].done_count == found[1].done_count == 2


def test_sweep_goes_on_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    # Results nobody could have computed: they prove that these seeds are not run again. The last line is torn.
    path.write_bytes(encode_result(result(0)) + b"\n" + encode_result(result(1, "I1: broken")) + b'\n{"seed":')
    seen: list[int] = []
    found = sweep("cores", range(3), jobs=1, resume=path, on_result=lambda one: seen.append(one.done_count))
    assert seen == [3]
    assert [one.seed for one in found.failed if one.seed < 2] == [1]
    assert [decode_result(line).seed for line in path.read_bytes().splitlines()] == [0, 1, 2]


def test_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(b"{}\n")
    with pytest.raises(ValueError, match="no result"):
        sweep("cores", range(1), jobs=1, resume=path, on_result=lambda _: None)


def test_sweep_that_never_meets_something_proves_little() -> None:
    found = Sweep("cores")
    for seed in range(300):
        found.add(result(seed))
    assert "crashes" in found.missing()
    assert "elections" not in found.missing()
    assert never_seen("cores", dict.fromkeys(LEVELS["cores"].sometimes, 1)) == []


def test_failure_is_shrunk_to_the_decisions_that_it_needs() -> None:
    def run_seed(seed: int, *, suppressed: frozenset[int] = frozenset(), trace: bool = False) -> SeedResult:
        active = [number for number in range(40) if number not in suppressed]
        is_broken = 3 in active and 17 in active
        return result(seed, "InvariantBroken: I7: no quorum" if is_broken else "ok", 40)

    shrunk = shrink(run_seed(5), run_seed)
    assert shrunk.needed == (3, 17)
    assert not shrunk.result.is_ok


def test_shrinking_does_not_wander_to_another_rule() -> None:
    def run_seed(seed: int, *, suppressed: frozenset[int] = frozenset(), trace: bool = False) -> SeedResult:
        return result(seed, "InvariantBroken: I7: x" if 3 not in suppressed else "InvariantBroken: I1: y", 8)

    assert shrink(run_seed(5), run_seed).needed == (3,)


def test_rule_of_a_verdict_is_its_kind_and_number() -> None:
    assert rule_of("InvariantBroken: I13: witness: illegal key k5") == "InvariantBroken: I13"
    assert rule_of("KeyError: 3") == "KeyError: 3"
