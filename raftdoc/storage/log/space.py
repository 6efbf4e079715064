"""Segment files before and after their time as segments, and how full the disk is.

A *spare* is a file as long as a segment, its zeros written. It is the next segment, and it is the reserve: while
one is there, votes can still be written when nothing else can (`Disk full` in docs/consensus.md). A segment that
is released becomes a spare again; so in the steady state the log allocates nothing.

Two threads may use it at once: the one that writes takes spares, the one that releases adds and prepares them.
"""

from __future__ import annotations

from errno import EDQUOT, ENOSPC
from threading import Lock
from typing import Final, NamedTuple

from raftdoc.storage.log.files import LogFiles

SPARES_MAX: Final = 2
NO_SPACE: Final = (ENOSPC, EDQUOT)
SPARE_PREFIX: Final = "spare-"
PARTIAL_SPARE: Final = "partial-spare"
PARTIAL_SEGMENT: Final = "partial-segment"
"""Files that are being made, or were when the process died."""


class DiskState(NamedTuple):
    free_bytes: int
    """What the file system still has for anyone."""
    spare_count: int
    """Files ready to be the next segment."""
    is_full: bool
    """Below the watermark, and not yet clearly above it again."""


class Space:
    def __init__(self, files: LogFiles, *, segment_bytes: int, reserve_bytes: int) -> None:
        self._files = files
        self._segment_bytes = segment_bytes
        self._reserve_bytes = reserve_bytes
        self._lock = Lock()
        self._spares: list[str] = []
        self._made_count = 0
        self._is_full = False

    def recover(self) -> None:
        """Find the spares that are there; remove what is only half made or of another length."""
        for name in sorted(self._files.names()):
            if name in (PARTIAL_SPARE, PARTIAL_SEGMENT):
                self._files.delete(name)
            elif name.startswith(SPARE_PREFIX):
                self._recover_spare(name)

    def take(self, file_bytes: int) -> str:
        """Return the name of a file of at least file_bytes, no longer a spare.

        Blocks for long only if a new one has to be allocated: then its zeros are not written, which takes 20 ms
        where writing them takes 100.

        Raises:
            OSError: there is none and none can be made.
        """
        with self._lock:
            if file_bytes <= self._segment_bytes and self._spares:
                return self._spares.pop(0)
        # Outside the lock, like `prepare`: neither waits for the other's disk.
        self._files.create(PARTIAL_SEGMENT, max(file_bytes, self._segment_bytes), zeroed=False)
        return PARTIAL_SEGMENT

    def prepare(self, count: int = 1) -> None:
        """Make spares until there are count. Blocks for about 100 ms per 64 MiB: call it in a thread.

        A full disk is no error here: `state` tells it, and the next call tries again.

        Raises:
            OSError: anything else.
        """
        while len(self._spares) < count:
            try:
                self._files.create(PARTIAL_SPARE, self._segment_bytes, zeroed=True)
            except OSError as error:
                self._discard_partial()
                if error.errno not in NO_SPACE:
                    raise
                return
            with self._lock:
                self._add_spare(PARTIAL_SPARE)

    def give_back(self, name: str, file_bytes: int) -> None:
        """Make a spare of a released segment, or delete it when there are enough, or its length is odd."""
        with self._lock:
            if file_bytes == self._segment_bytes and len(self._spares) < SPARES_MAX:
                self._add_spare(name)
            else:
                self._files.delete(name)

    def state(self) -> DiskState:
        """Return how full the disk is; one system call."""
        free_bytes = self._files.free_bytes()
        spare_count = len(self._spares)
        # Twice the watermark to recover: otherwise a node at the watermark hands its leaderships to and fro.
        watermark = 2 * self._reserve_bytes if self._is_full else self._reserve_bytes
        owed = 0 if spare_count else self._segment_bytes
        self._is_full = free_bytes < watermark + owed
        return DiskState(free_bytes, spare_count, self._is_full)

    def _recover_spare(self, name: str) -> None:
        file = self._files.open(name)
        size = file.size()
        file.close()
        if size == self._segment_bytes and len(self._spares) < SPARES_MAX:
            self._spares.append(name)
            self._made_count = max(self._made_count, int(name.removeprefix(SPARE_PREFIX)))
        else:
            self._files.delete(name)

    def _add_spare(self, name: str) -> None:
        self._made_count += 1
        spare = f"{SPARE_PREFIX}{self._made_count}"
        self._files.rename(name, spare)
        self._spares.append(spare)

    def _discard_partial(self) -> None:
        if PARTIAL_SPARE in self._files.names():
            self._files.delete(PARTIAL_SPARE)
