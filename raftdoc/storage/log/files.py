"""What the log needs of a file system, as a seam: `DirectoryFiles` is the real one, `memory_files` the double.

Every operation is *durable when it returns*, or raises OSError; the log orders its operations by that alone.
What may be lost by a crash is therefore only the one operation under way, in part.

Measured on ext4 on a virtio disk (`python -m pytest` does not repeat it; 300 writes each, microseconds p50):

    bytes     fallocated:   write+fdatasync   O_DSYNC      zero-filled:   write+fdatasync   O_DSYNC
      500                        178            209                            193            207
   16,000                        361            351                            222            221
  100,000                        477            443                            251            232

So a segment is filled with zeros before it is used (an extent that was only reserved costs a journal commit at
its first write), a released segment is used again as the next one, and a write is one `pwritev` on a descriptor
opened with O_DSYNC: one call that blocks, one release of the GIL, no worse than two.

Assumed of the device: a sector (512 bytes) is written whole or not at all; a write damages no sector it does not touch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from raftdoc.limits import MIB

IOV_MAX: Final = 1024
ZERO_CHUNK_BYTES: Final = 1 * MIB


class LogFile(Protocol):
    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        """Write the buffers one after another from offset on; all is durable on return. Grows the file if needed."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Return size bytes, or fewer at the end of the file."""
        ...

    def size(self) -> int: ...

    def sync(self) -> None:
        """Make durable whatever an earlier process wrote and did not sync."""
        ...

    def close(self) -> None: ...


class LogFiles(Protocol):
    """One flat directory."""

    def names(self) -> list[str]: ...

    def create(self, name: str, size: int, *, zeroed: bool) -> None:
        """Make a file of size bytes that reads as zeros, with its space allocated.

        Args:
            zeroed: also write the zeros, so that later writes are fast; takes about 100 ms for 64 MiB.
        """
        ...

    def open(self, name: str, *, writable: bool = False) -> LogFile: ...

    def rename(self, old: str, new: str) -> None:
        """Replace new, if there is one."""
        ...

    def delete(self, name: str) -> None: ...

    def sync_names(self) -> None:
        """Make durable which names there are, whatever an earlier process left undone."""
        ...

    def free_bytes(self) -> int:
        """Return what an unprivileged process may still allocate."""
        ...

    def path(self, name: str) -> Path:
        """Return where the file is, for messages."""
        ...


class DirectoryFile:
    """See LogFile."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        total = sum(map(len, buffers))
        written = os.pwritev(self._fd, buffers[:IOV_MAX], offset)
        if written < total:
            self._write_rest(buffers, offset, written, total)

    def _write_rest(self, buffers: Sequence[bytes], offset: int, written: int, total: int) -> None:
        """The kernel may write less than asked for: near a full disk, above 2 GiB, above IOV_MAX buffers."""
        rest = memoryview(b"".join(buffers))
        while written < total:
            written += os.pwrite(self._fd, rest[written:], offset + written)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._fd, size, offset)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def sync(self) -> None:
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class DirectoryFiles:
    """See LogFiles."""

    def __init__(self, directory: Path) -> None:
        """Use directory, which exists."""
        self._directory = directory

    def names(self) -> list[str]:
        return os.listdir(self._directory)

    def create(self, name: str, size: int, *, zeroed: bool) -> None:
        fd = os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
            if zeroed:
                _write_zeros(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._sync_directory()

    def open(self, name: str, *, writable: bool = False) -> DirectoryFile:
        flags = os.O_RDWR | os.O_DSYNC if writable else os.O_RDONLY
        return DirectoryFile(os.open(self.path(name), flags | os.O_CLOEXEC))

    def rename(self, old: str, new: str) -> None:
        os.rename(self.path(old), self.path(new))
        self._sync_directory()

    def delete(self, name: str) -> None:
        os.unlink(self.path(name))
        self._sync_directory()

    def sync_names(self) -> None:
        self._sync_directory()

    def free_bytes(self) -> int:
        status = os.statvfs(self._directory)
        return status.f_bavail * status.f_frsize

    def path(self, name: str) -> Path:
        return self._directory / name

    def _sync_directory(self) -> None:
        sync_directory(self._directory)


def sync_directory(directory: Path) -> None:
    """Make durable which names directory holds."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_zeros(fd: int, size: int) -> None:
    """Write in pieces that are synced one by one, so that the log's own writes do not wait behind all of it."""
    zeros = bytes(ZERO_CHUNK_BYTES)
    for offset in range(0, size, ZERO_CHUNK_BYTES):
        os.pwrite(fd, zeros[: size - offset], offset)
        os.fdatasync(fd)
