"""A node that cannot start says why, and what to look at, instead of a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raftdoc.ids import ClusterId, NodeId
from raftdoc.storage.data_directory import DataDirectory
from tests.integration.processes import free_port

from .test_main import run

FEW = """
import resource, sys
from raftdoc.cli.main import main
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
sys.exit(main(sys.argv[1:]))
"""


def test_disk_error_while_the_log_is_opened_is_a_clear_refusal(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "data", cluster=ClusterId("c"), node=NodeId("n1"), now_ms=0)
    # A directory where a segment should be: it opens, and every read of it is an error of the system.
    (directory.log_path / "0000000000000001.log").mkdir()
    directory.close()
    ports = ["--http", f"127.0.0.1:{free_port()}", "--peer", f"127.0.0.1:{free_port()}"]
    ended = run(
        "serve", "--node", "n1", "--cluster-id", "c", "--data", str(tmp_path / "data"), "--secret", "s" * 16, *ports
    )
    assert ended.returncode == 74, ended.stderr
    assert "opening the log" in ended.stderr
    assert "Traceback" not in ended.stderr


def serve_with_few(data: Path, soft: int, hard: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `raftdoc serve` where the process may have few descriptors."""
    program = FEW.format(soft=soft, hard=hard)
    flags = ["--node", "n1", "--cluster-id", "c", "--data", str(data), "--secret", "s" * 16, *more]
    command = [sys.executable, "-c", program, "serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_too_few_descriptors_are_a_clear_refusal(tmp_path: Path) -> None:
    ended = serve_with_few(tmp_path / "data", 16, 100)
    assert ended.returncode == 78, ended.stderr
    assert "ulimit" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_low_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    # It comes as far as to the next refusal: a file stands where its directory should be.
    (tmp_path / "data").write_text("")
    ended = serve_with_few(tmp_path / "data", 16, 1024)
    assert ended.returncode not in (0, -6), ended.stderr
    assert "ulimit" not in ended.stderr
