"""The examples run, as they are written, against a real cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.dev_process import DevProcess

pytestmark = pytest.mark.processes
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def cluster() -> Iterator[DevProcess]:
    with DevProcess("--ephemeral") as dev:
        yield dev.until_ready()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_quickstart_in_python_runs_twice(cluster: DevProcess) -> None:
    for _ in range(2):
        ended = run(sys.executable, str(EXAMPLES / "quickstart.py"), *cluster.urls)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "sent twice, created once" in ended.stdout
        assert ended.stdout.endswith("deleted: document_not_found\n")


def test_quickstart_with_curl_runs_twice(cluster: DevProcess) -> None:
    for _ in range(2):
        ended = run("bash", str(EXAMPLES / "quickstart.sh"), cluster.urls[0], cluster.urls[-1])
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert ended.stdout.endswith("# done\n")
