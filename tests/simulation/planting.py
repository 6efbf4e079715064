"""Faults of the product, planted for a seed of the simulator, or as a plugin of pytest for a whole run.

So that any test may be the one that finds it:

    python -m pytest -p tests.simulation.planting --plant "NAME OF THE FAULT" tests/...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, settings

from tests.planting import Piece, replaced


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


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """Within, imports of the product give fresh modules, of which one has the fault."""
    with replaced(Piece(fault.module, fault.old, fault.new), lambda name: name.startswith("raftdoc.")):
        yield


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
