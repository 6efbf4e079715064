"""The writer's side of the log: frames that have their place become durable, segments come into being."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EIO
from time import perf_counter_ns

from raftdoc.storage.log.files import LogFile, LogFiles
from raftdoc.storage.log.group_log import GroupLog, Places
from raftdoc.storage.log.segments import segment_name
from raftdoc.storage.log.space import Space


class Roll:
    """The change from one segment to the next, decided on the loop."""

    __slots__ = ("file_bytes", "footer", "footer_offset", "header", "sequence")

    def __init__(self, sequence: int, header: bytes, file_bytes: int, footer: bytes | None, footer_offset: int) -> None:
        self.sequence = sequence
        """Of the new segment."""
        self.header = header
        self.file_bytes = file_bytes
        self.footer = footer
        """Of the segment before; None when it has one, or when there is no segment before."""
        self.footer_offset = footer_offset


class PendingWrite:
    """A frame that has its place and is not yet written."""

    __slots__ = ("buffers", "copied", "departed", "moved", "offset", "roll", "segment", "stop")

    def __init__(self, segment: int, offset: int, buffers: list[bytes], roll: Roll | None) -> None:
        self.segment = segment
        self.offset = offset
        self.stop = offset + sum(map(len, buffers))
        self.buffers = buffers
        self.roll = roll
        """To be done before the frame is written."""
        self.moved: list[tuple[GroupLog, int]] = []
        """Groups that let go of entries, and the oldest segment that each needs once this is durable."""
        self.copied: list[tuple[GroupLog, Places]] = []
        """Where entries are read until this is durable of which it holds copies."""
        self.departed: list[GroupLog] = []
        """Groups that need nothing once this is durable."""


class SegmentWriter:
    """Used by one thread at a time."""

    def __init__(self, files: LogFiles, space: Space, written: tuple[int, int]) -> None:
        self.written = written
        """(segment, offset) up to which everything is written."""
        self.has_failed = False
        self.fsync_count = 0
        self.fsync_ns_total = 0
        self._files = files
        self._space = space
        self._file: LogFile | None = None

    def write(self, pending: Sequence[PendingWrite]) -> None:
        """See `SharedLog.write`."""
        if self.has_failed:
            raise OSError(EIO, "an earlier write of the log failed")
        try:
            run: list[PendingWrite] = []
            for frame in pending:
                if frame.roll is not None:
                    self._write_run(run)
                    run = []
                    self._begin_segment(frame.roll)
                run.append(frame)
            self._write_run(run)
        except OSError:
            self.has_failed = True
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _begin_segment(self, roll: Roll) -> None:
        # Safety: the segment before is sealed before the next one has its name, and the next has its header before
        # it has its name; recovery takes both for granted.
        if roll.footer is not None:
            self._write(roll.sequence - 1, [roll.footer], roll.footer_offset)
        name = self._space.take(roll.file_bytes)
        self.close()
        self._file = self._files.open(name, writable=True)
        self._file.write([roll.header], 0)
        self._files.rename(name, segment_name(roll.sequence))

    def _write_run(self, run: list[PendingWrite]) -> None:
        """Write frames that follow one another in one segment."""
        if run:
            buffers = [buffer for frame in run for buffer in frame.buffers]
            self._write(run[0].segment, buffers, run[0].offset)
            self.written = (run[-1].segment, run[-1].stop)

    def _write(self, segment: int, buffers: list[bytes], offset: int) -> None:
        if self._file is None:
            self._file = self._files.open(segment_name(segment), writable=True)
        began_ns = perf_counter_ns()
        self._file.write(buffers, offset)
        self.fsync_ns_total += perf_counter_ns() - began_ns
        self.fsync_count += 1
