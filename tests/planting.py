"""Plants a fault in the product: changes one piece of one module while fresh copies of what holds it are imported.

The product has no switches. Text that is not found exactly once fails loudly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import raftdoc


class StaleFault(Exception):
    """The text to change is not in the module exactly once: the fault has to follow the product."""


class Piece(NamedTuple):
    """Of the source of a module, and what takes its place."""

    module: str
    old: str
    new: str


class _Loader(SourceFileLoader):
    """Loads a module from changed source."""

    def __init__(self, fullname: str, path: str, piece: Piece) -> None:
        super().__init__(fullname, path)
        self._piece = piece

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source, piece = self.get_data(path).decode(), self._piece
        if source.count(piece.old) != 1:
            raise StaleFault(f"found {source.count(piece.old)} times in {path}: {piece.old}")
        return compile(source.replace(piece.old, piece.new), path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, piece: Piece) -> None:
        self._piece = piece

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._piece.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._piece)
        return spec


@contextmanager
def replaced(piece: Piece, is_fresh: Callable[[str], bool]) -> Iterator[None]:
    """Within, imports of the modules that `is_fresh` names give fresh ones, of which one has the other piece."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if is_fresh(name)}
    attributes = dict(vars(raftdoc))
    finder = _Finder(piece)
    sys.meta_path.insert(0, finder)
    try:
        import_module(piece.module)
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if is_fresh(name)]:
            del sys.modules[name]
        sys.modules.update(kept)
        vars(raftdoc).update(attributes)
