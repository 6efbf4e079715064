"""`raftdoc inspect` reads what a stopped node has, says what is damaged, and changes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raftdoc.client.control import call
from raftdoc.ids import GroupId
from raftdoc.storage.keyspace import KeyKind, group_range, parse_head
from raftdoc.storage.log.segments import parse_segment_name
from raftdoc.storage.rocksdb import RocksEngine
from tests.cli.dev_process import DevProcess

pytestmark = pytest.mark.processes
DOCUMENTS = "/v1/dbs/shop/collections/orders/docs"
GROUP = GroupId(1)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data directory of a node that was stopped after it took 20 documents, one of them twice."""
    place = tmp_path_factory.mktemp("inspect")
    with DevProcess("--data", str(place), node_count=1) as dev:
        dev.until_ready()
        assert call("PUT", f"{dev.urls[0]}/v1/dbs/shop").status == 201
        for number in [*range(20), 7]:
            body = json.dumps({"total": number}).encode()
            answer = call("PUT", f"{dev.urls[0]}{DOCUMENTS}/o{number}", body, content_type="application/json")
            assert answer.status in {200, 201}, answer
        running = inspect(place / "n1")
        assert dev.stop() == 0
    assert running.returncode == 78
    assert "in use by another process" in running.stderr
    return place / "n1"


@pytest.fixture
def data(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "copy"))


def inspect(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raftdoc", "inspect", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def contents(directory: Path) -> dict[str, bytes]:
    """Return all that is in the directory, but RocksDB's own diary."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("LOG")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def report(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ended.stdout, ended.stderr
    value: dict[str, Any] = json.loads(ended.stdout)
    return value


def test_log_and_groups_are_shown_and_nothing_is_changed(data: Path) -> None:
    before = contents(data)
    ended = inspect(data)
    assert ended.returncode == 0, ended.stderr
    assert "node n1 of cluster dev-" in ended.stdout
    assert "closed in order" in ended.stdout
    group = next(line for line in ended.stdout.splitlines() if " shop " in line)
    assert group.split()[-2:] == ["1", "20"], ended.stdout
    assert contents(data) == before


def test_entries_of_a_group_are_shown_with_their_commands(data: Path) -> None:
    ended = inspect(data, "--entries", str(GROUP), "--count", "1000")
    assert ended.returncode == 0, ended.stderr
    assert """put orders, 'o7', {"_id":"o7","total":7}""" in ended.stdout
    assert ended.stdout.count("    put orders") == 21
    assert inspect(data, "--entries", "99").returncode == 1


def test_digests_of_an_undamaged_node_are_as_kept(data: Path) -> None:
    ended = inspect(data, "--digest", "--json")
    assert ended.returncode == 0, ended.stdout
    group = next(group for group in report(ended)["groups"] if group["group"] == GROUP)
    assert set(group["digest"]) == {"orders", "$requests", "$meta"}
    assert group["differing"] == []


def test_document_that_changed_behind_the_back_is_found(data: Path) -> None:
    engine = RocksEngine(data / "state")
    documents = [key for key, _ in engine.scan(*group_range(GROUP)) if parse_head(key).kind == KeyKind.DOCUMENT]
    value = engine.get(documents[3])
    assert value is not None
    engine.write({documents[3]: value[:-2] + bytes([value[-2] ^ 1]) + value[-1:]})
    engine.flush()
    engine.close()
    ended = inspect(data, "--digest", "--json")
    assert ended.returncode == 1
    assert [group["differing"] for group in report(ended)["groups"] if group["group"] == GROUP] == [["orders"]]
    assert "DIFFERS" in inspect(data, "--digest").stdout


def test_damaged_state_file_is_told(data: Path) -> None:
    for file in (data / "state").glob("*.sst"):
        damaged = bytearray(file.read_bytes())
        damaged[10] ^= 0xFF
        file.write_bytes(damaged)
    ended = inspect(data, "--digest")
    assert ended.returncode == 65
    assert "damaged" in ended.stderr


def test_damaged_log_is_told_with_file_and_offset(data: Path) -> None:
    segment = next(path for path in (data / "log").iterdir() if parse_segment_name(path.name) is not None)
    damaged = bytearray(segment.read_bytes())
    damaged[20] ^= 0xFF
    segment.write_bytes(damaged)
    ended = inspect(data)
    assert ended.returncode == 65
    assert f"{segment} at offset" in ended.stderr


def test_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    ended = inspect(tmp_path)
    assert ended.returncode == 78
    assert "is not the data directory of a node" in ended.stderr
    assert list(tmp_path.iterdir()) == []
