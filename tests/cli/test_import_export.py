"""`raftdoc import` and `raftdoc export`, over real nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raftdoc.client.blocking import Client
from raftdoc.testing import LocalCluster

pytestmark = pytest.mark.processes


def raftdoc(cluster: LocalCluster, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "raftdoc", command, "--url", cluster.urls[0], *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_an_import_that_is_run_again_does_nothing_twice(raftdoc_cluster: LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "orders.ndjson"
    path.write_text("".join(json.dumps({"qty": n, "text": "x" * 50}) + "\n" for n in range(3500)))
    first = raftdoc(raftdoc_cluster, "import", "imported", "orders", str(path))
    assert (first.returncode, first.stdout) == (0, "3500 created, 0 done before, 0 failed\n")
    again = raftdoc(raftdoc_cluster, "import", "imported", "orders", str(path))
    assert (again.returncode, again.stdout) == (0, "0 created, 3500 done before, 0 failed\n")
    with Client(raftdoc_cluster.urls) as client:
        assert client.database("imported").collection("orders").estimated_document_count() == 3500


def test_what_is_exported_can_be_imported(raftdoc_cluster: LocalCluster, tmp_path: Path) -> None:
    with Client(raftdoc_cluster.urls) as client:
        docs = client.create_database("exported").collection("c")
        docs.insert_many([{"_id": n, "qty": n % 3} for n in range(1500)])
    path = tmp_path / "c.json.zst"
    done = raftdoc(raftdoc_cluster, "export", "exported", "c", str(path), "--filter", '{"qty": 1}')
    assert (done.returncode, done.stdout) == (0, f"500 documents written to {path}\n")
    back = raftdoc(raftdoc_cluster, "import", "exported", "d", str(path))
    assert back.stdout == "500 created, 0 done before, 0 failed\n"
    shown = raftdoc(raftdoc_cluster, "export", "exported", "d", "-", "--format", "csv", "--fields", "_id,qty")
    assert shown.stdout.splitlines()[:2] == ["_id,qty", "1,1"]


def test_documents_that_exist_are_named_and_the_others_created(raftdoc_cluster: LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("_id,n\na,1\nb,2\na,3\n")
    done = raftdoc(raftdoc_cluster, "import", "partly", "c", str(path), "--infer")
    assert (done.returncode, done.stdout) == (1, "2 created, 0 done before, 1 failed\n")
    assert "_id 'a': duplicate_key" in done.stderr


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("import", ("d", "c", "nothing.ndjson"), "No such file"),
        ("import", ("d", "c", "file"), "say --format"),
        ("export", ("d", "c", "out.csv"), "name them with --fields"),
        ("export", ("d", "c", "out.json", "--filter", "{a}"), "--filter is no JSON"),
        ("export", ("d", "c", "out.json", "--filter", "[]"), "--filter is a JSON object"),
    ],
)
def test_what_cannot_be_done_is_said(
    raftdoc_cluster: LocalCluster, command: str, arguments: tuple[str, ...], said: str
) -> None:
    done = raftdoc(raftdoc_cluster, command, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
