"""Which of the nemesis' decisions a failure needs: as few as can be found by leaving out halves, quarters, ... of them.

Source: A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002): ddmin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from raftdoc.simulation.levels import RunSeed
from raftdoc.simulation.seed_result import SeedResult

RUNS_MAX: Final = 150
_RULE: Final = re.compile(r"^(\w+)(?:: (\w+\d*))?")


class Shrunk(NamedTuple):
    result: SeedResult
    """Of the smallest run that still fails."""
    suppressed: frozenset[int]
    needed: tuple[int, ...]
    """The decisions that are left."""
    run_count: int


def shrink(failed: SeedResult, run_seed: RunSeed, *, runs_max: int = RUNS_MAX) -> Shrunk:
    """Return a run of the same seed that breaks the same rule with fewer fault decisions."""
    search = _Search(failed, run_seed, runs_max)
    needed: Sequence[int] = range(failed.decision_count)
    if search.fails_with(()):
        needed = ()
    parts = 2
    while len(needed) >= 2 and search.has_runs_left:
        size = max(1, len(needed) // parts)
        for start in range(0, len(needed), size):
            fewer = [*needed[:start], *needed[start + size :]]
            if search.fails_with(fewer):
                needed, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(needed), 2 * parts)
    return Shrunk(search.smallest, search.suppressed, tuple(needed), search.run_count)


class _Search:
    def __init__(self, failed: SeedResult, run_seed: RunSeed, runs_max: int) -> None:
        self.smallest = failed
        self.suppressed: frozenset[int] = frozenset()
        self.run_count = 0
        self._failed = failed
        self._run_seed = run_seed
        self._runs_max = runs_max

    @property
    def has_runs_left(self) -> bool:
        return self.run_count < self._runs_max

    def fails_with(self, needed: Sequence[int]) -> bool:
        """Return whether the seed breaks the same rule with only these decisions."""
        if not self.has_runs_left:
            return False
        self.run_count += 1
        # A longer run may come to decisions that the first never came to: they are left out, too.
        left_out = frozenset(range(4 * self._failed.decision_count + 64)) - frozenset(needed)
        result = self._run_seed(self._failed.seed, suppressed=left_out)
        if result.is_ok or rule_of(result.verdict) != rule_of(self._failed.verdict):
            return False
        self.smallest, self.suppressed = result, left_out
        return True


def rule_of(verdict: str) -> str:
    """Return what a verdict is about: the kind of error, and the name of the invariant."""
    match = _RULE.match(verdict)
    return "" if match is None else match[0]
