"""The simulator finds planted faults; a fault whose text has gone fails loudly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from raftdoc.simulation.cores.run import run_seed
from tests.planting import StaleFault

from .mutants import faults
from .planting import Fault, first_caught, planted

SEEDS = range(60)
"""Any change of the product draws other worlds: what it took once may take longer the next time."""
CHEAP = (
    "an append acknowledged before its fsync (P1)",
    "a vote request before persist (P3)",
    "two votes in a term",
    "the leader's own log counted before its fsync (P2)",
    "apply before it is durable here (P7)",
    "a quorum off by one",
    "voters changed without a joint configuration",
    "applied index outside the batch (P8)",
    "no memory of idempotency keys",
    "idempotency keys lost in snapshots",
    "apply that asks the local clock",
    "apply that depends on the order of a set",
    "a read that does not wait for what it needs to be applied",
    "a read that does not wait for the index it names",
    "an index that keeps what was deleted",
)
FAULTS = {fault.name: fault for fault in faults()}
DIRECTED = tuple(fault.name for fault in faults() if fault.test)
DIRECTED_TEST = "test_directed_test_finds_the_planted_fault["
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", CHEAP)
def test_few_seeds_find_the_planted_fault(name: str) -> None:
    assert first_caught(FAULTS[name], SEEDS) is not None


def run_directed(name: str) -> subprocess.CompletedProcess[str]:
    plant = ["-p", "tests.simulation.planting", "--plant", name]
    command = [sys.executable, "-m", "pytest", "-x", *plant, f"tests/{FAULTS[name].test}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def directed_runs(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[subprocess.CompletedProcess[str]]]]:
    """Runs of the directed tests that are asked for, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        tests = [item for item in request.session.items if DIRECTED_TEST in item.nodeid]
        names = [item.callspec.params["name"] for item in tests if isinstance(item, pytest.Function)]
        yield {name: pool.submit(run_directed, name) for name in names}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", DIRECTED)
def test_directed_test_finds_the_planted_fault(
    name: str, directed_runs: dict[str, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = directed_runs[name].result()
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.parametrize("name", FAULTS)
def test_text_of_the_fault_is_there_exactly_once(name: str) -> None:
    fault = FAULTS[name]
    source = ROOT / (fault.module.replace(".", "/") + ".py")
    assert source.read_text().count(fault.old) == 1


def test_text_that_is_not_there_exactly_once_fails_loudly() -> None:
    for old in ("no such text", "self"):
        with pytest.raises(StaleFault), planted(Fault("stale", "raftdoc.raft.lease", old, "")):
            pass


def test_planting_leaves_no_trace() -> None:
    before = sys.modules["raftdoc.raft.core"]
    hash_before = run_seed(3).trace_hash
    with planted(FAULTS["a quorum off by one"]):
        assert sys.modules["raftdoc.raft.core"] is not before
    assert sys.modules["raftdoc.raft.core"] is before
    assert run_seed(3).trace_hash == hash_before
