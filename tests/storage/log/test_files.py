"""The log's two file systems, the real one and its double, and the log on the real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from errno import EIO, ENOSPC
from pathlib import Path

import pytest

from raftdoc.ids import GroupId, Incarnation, Index
from raftdoc.storage.log.files import DirectoryFiles, LogFiles
from raftdoc.storage.log.log import SharedLog, log_record
from raftdoc.storage.log.memory_files import MemoryFiles

GROUP = GroupId(1)


@pytest.fixture(params=["directory", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> LogFiles:
    return DirectoryFiles(tmp_path) if request.param == "directory" else MemoryFiles()


@pytest.mark.parametrize("zeroed", [False, True])
def test_a_created_file_has_its_size_and_reads_as_zeros(files: LogFiles, zeroed: bool) -> None:
    files.create("a", 3_000_000, zeroed=zeroed)
    file = files.open("a")
    assert (files.names(), file.size()) == (["a"], 3_000_000)
    assert file.read(2_999_990, 100) == bytes(10)
    file.close()


def test_buffers_are_written_one_after_another(files: LogFiles) -> None:
    files.create("a", 100, zeroed=False)
    file = files.open("a", writable=True)
    file.write([b"one", b"", b"two"], 10)
    assert file.read(9, 8) == b"\0onetwo\0"
    file.close()


def test_more_buffers_than_one_call_takes_are_all_written(files: LogFiles) -> None:
    files.create("a", 10_000, zeroed=False)
    file = files.open("a", writable=True)
    file.write([b"%04d" % number for number in range(2000)], 0)
    assert file.read(0, 8000) == b"".join(b"%04d" % number for number in range(2000))
    file.close()


def test_a_write_over_the_end_grows_the_file(files: LogFiles) -> None:
    files.create("a", 10, zeroed=False)
    file = files.open("a", writable=True)
    file.write([b"abcdef"], 8)
    assert (file.size(), file.read(0, 100)) == (14, bytes(8) + b"abcdef")
    file.close()


def test_a_renamed_file_keeps_its_writers(files: LogFiles) -> None:
    files.create("a", 10, zeroed=False)
    file = files.open("a", writable=True)
    files.rename("a", "b")
    file.write([b"x"], 0)
    file.close()
    assert files.names() == ["b"]
    reader = files.open("b")
    assert reader.read(0, 1) == b"x"
    reader.close()
    files.delete("b")
    assert files.names() == []


def test_a_missing_file_is_an_os_error(files: LogFiles) -> None:
    with pytest.raises(FileNotFoundError):
        files.open("a")


def test_the_double_loses_what_is_not_settled_and_tears_by_sectors() -> None:
    files = MemoryFiles(auto_settle=False)
    files.create("a", 2048, zeroed=True)
    files.settle()
    file = files.open("a", writable=True)
    file.write([b"1" * 1024], 100)
    files.create("b", 10, zeroed=True)
    files.crash_after(0, lambda sector: sector == 1)
    assert files.names() == ["a"]
    assert files.open("a").read(0, 2048) == bytes(512) + b"1" * 512 + bytes(1024)


def test_the_double_undoes_renames_deletes_and_growth() -> None:
    files = MemoryFiles(auto_settle=False)
    files.create("a", 10, zeroed=True)
    files.create("b", 20, zeroed=True)
    files.settle()
    files.rename("a", "b")
    files.open("b", writable=True).write([b"x" * 10], 5)
    files.delete("b")
    files.crash_after(0, lambda sector: False)
    assert {name: files.open(name).size() for name in files.names()} == {"a": 10, "b": 20}


def test_the_double_fills_up_and_fails() -> None:
    files = MemoryFiles(capacity_bytes=100)
    files.create("a", 60, zeroed=True)
    with pytest.raises(OSError, match="full") as full:
        files.create("b", 60, zeroed=True)
    files.fail()
    with pytest.raises(OSError, match="failed") as failed:
        files.open("a", writable=True).write([b"x"], 0)
    assert (full.value.errno, failed.value.errno) == (ENOSPC, EIO)


WRITER = """
import sys
from pathlib import Path
from raftdoc.raft.messages import Entry
from raftdoc.storage.log.log import SharedLog, log_record

log = SharedLog.open(Path(sys.argv[1]), segment_bytes=256 * 1024)
found = log.groups.get(1)
index = found.last_index if found else 0
while True:
    index += 1
    pending = log.append([log_record(1, entries=(Entry(index, 1, 1, index, b"%d" % index * 100),))])
    log.write([pending])
    log.durable(pending)
    print(index, flush=True)
"""


def test_a_killed_writer_leaves_every_acknowledged_entry_and_goes_on(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(400):
                acknowledged = int(process.stdout.readline())
            os.kill(process.pid, signal.SIGKILL)
            for line in process.stdout:
                acknowledged = int(line)
        log = SharedLog.open(tmp_path, segment_bytes=256 * 1024)
        last = log.groups[GROUP].last_index
        assert last in (acknowledged, acknowledged + 1)
        read = log.reader(GROUP).read(Index(1), last, 1 << 30)
        assert [entry.payload for entry in read] == [b"%d" % index * 100 for index in range(1, last + 1)]
    assert log.segment_count > 1


class WatchedFiles(DirectoryFiles):
    """Counts how often names were made durable on demand."""

    synced_names = 0

    def sync_names(self) -> None:
        self.synced_names += 1
        super().sync_names()


def test_p8_names_that_a_killed_process_left_are_durable_before_anything_is_written_under_them(tmp_path: Path) -> None:
    log = SharedLog.open(tmp_path, segment_bytes=64 * 1024, reserve_bytes=0)
    log.write([log.append([log_record(GROUP, incarnation=Incarnation(1))])])
    log.close()
    files = WatchedFiles(tmp_path)
    SharedLog.open(tmp_path, segment_bytes=64 * 1024, reserve_bytes=0, files=files).close()
    assert files.synced_names == 1
