"""Imports only go down, and importing a pure floor loads nothing that acts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .source_tree import PACKAGE, PURE_PACKAGES, REPOSITORY

LOADED_BY_NO_PURE_FLOOR = (
    "aiohttp",
    "asyncio",
    "rocksdict",
    "uvloop",
    "raftdoc.storage.rocksdb",
    "raftdoc.storage.log",
)


def test_imports_only_go_down_and_every_dependency_has_one_door() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("package", [name for name in PURE_PACKAGES if (PACKAGE / name).is_dir()])
def test_importing_a_pure_floor_loads_nothing_that_acts(package: str) -> None:
    modules = ", ".join(
        f"raftdoc.{package}" + ("" if path.stem == "__init__" else f".{path.stem}")
        for path in sorted((PACKAGE / package).glob("*.py"))
    )
    program = f"import sys, {modules}\nprint(*sorted(set({LOADED_BY_NO_PURE_FLOOR!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], f"importing {modules} loads {run.stdout}"


def test_importing_the_package_loads_nothing_of_it() -> None:
    program = "import raftdoc, sys; print(*(name for name in sys.modules if name.startswith('raftdoc.')))"
    run = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
