"""Faults of the core, planted for a random world or a directed test: fresh copies of the core and of this tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

from tests.planting import Piece, replaced

TREE = "tests.raft"
"""Modules of the test tree that hold the core by the hand: imported afresh with it."""
KEPT = ("planting", "mutants")
"""But for these, which do not hold it."""


class Mutant(NamedTuple):
    name: str
    module: str
    old: str
    new: str
    test: str
    """A directed test that catches it, as module:function."""
    seeds: int = 0
    """Random worlds, from seed 0, that it took to catch it when last measured; 0: the first 400 do not, or unknown."""


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within, imports of the core and of this tree give fresh modules, of which one has the fault."""

    def is_ours(name: str) -> bool:
        return name.startswith("raftdoc.raft") or (name.startswith(f"{TREE}.") and not name.endswith(KEPT))

    with replaced(Piece(f"raftdoc.raft.{mutant.module}", mutant.old, mutant.new), is_ours):
        yield


def seed_that_catches(mutant: Mutant, seeds: int) -> int | None:
    """Return the first seed below seeds whose random world breaks an invariant, None if none does."""
    with planted(mutant):
        world = import_module(f"{TREE}.world")
        for seed in range(seeds):
            try:
                world.World(seed).run()
            except AssertionError:
                return seed
    return None


def directed_test_catches(mutant: Mutant) -> bool:
    """Return whether the mutant's directed test fails on it."""
    module, function = mutant.test.split(":")
    with planted(mutant):
        test = getattr(import_module(f"{TREE}.{module}"), function)
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
        for arguments in _arguments(marks):
            try:
                test(**arguments)
            except AssertionError:
                return True
    return False


def _arguments(marks: list[Any]) -> list[dict[str, Any]]:
    """Return the keyword arguments of every case of a parametrized test."""
    cases: list[dict[str, Any]] = [{}]
    for mark in marks:
        names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
        rows = [dict(zip(names, row if len(names) > 1 else (row,), strict=True)) for row in mark.args[1]]
        cases = [{**case, **row} for case in cases for row in rows]
    return cases
