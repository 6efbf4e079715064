"""Plants a fault in the product: changes one piece of one module while fresh copies of all of it are imported.

The product has no switches. Text that is not found exactly once fails loudly. As a plugin of pytest it plants one fault
for a whole run, so that any test may be the one that finds it:

    python -m pytest -p tests.simulation.planting --plant "NAME OF THE FAULT" tests/...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

import raftdoc


class StaleFault(Exception):
    """The text to change is not in the module exactly once: the fault has to follow the product."""


class Fault(NamedTuple):
    name: str
    module: str
    old: str
    new: str
    level: str = "cores"
    """Of the simulator that is to catch it."""
    test: str = ""
    """A directed test that catches it, below tests/."""


class Caught(NamedTuple):
    seed: int
    verdict: str


class _Loader(SourceFileLoader):
    """Loads a module from changed source."""

    def __init__(self, fullname: str, path: str, fault: Fault) -> None:
        super().__init__(fullname, path)
        self._fault = fault

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        source, fault = self.get_data(path).decode(), self._fault
        if source.count(fault.old) != 1:
            raise StaleFault(f"{fault.name}: found {source.count(fault.old)} times in {path}")
        return compile(source.replace(fault.old, fault.new), path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != self._fault.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(fullname, spec.origin, self._fault)
        return spec


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Within, imports of the product give fresh modules, of which one has the fault."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("raftdoc.")}
    attributes = dict(vars(raftdoc))
    finder = _Finder(fault)
    sys.meta_path.insert(0, finder)
    try:
        import_module(fault.module)
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.startswith("raftdoc.")]:
            del sys.modules[name]
        sys.modules.update(kept)
        vars(raftdoc).update(attributes)


def first_caught(fault: Fault, seeds: Sequence[int]) -> Caught | None:
    """Return the first of the seeds that fails with the fault planted."""
    with planted(fault):
        run_seed = import_module(f"raftdoc.simulation.{fault.level}.run").run_seed
        for seed in seeds:
            result = run_seed(seed)
            if not result.is_ok:
                return Caught(seed, result.verdict)
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plant", metavar="NAME", help="plant a fault of tests.simulation.mutants for the whole run")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Plant the fault before any test, or conftest, imports the product; it stays planted."""
    name = early_config.known_args_namespace.plant
    if name is not None:
        known = {fault.name: fault for fault in import_module("tests.simulation.mutants").faults()}
        early_config.add_cleanup(_plant(known[name]))


def pytest_configure(config: pytest.Config) -> None:
    """A planted fault has only to be found: nobody reads its smallest example, which may take minutes, nor keeps it."""
    if config.getoption("plant") is not None:
        settings.register_profile("planted", phases=(Phase.explicit, Phase.generate), database=None)
        settings.load_profile("planted")


def _plant(fault: Fault) -> Any:
    context = planted(fault)
    context.__enter__()
    return lambda: context.__exit__(None, None, None)
