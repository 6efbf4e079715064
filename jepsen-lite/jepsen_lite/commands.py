"""The command line: run, check, report, export, list, grid."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from jepsen_lite.edn import to_edn
from jepsen_lite.faults.registry import FAULTS, WIDE
from jepsen_lite.grid import run_grid
from jepsen_lite.judge import Judgement, judge
from jepsen_lite.options import PACKAGE, Options
from jepsen_lite.run import forget_data, run
from jepsen_lite.views.report import write_report
from jepsen_lite.workloads.registry import SKIPPED, WORKLOADS
from raftdoc.simulation.checkers.verdict import Verdict
from raftdoc.simulation.history import read_history

STORE = Path("jepsen-runs")
NONE = "none"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when all is well, 1 when a run is not, 2 for a bad command line."""
    parser = argparse.ArgumentParser(prog="jepsen-lite", description="Attack a raftdoc cluster, and judge what it did.")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands.add_parser("run", help="run one workload under faults"))
    check = commands.add_parser("check", help="judge a run directory again, offline")
    check.add_argument("directory", type=Path)
    report = commands.add_parser("report", help="draw the pages of a run directory")
    report.add_argument("directory", type=Path)
    export = commands.add_parser("export", help="print a history in another form")
    export.add_argument("--edn", action="store_true", required=True, help="Jepsen's form")
    export.add_argument("directory", type=Path)
    grid = commands.add_parser("grid", help="run the named cells of workload and faults; goes on where it ended")
    grid.add_argument("cells", nargs="*", help="parts of names; none: all")
    grid.add_argument("--seconds", type=float, default=30.0)
    grid.add_argument("--seed", type=int, default=1)
    grid.add_argument("--store", type=Path, default=STORE)
    grid.add_argument("--again", action="store_true", help="run those again that were not ok")
    commands.add_parser("list", help="show workloads and faults, and what cannot be had here")
    options = parser.parse_args(arguments)
    if options.command == "run":
        return _run(parser, options)
    if options.command == "check":
        return _tell(options.directory, judge(options.directory))
    if options.command == "report":
        print(write_report(options.directory))
        return 0
    if options.command == "export":
        for line in to_edn(read_history(options.directory / "history.jsonl")):
            print(line)
        return 0
    if options.command == "grid":
        is_ok = run_grid(
            execute,
            options.store,
            seconds=options.seconds,
            seed=options.seed,
            chosen=options.cells,
            is_again=options.again,
        )
        return 0 if is_ok else 1
    return _list()


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workload", required=True)
    parser.add_argument("--nemesis", default=NONE, help=f"names with commas between them, {NONE}, or {PACKAGE}")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--replicas", type=int, default=3, help="of the database; other nodes pass requests on")
    parser.add_argument("--clients", type=int, default=5)
    parser.add_argument("--rate", type=float, default=50.0, help="operations a second")
    parser.add_argument("--store", type=Path, default=STORE, help="where the directories of runs are")
    parser.add_argument("--keep", action="store_true", help="keep the nodes' data also when all is well")


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    names = _nemesis(options.nemesis, options.nodes)
    if options.workload in SKIPPED:
        print(f"skipped: {options.workload}: {SKIPPED[options.workload]}")
        return 0
    if options.workload not in WORKLOADS:
        parser.error(f"no workload {options.workload!r}; `list` shows them")
    strange = [name for name in names if name not in FAULTS]
    if strange:
        parser.error(f"no fault {strange[0]!r}; `list` shows them")
    narrow = [name for name in names if options.nodes < WIDE.get(name, 1)]
    if narrow:
        parser.error(f"{narrow[0]} needs {WIDE[narrow[0]]} nodes")
    plan = Options(
        options.workload,
        names,
        options.seed,
        options.seconds,
        options.nodes,
        options.clients,
        options.rate,
        has_packages=options.nemesis == PACKAGE,
        replicas=options.replicas,
        is_kept=options.keep,
    )
    directory = options.store / f"{time.strftime('%Y%m%d-%H%M%S')}-{plan.workload}-{options.nemesis}-{plan.seed}"
    return _tell(directory, execute(plan, directory))


def _nemesis(text: str, nodes: int) -> tuple[str, ...]:
    """Return the names of faults; of a package, all that can be had here with so many nodes."""
    if text == NONE:
        return ()
    if text != PACKAGE:
        return tuple(text.split(","))
    return tuple(name for name, make in FAULTS.items() if make().available() is None and nodes >= WIDE.get(name, 1))


def execute(plan: Options, directory: Path) -> Judgement:
    """Run, judge, draw."""
    asyncio.run(run(plan, directory))
    judgement = judge(directory)
    write_report(directory)
    if judgement.verdict is Verdict.OK and not plan.is_kept:
        forget_data(directory)
    return judgement


def _tell(directory: Path, judgement: Judgement) -> int:
    for one in judgement.reports:
        print(f"{one.verdict.value:8} {one.checker}")
        for detail in one.details:
            print(f"         {detail}")
    print(f"{judgement.verdict.value.upper()}: {directory}")
    return 0 if judgement.verdict is Verdict.OK else 1


def _list() -> int:
    print("workloads")
    for name, make in WORKLOADS.items():
        first = (type(make()).__doc__ or "").strip().splitlines()[0]
        print(f"  {name:20} {first}")
    for name, why in SKIPPED.items():
        print(f"  {name:20} skipped: {why}")
    print("faults")
    for name, fault in FAULTS.items():
        print(f"  {name:20} {fault().available() or ''}".rstrip())
    return 0
