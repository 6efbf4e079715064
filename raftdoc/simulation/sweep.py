"""Many seeds: in several processes, with a file from which a sweep that was broken off goes on."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from raftdoc.simulation.levels import LEVELS, SOMETIMES_SEEDS_MIN, never_seen
from raftdoc.simulation.seed_result import SeedResult
from raftdoc.simulation.worker import decode_result, encode_result

BATCH_SEEDS: Final = 50
"""Of one process: what is lost of a sweep at most, and what bounds its memory."""


class WorkerDied(RuntimeError):
    """A process of the sweep ended without the results it owed; what it said is in the message."""


@dataclass(slots=True)
class Sweep:
    """What has been found so far."""

    level: str
    counters: Counter[str] = field(default_factory=Counter)
    failed: list[SeedResult] = field(default_factory=list)
    done_count: int = 0
    resumed_count: int = 0
    steps: int = 0
    """Of this process's own time, without those of the file."""

    def add(self, result: SeedResult) -> None:
        self.counters.update(result.counters)
        self.done_count += 1
        self.steps += result.steps
        if not result.is_ok:
            self.failed.append(result)

    def missing(self) -> list[str]:
        """Return what never happened, if there were enough seeds for it to have to."""
        return never_seen(self.level, self.counters) if self.done_count >= SOMETIMES_SEEDS_MIN else []


def sweep(level: str, seeds: range, *, jobs: int, resume: Path | None, on_result: Callable[[Sweep], None]) -> Sweep:
    """Run seeds, and return what was found; `on_result` is called after each.

    Args:
        resume: a file that every result is added to; the seeds that are in it are not run again.

    Raises:
        ValueError: the file is of another level, or is none.
        WorkerDied: a process ended early.
    """
    found = Sweep(level)
    done = _resume(found, resume, seeds)
    found.resumed_count, found.steps = found.done_count, 0
    rest = [seed for seed in seeds if seed not in done]
    results = _run_here(level, rest) if jobs == 1 else _run_in_processes(level, rest, jobs)
    for result in results:
        found.add(result)
        if resume is not None:
            with resume.open("ab") as file:
                file.write(encode_result(result) + b"\n")
        on_result(found)
    return found


def _resume(found: Sweep, path: Path | None, seeds: range) -> set[int]:
    done: set[int] = set()
    if path is None or not path.exists():
        return done
    lines = path.read_bytes().split(b"\n")
    for line in lines[:-1]:  # a line without its end was being written when the sweep was broken off
        result = decode_result(line)
        if result.level != found.level:
            raise ValueError(f"{path} holds results of level {result.level}")
        if result.seed in seeds and result.seed not in done:
            done.add(result.seed)
            found.add(result)
    if lines[-1]:
        path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
    return done


def _run_here(level: str, seeds: Sequence[int]) -> Iterator[SeedResult]:
    for seed in seeds:
        yield LEVELS[level].run_seed(seed)


def _run_in_processes(level: str, seeds: Sequence[int], jobs: int) -> Iterator[SeedResult]:
    """Yield results as they come: each thread keeps one process busy with the next batch of seeds."""
    batches: SimpleQueue[Sequence[int]] = SimpleQueue()
    results: SimpleQueue[SeedResult | WorkerDied] = SimpleQueue()
    for start in range(0, len(seeds), BATCH_SEEDS):
        batches.put(seeds[start : start + BATCH_SEEDS])
    for _ in range(jobs):
        batches.put(())
        Thread(target=_work, args=(level, batches, results), daemon=True).start()
    for _ in seeds:
        result = results.get()
        if isinstance(result, WorkerDied):
            raise result
        yield result


def _work(level: str, batches: SimpleQueue[Sequence[int]], results: SimpleQueue[SeedResult | WorkerDied]) -> None:
    while seeds := batches.get():
        command = [sys.executable, "-m", "raftdoc.simulation.worker", level, *map(str, seeds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            count = 0
            for line in process.stdout:
                results.put(decode_result(line))
                count += 1
            complaint = process.stderr.read().decode(errors="replace")
        if count != len(seeds):
            results.put(WorkerDied(f"seeds {seeds[count]}..{seeds[-1]} were not run: {complaint[-2000:]}"))
            return
