"""`raftdoc simulate`: whole clusters from one seed, with faults, and whether any promise was broken."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from raftdoc.cli.commands import EXIT_BAD_NEWS, EXIT_USAGE, Subparsers, add_command, complain, whole_number

if TYPE_CHECKING:
    from raftdoc.simulation.seed_result import SeedResult
    from raftdoc.simulation.sweep import Sweep

DESCRIPTION = """\
Runs a cluster in virtual time under faults that one number decides, checks every invariant after every step, and
judges what its clients saw. The same seed is the same run, on every machine with the same Python.

  raftdoc simulate --seed 7 --trace                       one run, drawn: a column per node
  raftdoc simulate --seed 0 --seeds 5000 --jobs 2         a sweep
  raftdoc simulate --seed 0 --seeds 5000 --resume FILE    a sweep that can be broken off, and goes on from FILE

  raftdoc simulate --level nodes --seed 0 --seeds 300     whole nodes: their tasks, timers and locks, too

A seed that fails prints the command that repeats it, and is shrunk to the faults that it needs.

Exit code 0: every promise was kept. 1: one was broken, or the sweep never met something that it has to meet.
"""
PROGRESS_S = 5.0
SHRUNK_MAX = 3
DRAWN_LINES = 60
"""The end of a drawing that is shown unasked."""


def add_parser(commands: Subparsers) -> None:
    parser = add_command(
        commands, "simulate", run, summary="run simulated clusters under faults", description=DESCRIPTION
    )
    parser.add_argument("--seed", type=whole_number(0, 1 << 62), required=True, metavar="N", help="the first seed")
    parser.add_argument("--seeds", type=whole_number(1, 1 << 31), default=1, metavar="K", help="how many (1)")
    parser.add_argument("--level", choices=("cores", "nodes"), default="cores", help="what is simulated (cores)")
    parser.add_argument("--jobs", type=whole_number(1, 256), default=1, metavar="J", help="processes (1)")
    parser.add_argument("--trace", action="store_true", help="draw the run; with one seed")
    parser.add_argument("--resume", type=Path, metavar="FILE", help="add results to FILE, skip seeds that are in it")


def run(arguments: argparse.Namespace) -> int:
    if arguments.trace and arguments.seeds > 1:
        complain("--trace draws one seed; leave --seeds out")
        return EXIT_USAGE
    if arguments.trace:
        return _draw(arguments.level, arguments.seed)
    return _sweep(arguments)


def _draw(level: str, seed: int) -> int:
    from raftdoc.simulation.levels import LEVELS

    result = LEVELS[level].run_seed(seed, trace=True)
    print(*result.trace, sep="\n")
    print(f"seed {seed}: {result.verdict} ({result.steps} events, trace hash {result.trace_hash})")
    return 0 if result.is_ok else EXIT_BAD_NEWS


def _sweep(arguments: argparse.Namespace) -> int:
    from raftdoc.simulation.sweep import WorkerDied, sweep

    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    progress = _Progress(len(seeds))
    try:
        found = sweep(arguments.level, seeds, jobs=arguments.jobs, resume=arguments.resume, on_result=progress.show)
    except (ValueError, OSError) as error:
        complain(f"--resume: {error}")
        return EXIT_USAGE
    except WorkerDied as error:
        complain(str(error))
        return EXIT_BAD_NEWS
    progress.finish(found)
    for result in found.failed:
        print(f"seed {result.seed}: {result.verdict}\n  repeat: {_replay(result)}")
    for result in found.failed[:SHRUNK_MAX]:
        _show_shrunk(result)
    missing = found.missing()
    if missing:
        print(f"this sweep proves little: it never met {', '.join(missing)}")
    return EXIT_BAD_NEWS if found.failed or missing else 0


def _replay(result: SeedResult) -> str:
    return f"raftdoc simulate --level {result.level} --seed {result.seed} --trace"


def _show_shrunk(result: SeedResult) -> None:
    from raftdoc.simulation.cores.drawing import without_repeats
    from raftdoc.simulation.levels import LEVELS
    from raftdoc.simulation.shrink import shrink

    run_seed = LEVELS[result.level].run_seed
    shrunk = shrink(result, run_seed)
    drawn = without_repeats(run_seed(result.seed, suppressed=shrunk.suppressed, trace=True).trace)
    print(
        f"\nseed {result.seed}, shrunk to {len(shrunk.needed)} of {result.decision_count} fault decisions "
        f"{list(shrunk.needed)} in {shrunk.run_count} runs: {shrunk.result.verdict}"
    )
    print(*drawn[:1], *drawn[1:][-DRAWN_LINES:], sep="\n")


class _Progress:
    """Says on stderr how far a sweep is."""

    def __init__(self, seed_count: int) -> None:
        self._seed_count = seed_count
        self._began_s = self._shown_s = monotonic()

    def show(self, found: Sweep) -> None:
        now_s = monotonic()
        if now_s - self._shown_s >= PROGRESS_S:
            self._shown_s = now_s
            print(self._line(found), file=sys.stderr, flush=True)

    def finish(self, found: Sweep) -> None:
        print(self._line(found))
        shown = " ".join(f"{name}={count}" for name, count in sorted(found.counters.items()))
        print(f"counters: {shown}")

    def _line(self, found: Sweep) -> str:
        elapsed_s = max(monotonic() - self._began_s, 1e-9)
        fresh = found.done_count - found.resumed_count
        return (
            f"{found.done_count} of {self._seed_count} seeds, {len(found.failed)} failed, "
            f"{fresh / elapsed_s:.1f} seeds/s, {found.steps / elapsed_s:,.0f} events/s"
        )
