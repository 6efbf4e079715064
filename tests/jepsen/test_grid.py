"""The named grid covers everything there is, and goes on where it was broken off."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from jepsen_lite.edn import to_edn
from jepsen_lite.faults.registry import FAULTS
from jepsen_lite.grid import cells, run_grid
from jepsen_lite.judge import Judgement
from jepsen_lite.options import Options
from jepsen_lite.workloads.registry import WORKLOADS

from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.history import Recorder

from .harness import run
from .recorded import healthy, write_run


def test_the_grid_has_sixty_cells_of_different_names() -> None:
    names = [cell.name for cell in cells()]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_every_workload_and_every_fault_is_in_the_grid_twice() -> None:
    workloads = Counter(cell.workload for cell in cells())
    faults = Counter(name for cell in cells() for name in cell.nemesis)
    assert [name for name in WORKLOADS if workloads[name] < 2] == []
    assert [name for name in FAULTS if faults[name] < 2] == []
    assert set(faults) <= set(FAULTS)


def test_a_grid_that_was_broken_off_goes_on_with_the_next_cell(tmp_path: Path) -> None:
    ran: list[str] = []

    def execute(plan: Options, directory: Path) -> Judgement:
        ran.append(plan.nemesis[0])
        if len(ran) == 2:
            raise KeyboardInterrupt
        write_run(directory, healthy())
        return Judgement(Verdict.OK, [])

    chosen = ["register/kill", "set/term"]
    with pytest.raises(KeyboardInterrupt):
        run_grid(execute, tmp_path, seconds=1, seed=1, chosen=chosen)
    assert run_grid(execute, tmp_path, seconds=1, seed=1, chosen=chosen)
    assert ran == ["kill", "term", "term"]


def test_what_was_not_ok_is_run_again_when_that_is_asked_for(tmp_path: Path) -> None:
    ran: list[str] = []

    def execute(plan: Options, directory: Path) -> Judgement:
        ran.append(plan.nemesis[0])
        write_run(directory, healthy())
        return Judgement(Verdict.UNKNOWN if ran == ["kill"] else Verdict.OK, [])

    chosen = ["register/kill", "set/term"]
    assert not run_grid(execute, tmp_path, seconds=1, seed=1, chosen=chosen)
    assert not run_grid(execute, tmp_path, seconds=1, seed=1, chosen=chosen)
    assert run_grid(execute, tmp_path, seconds=1, seed=1, chosen=chosen, is_again=True)
    assert ran == ["kill", "term", "kill"]
    assert "| register | kill 1 | 60 | 0 | 1 | ok |" in (tmp_path / "grid.md").read_text()


def test_the_list_names_what_is_skipped() -> None:
    listed = run("list").stdout
    assert "skipped: the product has no transactions yet" in listed
    assert all(name in listed for name in (*WORKLOADS, *FAULTS))


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--workload", "nothing"),
        ("run", "--workload", "register", "--nemesis", "nothing"),
        ("run", "--workload", "register", "--nemesis", "partition-ring", "--nodes", "3"),
    ],
)
def test_what_does_not_exist_is_refused(arguments: tuple[str, ...]) -> None:
    ran: subprocess.CompletedProcess[str] = run(*arguments)
    assert ran.returncode == 2
    assert ran.stderr.startswith("usage")


def test_edn_is_what_jepsen_reads() -> None:
    recorder = Recorder()
    recorder.complete(recorder.invoke(5, 3, "cas", "r1", [1, None]), 9, "info", [1, None], error="timeout")
    assert list(to_edn(recorder.events)) == [
        '{:index 0, :time 5, :process 3, :type :invoke, :f :cas, :value ["r1" [1 nil]]}',
        '{:index 1, :time 9, :process 3, :type :info, :f :cas, :value ["r1" [1 nil]], :error "timeout"}',
    ]
