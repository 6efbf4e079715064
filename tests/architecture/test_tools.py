"""The linter, the formatter and the type checker are part of the test suite."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .source_tree import REPOSITORY


def _run(*command: str) -> None:
    run = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_ruff_finds_nothing() -> None:
    _run("ruff", "check", ".")


def test_ruff_would_format_nothing() -> None:
    _run("ruff", "format", "--check", ".")


@pytest.mark.timeout(600)  # a first run has no cache and reads every library
def test_mypy_strict_finds_nothing() -> None:
    _run("mypy")
