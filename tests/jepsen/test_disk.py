"""The library before the disk: what was synced stays when the power goes, what was not is gone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from jepsen_lite.faults.damage import flip_bit
from jepsen_lite.faults.disk_library import Disk, build, compiler

from raftdoc.ids import GroupId, Incarnation
from raftdoc.limits import MIB
from raftdoc.storage.log.log import SharedLog
from raftdoc.storage.log.records import log_record
from raftdoc.storage.rocksdb import RocksEngine

pytestmark = pytest.mark.skipif(compiler() is None, reason="no C compiler for the library that stands before the disk")

SYNCED = b"s" * 1000
LOST = b"l" * 1000
PROGRAM = """
import os, sys
path, flags, step = sys.argv[1], int(sys.argv[2]), sys.argv[3]
fd = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
os.write(fd, b"s" * 1000)
os.fsync(fd)
if step == "append":
    os.write(fd, b"l" * 1000)
elif step == "overwrite":
    os.pwritev(fd, [b"l" * 300], 200)
elif step == "sync":
    os.pwrite(fd, b"l" * 1000, 1000)
    os.fdatasync(fd)
print(os.statvfs(path).f_bavail)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(build(tmp_path), tmp_path, "n1", tmp_path / "data")


def run(disk: Disk, path: Path, step: str, flags: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(path), str(flags), step]
    environment = {**os.environ, **disk.environment, "LD_PRELOAD": disk.library}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lose_all(disk: Disk) -> int:
    """Lose power with the first draw that keeps nothing."""
    seed = next(seed for seed in range(100) if Random(seed).random() < 0.5)
    return disk.lose_power(Random(seed), is_torn=False)


@pytest.mark.parametrize("step", ["append", "overwrite"])
def test_what_was_not_synced_is_gone(disk: Disk, tmp_path: Path, step: str) -> None:
    disk.switch("records", 1)
    path = tmp_path / "data" / "f"
    assert run(disk, path, step).returncode == 0
    assert path.read_bytes() != SYNCED
    assert lose_all(disk) == 1
    assert path.read_bytes() == SYNCED


@pytest.mark.parametrize(("step", "flags"), [("sync", 0), ("append", os.O_DSYNC)])
def test_what_was_synced_stays(disk: Disk, tmp_path: Path, step: str, flags: int) -> None:
    disk.switch("records", 1)
    path = tmp_path / "data" / "f"
    assert run(disk, path, step, flags).returncode == 0
    assert lose_all(disk) == 0
    assert path.read_bytes() == SYNCED + LOST


def test_files_elsewhere_are_left_alone(disk: Disk, tmp_path: Path) -> None:
    disk.switch("write_error", errno.EIO)
    assert run(disk, tmp_path / "elsewhere", "append").returncode == 0
    assert disk.count("write_errors") == 0


@pytest.mark.parametrize("switch", ["write_error", "sync_error"])
def test_an_error_reaches_the_process(disk: Disk, tmp_path: Path, switch: str) -> None:
    disk.switch(switch, errno.EIO)
    ran = run(disk, tmp_path / "data" / "f", "append")
    assert "OSError: [Errno 5]" in ran.stderr
    assert disk.count(f"{switch}s") == 1


OPENING = """
import sys
from pathlib import Path
from raftdoc.errors import Fatal
from raftdoc.storage.rocksdb import RocksEngine
try:
    RocksEngine(Path(sys.argv[1]))
except Fatal as error:
    print(error.code)
"""


OPENING_LOG = """
import sys
from pathlib import Path
from raftdoc.errors import Fatal
from raftdoc.limits import MIB
from raftdoc.storage.log.log import SharedLog
try:
    SharedLog.open(Path(sys.argv[1]), segment_bytes=MIB)
except Fatal as error:
    print(error.code)
"""


def test_a_state_that_the_disk_lets_nobody_open_is_not_called_damaged(disk: Disk, tmp_path: Path) -> None:
    RocksEngine(tmp_path / "data" / "state").close()
    disk.switch("write_error", errno.EIO)
    command = [sys.executable, "-c", OPENING, str(tmp_path / "data" / "state")]
    environment = {**os.environ, **disk.environment, "LD_PRELOAD": disk.library}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert disk.count("write_errors") > 0
    assert ran.stdout.strip() == "disk_failed"


def test_a_log_that_the_disk_lets_nobody_open_ends_the_node_for_its_disk(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "data" / "log").mkdir()
    # It is not closed in order, as by kill -9.
    killed = SharedLog.open(tmp_path / "data" / "log", segment_bytes=MIB)
    killed.write([killed.append([log_record(GroupId(1), incarnation=Incarnation(1))])])
    disk.switch("sync_error", errno.EIO)
    command = [sys.executable, "-c", OPENING_LOG, str(tmp_path / "data" / "log")]
    environment = {**os.environ, **disk.environment, "LD_PRELOAD": disk.library}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert disk.count("sync_errors") > 0
    assert ran.stdout.strip() == "disk_failed"


def test_a_flipped_bit_is_mended_where_it_still_stands(tmp_path: Path) -> None:
    for place in ("log", "state"):
        (tmp_path / place).mkdir()
    path = tmp_path / "log" / "1.log"
    path.write_bytes(SYNCED)
    harm = flip_bit(tmp_path, Random(1))
    assert path.read_bytes() != SYNCED
    harm.mend()
    assert path.read_bytes() == SYNCED
    path.unlink()
    harm.mend()


def test_a_healed_disk_is_as_slow_as_it_was_before(disk: Disk, tmp_path: Path) -> None:
    disk.rest("sync_delay_ms", 1)
    disk.switch("sync_delay_ms", 2)
    disk.heal("sync_delay_ms")
    run(disk, tmp_path / "data" / "f", "append")
    assert disk.count("slow_syncs") == 1


def test_a_full_disk_says_so(disk: Disk, tmp_path: Path) -> None:
    disk.switch("full", 1)
    assert run(disk, tmp_path / "data" / "f", "append").stdout.strip() == "0"
