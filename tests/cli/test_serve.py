"""A node that cannot start says why, and what to look at, instead of a traceback."""

from __future__ import annotations

from pathlib import Path

from raftdoc.ids import ClusterId, NodeId
from raftdoc.storage.data_directory import DataDirectory
from tests.integration.processes import free_port

from .test_main import run


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
