"""What RocksDB does besides the conformance suite: crashes, damage, refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path

import pytest

from raftdoc.errors import DiskFull, StateCorrupt
from raftdoc.storage.engine import EngineBusy
from raftdoc.storage.rocksdb import RocksEngine

from .engines import small_rocks

ALL = (b"", b"\xff" * 8)

WRITER = """
import sys
from pathlib import Path
from raftdoc.storage.engine import EngineBusy
from raftdoc.storage.rocksdb import RocksEngine

engine = RocksEngine(Path(sys.argv[1]), write_buffer_bytes=256 * 1024)
number = 0
while True:
    number += 1
    changes = {b"counter": b"%d" % number, b"a%09d" % number: b"x" * 200, b"z%09d" % number: b"y" * 200}
    try:
        engine.write(changes)
    except EngineBusy:
        engine.flush()
        engine.write(changes)
    if number % 1000 == 0:
        engine.flush()
        print(number, flush=True)
"""


def killed_writer(path: Path, flush_count: int) -> int:
    """Let a process write until it has flushed so often, kill it; return the last number known to be flushed."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    flushed = 0
    for _ in range(flush_count):
        flushed = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return flushed


@pytest.mark.parametrize("flush_count", [1, 2, 5])
def test_a_killed_writer_leaves_a_prefix_with_at_least_what_it_flushed(tmp_path: Path, flush_count: int) -> None:
    flushed = killed_writer(tmp_path / "state", flush_count)
    engine = small_rocks(tmp_path / "state")
    number = int(engine.get(b"counter") or 0)
    assert number >= flushed
    for prefix in (b"a", b"z"):
        found = [int(key[1:]) for key, _ in engine.scan(prefix, prefix + b"\xff")]
        assert found == list(range(1, number + 1))
    engine.close()


def test_a_second_process_may_not_open_it(tmp_path: Path) -> None:
    engine = small_rocks(tmp_path / "state")
    second = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path / "state")], capture_output=True, check=False)
    assert b"lock" in second.stderr
    engine.close()


def filled(path: Path) -> None:
    engine = small_rocks(path)
    engine.write({b"key%06d" % number: os.urandom(100) for number in range(5000)})
    engine.flush()
    engine.close()


def table_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.sst"))


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_flipped_bit_is_an_error_for_a_scan_in_either_direction_and_never_a_short_result(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    (table,) = table_files(tmp_path / "state")
    flip(table, table.stat().st_size // 2)
    engine = small_rocks(tmp_path / "state")
    for reverse in (False, True):
        with pytest.raises(StateCorrupt, match="damaged"):
            list(engine.scan(*ALL, reverse=reverse))
    engine.close()


def test_a_flipped_bit_is_an_error_for_a_get(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    (table,) = table_files(tmp_path / "state")
    flip(table, table.stat().st_size // 2)
    engine = small_rocks(tmp_path / "state")
    refused = 0
    for number in range(5000):
        try:
            assert len(engine.get(b"key%06d" % number) or b"") == 100
        except StateCorrupt:
            refused += 1
    assert 0 < refused < 200
    engine.close()


def test_a_damaged_table_end_is_refused_at_opening_with_what_to_do(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    (table,) = table_files(tmp_path / "state")
    flip(table, table.stat().st_size - 4)
    with pytest.raises(StateCorrupt, match="join again"):
        list(small_rocks(tmp_path / "state").scan(*ALL))


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    (table,) = table_files(tmp_path / "state")
    table.unlink()
    with pytest.raises(StateCorrupt, match="join again"):
        small_rocks(tmp_path / "state")


def test_a_stalled_engine_refuses_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    engine = RocksEngine(tmp_path / "state", write_buffer_bytes=64 * 1024)
    busy = None
    for number in range(20_000):
        try:
            engine.write({b"a%09d" % number: b"x" * 4000})
        except EngineBusy:
            busy = number
            break
    assert busy is not None
    assert engine.get(b"a%09d" % busy) is None
    engine.flush()
    engine.write({b"a%09d" % busy: b"x"})
    assert engine.get(b"a%09d" % busy) == b"x"
    engine.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB of its own."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk needs privileges: {mounted.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_refuses_writes_and_flushes_loses_nothing_and_reads_go_on(small_disk: Path) -> None:
    engine = small_rocks(small_disk / "state")
    engine.write({b"a": b"1"})
    engine.flush()
    fill(small_disk / "filler")
    written = write_until_refused(engine)
    with pytest.raises(DiskFull, match="No space"):
        engine.flush()
    assert engine.get(b"a") == b"1"
    assert len(list(engine.scan(b"k", b"l"))) == written
    (small_disk / "filler").unlink()
    engine.close()


def fill(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fd, bytes(65536)):
            pass
    except OSError as error:
        assert error.errno == ENOSPC  # noqa: PT017  # the loop ends so, and in no other way
    finally:
        os.close(fd)


def write_until_refused(engine: RocksEngine) -> int:
    for number in range(100_000):
        try:
            engine.write({b"k%06d" % number: os.urandom(1000)})
        except EngineBusy:
            return number
    pytest.fail("a full disk refused nothing")


def test_it_can_be_read_without_being_changed(tmp_path: Path) -> None:
    filled(tmp_path / "state")
    before = {path.name: path.read_bytes() for path in table_files(tmp_path / "state")}
    engine = RocksEngine(tmp_path / "state", read_only=True)
    assert len(list(engine.scan(*ALL))) == 5000
    assert len(list(engine.snapshot().scan(*ALL, reverse=True))) == 5000
    engine.close()
    assert {path.name: path.read_bytes() for path in table_files(tmp_path / "state")} == before


def test_interleaved_scans_and_gets_of_one_snapshot_do_not_disturb_each_other(tmp_path: Path) -> None:
    engine = small_rocks(tmp_path / "state")
    engine.write({b"k%03d" % number: b"%d" % number for number in range(100)})
    with engine.snapshot() as snapshot:
        engine.write({b"k%03d" % number: None for number in range(100)})
        forward, backward = snapshot.scan(b"k010", b"k090"), snapshot.scan(b"k010", b"k090", reverse=True)
        pairs = [(next(forward)[0], next(backward)[0], snapshot.get(b"k050")) for _ in range(80)]
    assert [pair[0] for pair in pairs] == [b"k%03d" % number for number in range(10, 90)]
    assert [pair[1] for pair in pairs] == [b"k%03d" % number for number in range(89, 9, -1)]
    assert {pair[2] for pair in pairs} == {b"50"}
    engine.close()
