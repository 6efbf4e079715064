"""What a level says of one seed."""

from __future__ import annotations

from typing import NamedTuple


class SeedResult(NamedTuple):
    seed: int
    level: str
    is_ok: bool
    verdict: str
    """`ok`, or what did not hold."""
    steps: int
    """Events of the world."""
    trace_hash: str
    """Of all that happened: the same for the same seed, in every process."""
    counters: dict[str, int]
    decision_count: int
    """How many decisions the nemesis took: those that can be suppressed."""
    trace: list[str]
    """A drawing of what happened, where it was asked for."""
