"""The library that stands between a node and its disk: built at run time, told what to do, and read afterwards."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

SOURCE: Final = Path(__file__).with_name("disk.c")
PAGE_BYTES: Final = 4096
SWITCHES: Final = ("full", "write_error", "sync_error", "sync_delay_ms", "records")
COUNTS: Final = ("full_seen", "write_errors", "sync_errors", "slow_syncs", "recorded")
COUNTS_OFFSET: Final = 32
RECORD: Final = struct.Struct("<8q")
WRITE, DURABLE = 1, 2
SECTOR_BYTES: Final = 512
BUILD_TIMEOUT_S: Final = 60.0


class CannotBuild(RuntimeError):
    """The compiler does not take the library."""


class Write(NamedTuple):
    """A write that can be taken back."""

    number: int
    inode: int
    offset: int
    old_size: int
    old: bytes
    new_length: int


def compiler() -> str | None:
    """Return the C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(directory: Path) -> Path:
    """Build the library, and return where it is.

    Raises:
        CannotBuild: there is no compiler, or it fails.
    """
    found = compiler()
    if found is None:
        raise CannotBuild("no C compiler")
    target = directory / "libdisk.so"
    command = [found, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S)
    if run.returncode != 0:
        raise CannotBuild(run.stderr)
    return target


class Disk:
    """One node's disk: the switches and counts of its page, and the record of its writes."""

    def __init__(self, library: Path, directory: Path, node: str, data: Path) -> None:
        self._data = data
        self._resting: dict[str, int] = {}
        self._undo = directory / f"{node}.undo"
        control = directory / f"{node}.control"
        control.write_bytes(bytes(PAGE_BYTES))
        with control.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), PAGE_BYTES)
        data.mkdir(parents=True, exist_ok=True)
        self.library = str(library.resolve())
        self.environment = {
            "JEPSEN_DISK_ROOT": str(data.resolve()),
            "JEPSEN_DISK_CONTROL": str(control.resolve()),
            "JEPSEN_DISK_UNDO": str(self._undo.resolve()),
        }

    def switch(self, name: str, value: int) -> None:
        """Set what the disk does from now on; 0 is healthy."""
        struct.pack_into("<i", self._page, 4 * SWITCHES.index(name), value)

    def rest(self, name: str, value: int) -> None:
        """Set what the disk does whenever no fault of this kind is on."""
        self._resting[name] = value
        self.heal(name)

    def heal(self, name: str) -> None:
        """Take back what a fault has switched on."""
        self.switch(name, self._resting.get(name, 0))

    def count(self, name: str) -> int:
        """Return how often the node met it."""
        value: int = struct.unpack_from("<q", self._page, COUNTS_OFFSET + 8 * COUNTS.index(name))[0]
        return value

    def forget(self) -> None:
        """Drop the record: a new life begins. The node must not run."""
        self._undo.unlink(missing_ok=True)

    def lose_power(self, random: Random, *, is_torn: bool) -> int:
        """Take back what was not durable, of a node that was killed. Return how many writes lost something.

        Of each file a prefix of its writes stays, none as often as not. Torn: of the next one, some sectors stay.
        """
        pending = self._pending()
        paths = {path.stat().st_ino: path for path in self._data.rglob("*") if path.is_file()}
        lost = 0
        for inode, writes in pending.items():
            path = paths.get(inode)
            if path is None:
                continue
            kept = 0 if random.random() < 0.5 else random.randint(0, len(writes))
            lost += len(writes) - kept
            with path.open("r+b") as file:
                for at in range(len(writes) - 1, kept - 1, -1):
                    sectors = writes[at].new_length // SECTOR_BYTES
                    skipped = random.randint(0, sectors) * SECTOR_BYTES if is_torn and at == kept else 0
                    _take_back(file.fileno(), writes[at], skipped)
        self.forget()
        return lost

    def _pending(self) -> dict[int, list[Write]]:
        """Return the writes of each file that no sync has covered, in order."""
        writes: dict[int, list[Write]] = {}
        for kind, write in _records(self._undo):
            if kind == WRITE:
                writes.setdefault(write.inode, []).append(write)
            else:
                left = [one for one in writes.get(write.inode, []) if one.number > write.number]
                writes[write.inode] = left
        return {inode: left for inode, left in writes.items() if left}


def _records(path: Path) -> Iterator[tuple[int, Write]]:
    """Yield (kind, write) of the whole records of a file; the last may be half written."""
    if not path.exists():
        return
    data = path.read_bytes()
    at = 0
    while at + RECORD.size <= len(data):
        kind, number, _, inode, offset, old_size, old_length, new_length = RECORD.unpack_from(data, at)
        at += RECORD.size
        yield kind, Write(number, inode, offset, old_size, data[at : at + old_length], new_length)
        at += old_length


def _take_back(fd: int, write: Write, skipped: int) -> None:
    """Put back what stood there, but for the first bytes."""
    if skipped < len(write.old):
        os.pwrite(fd, write.old[skipped:], write.offset + skipped)
    if write.offset + write.new_length > write.old_size:
        os.ftruncate(fd, max(write.old_size, min(write.offset + skipped, write.offset + write.new_length)))
