"""One process, one node, one directory: who may open it, and what it remembers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from raftdoc.errors import DataDirectoryLocked, FormatTooNew, RaftdocError, StateCorrupt, WrongCluster
from raftdoc.ids import ClusterId, NodeId, StoreId
from raftdoc.storage.data_directory import DataDirectory, read_record, write_record

CLUSTER, NODE = ClusterId("c1"), NodeId("n1")


def open_directory(path: Path, cluster: ClusterId = CLUSTER, node: NodeId = NODE) -> DataDirectory:
    return DataDirectory.open(path, cluster=cluster, node=node)


def test_a_new_directory_is_made_with_all_its_parts(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path / "a" / "b", cluster=CLUSTER, node=NODE, now_ms=123, random=bytes(16))
    assert directory.is_new
    assert directory.identity == (CLUSTER, NODE, "0" * 32, 123)
    assert directory.log_path.is_dir()
    assert directory.state_path.is_dir()
    assert json.loads((directory.path / "format.json").read_text()) == {"format": 1}
    directory.close()


def test_identity_stays_over_reopening(tmp_path: Path) -> None:
    first = open_directory(tmp_path)
    first.close()
    second = open_directory(tmp_path)
    assert (second.identity, second.is_new) == (first.identity, False)
    second.close()


def test_store_ids_differ_so_that_a_wiped_node_is_told(tmp_path: Path) -> None:
    first, second = open_directory(tmp_path / "1"), open_directory(tmp_path / "2")
    assert first.identity.store != second.identity.store
    first.close()
    second.close()


def test_a_second_opening_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first = open_directory(tmp_path)
    with pytest.raises(DataDirectoryLocked, match="in use"):
        open_directory(tmp_path)
    first.close()
    open_directory(tmp_path).close()


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from raftdoc.storage.data_directory import DataDirectory;"
        "DataDirectory.open(Path(sys.argv[1]), cluster='c1', node='n1'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(DataDirectoryLocked):
            open_directory(tmp_path)
        process.kill()
    open_directory(tmp_path).close()


def refusal(path: Path, cluster: ClusterId = CLUSTER, node: NodeId = NODE) -> RaftdocError:
    with pytest.raises(RaftdocError) as caught:
        open_directory(path, cluster, node)
    return caught.value


def test_another_cluster_and_another_node_are_refused_by_name(tmp_path: Path) -> None:
    open_directory(tmp_path).close()
    other_cluster = refusal(tmp_path, cluster=ClusterId("c2"))
    other_node = refusal(tmp_path, node=NodeId("n2"))
    assert isinstance(other_cluster, WrongCluster)
    assert isinstance(other_node, WrongCluster)
    assert "'c1'" in other_cluster.detail
    assert "'n1'" in other_node.detail


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_directory(tmp_path).close()
    write_record(tmp_path / "format.json", {"format": 2})
    assert isinstance(refusal(tmp_path), FormatTooNew)
    assert read_record(tmp_path / "format.json") == {"format": 2}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"cluster": "c1"}', b"null"])
@pytest.mark.parametrize("name", ["identity.json", "format.json"])
def test_damaged_small_files_are_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    open_directory(tmp_path).close()
    (tmp_path / name).write_bytes(content)
    error = refusal(tmp_path)
    assert isinstance(error, StateCorrupt)
    assert name in error.detail


def test_data_without_its_identity_is_not_taken_for_a_new_directory(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    (directory.log_path / "0000000000000001.log").write_bytes(b"data")
    directory.close()
    (tmp_path / "identity.json").unlink()
    error = refusal(tmp_path)
    assert isinstance(error, StateCorrupt)
    assert "log/" in error.detail


def test_a_directory_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "identity.new").write_bytes(b'{"clus')
    directory = open_directory(tmp_path)
    assert directory.is_new
    directory.close()


def test_known_stores_are_remembered(tmp_path: Path) -> None:
    directory = open_directory(tmp_path)
    assert directory.known_stores() == {}
    directory.save_known_stores({NodeId("n2"): StoreId("ab")})
    directory.save_known_stores({NodeId("n2"): StoreId("ab"), NodeId("n3"): StoreId("cd")})
    directory.close()
    directory = open_directory(tmp_path)
    assert directory.known_stores() == {"n2": "ab", "n3": "cd"}
    directory.close()


def test_a_record_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert read_record(path) is None
    write_record(path, {"a": 1})
    write_record(path, {"b": 2})
    assert read_record(path) == {"b": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]
