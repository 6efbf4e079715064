"""Plants a fault: changes one place of the core while fresh copies of it and of the test tree's world are imported.

The product has no switches. Text that is not found exactly once fails loudly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import raftdoc

TREE = "tests.raft"
"""Modules of the test tree that hold the core by the hand: imported afresh with it."""


KEPT = ("planting", "mutants")
"""But for these, which do not hold it."""


class StaleMutant(Exception):
    """The text to change is not in the module exactly once: the mutant has to follow the core."""


class Mutant(NamedTuple):
    name: str
    module: str
    old: str
    new: str
    test: str
    """A directed test that catches it, as module:function."""
    seeds: int = 0
    """Random worlds, from seed 0, that it took to catch it when last measured; 0: the first 400 do not, or unknown."""


class _Loader(SourceFileLoader):
    """Loads a module from changed source."""

    def __init__(self, fullname: str, path: str, mutant: Mutant) -> None:
        super().__init__(fullname, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source = self.get_data(path).decode()
        if source.count(self._mutant.old) != 1:
            raise StaleMutant(f"{self._mutant.name}: found {source.count(self._mutant.old)} times in {path}")
        return compile(source.replace(self._mutant.old, self._mutant.new), path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"raftdoc.raft.{mutant.module}"

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._mutant)
        return spec


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Within, imports of the core and of this tree give fresh modules, of which one has the fault."""

    def is_ours(name: str) -> bool:
        return name.startswith("raftdoc.raft") or (name.startswith(f"{TREE}.") and not name.endswith(KEPT))

    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if is_ours(name)}
    package = raftdoc.__dict__.get("raft")
    finder = _Finder(mutant)
    sys.meta_path.insert(0, finder)
    try:
        import_module(f"raftdoc.raft.{mutant.module}")
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        if package is not None:
            raftdoc.__dict__["raft"] = package


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
