"""The named grid: cells of a workload and faults, run one after the other, gone on with where it was broken off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from jepsen_lite.faults.registry import FAULTS, WIDE
from jepsen_lite.judge import Judgement, summary
from jepsen_lite.options import Options
from jepsen_lite.workloads.registry import SKIPPED, WORKLOADS

NODES: Final = 3
RESULTS: Final = "grid.jsonl"
TABLE: Final = "grid.md"
PAIRS: Final = (
    ("membership", "membership-churn,partition-halves"),
    ("membership", "membership-churn,kill"),
    ("register", "snapshot-storm,kill"),
    ("duplicates", "snapshot-storm,answers-lost"),
    ("register", "pause,partition-leader"),
    ("register", "clock-jump,pause"),
    ("register", "clock-rate,partition-one-way"),
    ("register", "wall-clock-jump,partition-leader"),
    ("duplicates", "wall-clock-jump,power-loss"),
    ("counter", "clock-skew,transfer"),
    ("set", "power-loss,term"),
    ("queue", "torn-tail,partition-node"),
    ("counter", "disk-full,transfer"),
    ("set", "write-error,slow-sync"),
    ("unique-ids", "sync-error,partition-halves"),
    ("register", "bit-flip,latency"),
    ("set", "truncation,jitter"),
    ("index-scan", "wipe,loss"),
    ("sessions", "partition-ring,cut-frame"),
    ("long-fork", "partition-bridge,half-open"),
    ("causal-reverse", "client-half-open,partition-leader"),
    ("queries", "rolling-restart,answers-lost"),
    ("create-drop", "crash-loop,partition-one-way"),
    ("availability", "descriptors,transfer"),
    ("availability", "crash-loop"),
    ("index-scan", "membership-churn"),
    ("create-drop", "term,latency"),
    ("queries", "partition-halves"),
)
"""What is known to bite together; every fault is here, or comes alone, at least twice in all."""


class Cell(NamedTuple):
    workload: str
    nemesis: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.workload}/{'+'.join(self.nemesis)}"

    @property
    def node_count(self) -> int:
        return max([NODES, *(WIDE.get(name, NODES) for name in self.nemesis)])


def cells() -> list[Cell]:
    """Return all cells: every fault alone, over the workloads in turn, then the pairs."""
    workloads = list(WORKLOADS)
    alone = [Cell(workloads[at % len(workloads)], (name,)) for at, name in enumerate(FAULTS)]
    return alone + [Cell(workload, tuple(names.split(","))) for workload, names in PAIRS]


def run_grid(
    execute: Callable[[Options, Path], Judgement],
    store: Path,
    *,
    seconds: float,
    seed: int,
    chosen: Sequence[str],
    is_again: bool = False,
) -> bool:
    """Run the cells that were not run yet with these seconds and this seed; print the table. Return whether all are ok.

    Args:
        chosen: parts of names of cells; empty: all.
        is_again: run those again as well that were not ok.
    """
    store.mkdir(parents=True, exist_ok=True)
    path = store / RESULTS
    done = {row["cell"]: row for row in _rows(path) if (row["seconds"], row["seed"]) == (seconds, seed)}
    if is_again:
        done = {name: row for name, row in done.items() if row["verdict"] == "ok"}
    wanted = [cell for cell in cells() if not chosen or any(part in cell.name for part in chosen)]
    for cell in wanted:
        if cell.name not in done:
            done[cell.name] = _run(execute, store, cell, seconds, seed)
            with path.open("a") as file:
                file.write(json.dumps(done[cell.name]) + "\n")
        _print(done[cell.name])
    for name, why in SKIPPED.items():
        print(f"{'skipped':8} {name}: {why}")
    (store / TABLE).write_text("\n".join(_table([done[cell.name] for cell in wanted])) + "\n")
    verdicts = [done[cell.name]["verdict"] for cell in wanted]
    print(f"{verdicts.count('ok')} of {len(wanted)} cells are ok")
    return all(verdict == "ok" for verdict in verdicts)


def _run(
    execute: Callable[[Options, Path], Judgement], store: Path, cell: Cell, seconds: float, seed: int
) -> dict[str, Any]:
    # A ring of five nodes is none where three of them have the replicas.
    plan = Options(cell.workload, cell.nemesis, seed, seconds, cell.node_count, replicas=cell.node_count)
    directory = store / f"{time.strftime('%Y%m%d-%H%M%S')}-{cell.name.replace('/', '-')}"
    row: dict[str, Any] = {"cell": cell.name, "seconds": seconds, "seed": seed, "directory": directory.name}
    judgement = execute(plan, directory)
    bad = {one.checker: list(one.details[:3]) for one in judgement.reports if one.details}
    return {**row, **summary(directory), "verdict": judgement.verdict.value, "reports": bad}


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield "| workload | faults, and how often others noticed them | ok | failed | unknown | verdict |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        workload, _, nemesis = row["cell"].partition("/")
        seen = ", ".join(f"{name} {row['seen'].get(name, 0)}" for name in nemesis.split("+"))
        counts = " | ".join(str(row["operations"].get(type_, 0)) for type_ in ("ok", "fail", "info"))
        yield f"| {workload} | {seen} | {counts} | {row['verdict']} |"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text().splitlines():
            yield json.loads(line)


def _print(row: dict[str, Any]) -> None:
    counts = " ".join(f"{count} {type_}" for type_, count in sorted(row["operations"].items()))
    starved = f", starved for {row['starved_s']:.0f} s" if row["starved_s"] >= 1 else ""
    print(f"{row['verdict']:8} {row['cell']:52} {row['directory']} ({counts}{starved})", flush=True)
    for checker, details in row["reports"].items():
        print(f"         {checker}: {str(details)[:300]}", flush=True)
