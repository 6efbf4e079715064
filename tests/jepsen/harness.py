"""Runs the harness as its users do, also one that was tampered with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from .conftest import HARNESS

TIMEOUT_S = 110


def run(*arguments: str, harness: Path = HARNESS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(harness), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)


def tampered(directory: Path, module: str, old: str, new: str) -> Path:
    """Return a copy of the harness in which one piece of text is another.

    Raises:
        AssertionError: the text is not there exactly once, and the mutant would be none.
    """
    copy = directory / "harness"
    shutil.copytree(HARNESS, copy)
    path = copy / "jepsen_lite" / module
    text = path.read_text()
    assert text.count(old) == 1, (module, old)
    path.write_text(text.replace(old, new))
    return copy
