"""What a run is told, and the file that says so afterwards."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import raftdoc

PACKAGE = "package"
"""The nemesis that draws random subsets of all faults that can be had."""


class Options(NamedTuple):
    workload: str
    nemesis: tuple[str, ...]
    """Names of faults; empty: nothing is broken."""
    seed: int
    seconds: float
    nodes: int = 3
    clients: int = 5
    rate: float = 50.0
    """Operations a second, of all clients together."""
    has_packages: bool = False
    replicas: int = 3
    """Of the database that is worked on; the other nodes pass requests on."""
    is_kept: bool = False
    """Keep the nodes' data directories also when all is well."""


def write_test(directory: Path, options: Options) -> None:
    """Write test.json: everything that is needed to run this again."""
    test: dict[str, Any] = {
        "options": options._asdict(),
        "raftdoc": raftdoc.__version__,
        "python": platform.python_version(),
        "machine": platform.platform(),
        "commit": _commit(),
    }
    (directory / "test.json").write_text(json.dumps(test, indent=2) + "\n")


def read_test(directory: Path) -> Options:
    """Return the options of a run."""
    values = json.loads((directory / "test.json").read_text())["options"]
    return Options(**{**values, "nemesis": tuple(values["nemesis"])})


def _commit() -> str:
    """Return the commit that is tested, empty where git does not say."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
