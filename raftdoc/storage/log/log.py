"""The Raft log of a node: one sequence of frames for all its groups, in segments. See the package for its contract."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EIO
from pathlib import Path
from time import perf_counter_ns
from typing import Final, Self

from raftdoc.ids import GroupId
from raftdoc.limits import DISK_RESERVE_BYTES, LOG_SEGMENT_BYTES
from raftdoc.storage.log.files import DirectoryFiles, LogFile, LogFiles
from raftdoc.storage.log.frames import HEADER_BYTES, FrameFlags, encode_frame
from raftdoc.storage.log.group_log import GroupLog, RecoveredGroup
from raftdoc.storage.log.reading import FrameReader, GroupReader
from raftdoc.storage.log.records import LogRecord, encode_records, log_record
from raftdoc.storage.log.recovery import Recovered, recover
from raftdoc.storage.log.segments import (
    TRAILER_BYTES,
    SegmentHeader,
    encode_footer,
    encode_header,
    encode_table,
    segment_name,
)
from raftdoc.storage.log.space import DiskState, Space

__all__ = ["DiskState", "LogRecord", "PendingWrite", "RecoveredGroup", "SharedLog", "log_record"]

FOOTER_GROUP_BYTES: Final = 64
FOOTER_ENTRY_BYTES: Final = 4


class Roll:
    """The change from one segment to the next, decided on the loop, done by the writer."""

    __slots__ = ("file_bytes", "footer", "footer_offset", "header", "sequence")

    def __init__(self, sequence: int, header: bytes, file_bytes: int, footer: bytes | None, footer_offset: int) -> None:
        self.sequence = sequence
        self.header = header
        self.file_bytes = file_bytes
        self.footer = footer
        """None: the segment before needs none, being sealed, or there is none before."""
        self.footer_offset = footer_offset


class PendingWrite:
    """A frame that has its place and is not yet written."""

    __slots__ = ("buffers", "departed", "moved", "offset", "roll", "segment", "stop")

    def __init__(self, segment: int, offset: int, buffers: list[bytes], roll: Roll | None) -> None:
        self.segment = segment
        self.offset = offset
        self.stop = offset + sum(map(len, buffers))
        self.buffers = buffers
        self.roll = roll
        """To be done before the frame is written."""
        self.moved: list[tuple[GroupLog, int]] = []
        """Groups that let go of entries, and the oldest segment that each needs once this is durable."""
        self.departed: list[GroupLog] = []
        """Groups that need nothing once this is durable."""


class SharedLog:
    """The loop thread calls `append`, `durable`, `reader` and what they return; `write`, in one thread at a time,
    `release` and `close` block.
    """

    def __init__(self, files: LogFiles, recovered: Recovered, space: Space, *, segment_bytes: int, life: int) -> None:
        """Use `open`."""
        self._files = files
        self._space = space
        self._segment_bytes = segment_bytes
        self._life = life
        self._groups = recovered.groups
        self._frames = FrameReader(files)
        self._first_segment = recovered.first_segment
        self._segment = self._durable_segment = recovered.last_segment
        self._offset = self._durable_offset = recovered.stop
        self._written = (self._segment, self._offset)
        # Groups whose tombstone is not durable yet: a crash now would bring them back, with their entries.
        self._departing: list[GroupLog] = []
        self._is_segment_open = recovered.last_header is not None and not recovered.is_sealed
        self._file_bytes = recovered.last_header.file_bytes if recovered.last_header else 0
        self._footer_bytes = recovered.entry_count * FOOTER_ENTRY_BYTES + self._table_bytes()
        self._next_flags = FrameFlags.OPENING
        self._file: LogFile | None = None
        self._has_failed = False
        self.recovered_cut_bytes = recovered.cut_bytes
        self.fsync_count = 0
        self.fsync_ns_total = 0
        for log in self._groups.values():
            log.pinned_segment = log.oldest_segment(self._segment)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        segment_bytes: int = LOG_SEGMENT_BYTES,
        reserve_bytes: int = DISK_RESERVE_BYTES,
        files: LogFiles | None = None,
        life: int | None = None,
    ) -> Self:
        """Recover the log in directory, which exists; an empty one is an empty log.

        Args:
            files: instead of the directory's own; for simulation.
            life: 64 random bits that no earlier process used.

        Raises:
            LogCorrupt: something that was durable is damaged: names file and offset.
            OSError: the directory cannot be read, or has no room for the first segment.
        """
        files = files or DirectoryFiles(directory)
        recovered = recover(files)
        space = Space(files, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
        space.recover()
        space.prepare(2 if recovered.last_header is None or recovered.is_sealed else 1)
        if life is None:
            life = int.from_bytes(os.urandom(8), "little")
        return cls(files, recovered, space, segment_bytes=segment_bytes, life=life)

    @property
    def groups(self) -> dict[GroupId, RecoveredGroup]:
        """Every group as the log has it now; what a start begins from."""
        return {group: log.recovered() for group, log in self._groups.items()}

    def append(self, records: Sequence[LogRecord]) -> PendingWrite:
        """Encode one frame and give it its place. No I/O.

        Returns:
            What `write` takes, in the order of the appends.
        """
        body = encode_records(records)
        pending = self._place(body, FrameFlags.NONE)
        for record in records:
            self._apply(record, pending)
        return pending

    def write(self, pending: Sequence[PendingWrite]) -> None:
        """Make the frames durable: one blocking call that releases the GIL, besides those of a new segment.

        Raises:
            OSError: what of it is durable is unknown. Nothing may be written after that, and nothing is (P9).
        """
        if self._has_failed:
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
            self._has_failed = True
            raise

    def durable(self, pending: PendingWrite) -> None:
        """Say that a frame and all before it are durable: after `write` returned, in the order of the appends."""
        self._durable_segment = pending.segment
        self._durable_offset = pending.stop
        for log, oldest_segment in pending.moved:
            log.pinned_segment = oldest_segment
            log.unsettled_count -= 1
        for log in pending.departed:
            self._departing.remove(log)

    def reader(self, group: GroupId) -> GroupReader:
        """Return the EntryReader of a group; it reads what is durable."""
        return GroupReader(group, self._groups, self._frames)

    def release(self) -> list[Path]:
        """Let go of segments in which no group has a live record, and see to a spare. Blocks: call it in a thread.

        Returns:
            The segments that went, oldest first.
        """
        # Safety: read before the groups. What is appended from here on stands in this segment or a later one.
        stop = self._durable_segment
        for log in [*self._groups.values(), *self._departing]:
            if log.needs_segments:
                stop = min(stop, log.pinned_segment)
        released = []
        for sequence in range(self._first_segment, stop):
            released.append(self._files.path(segment_name(sequence)))
            self._release_segment(sequence)
        self._space.prepare()
        return released

    def disk_state(self) -> DiskState:
        """Return how full the disk is."""
        return self._space.state()

    def is_disk_full(self) -> bool:
        """Return whether the node has to refuse what it need not write. Stays so until there is clearly space again."""
        return self._space.state().is_full

    @property
    def segment_count(self) -> int:
        return self._segment - self._first_segment + 1

    @property
    def bytes_total(self) -> int:
        """Return about what the log takes on disk, without spares."""
        return self.segment_count * self._segment_bytes

    def close(self) -> None:
        """Write the closing frame, so that damage to the last frames is told from a tear, and close the files.

        Nothing may be under way.
        """
        is_all_written = self._written == (self._segment, self._offset)
        if is_all_written and self._is_segment_open and not self._has_failed:
            self._durable_segment, self._durable_offset = self._written
            self.write([self._place(encode_records([]), FrameFlags.CLOSING)])
        self._frames.close()
        if self._file is not None:
            self._file.close()

    def _place(self, body: bytes, flags: FrameFlags) -> PendingWrite:
        size = HEADER_BYTES + len(body)
        roll = None
        if not self._is_segment_open or self._offset + size + self._footer_bytes > self._file_bytes:
            roll = self._roll(size)
        segment, offset = self._segment, self._offset
        buffers = encode_frame(
            body,
            flags=flags | self._next_flags,
            segment=segment,
            life=self._life,
            offset=offset,
            durable_offset=self._durable_offset if segment == self._durable_segment else 0,
        )
        self._next_flags = FrameFlags.NONE
        self._offset = offset + size
        return PendingWrite(segment, offset, buffers, roll)

    def _apply(self, record: LogRecord, pending: PendingWrite) -> None:
        log = self._groups.get(record.group)
        if record.tombstone:
            if log is not None:
                self._departing.append(self._groups.pop(record.group))
                pending.departed.append(log)
            return
        if log is None:
            log = self._groups[record.group] = GroupLog(record.group)
            self._footer_bytes += FOOTER_GROUP_BYTES
        if not log.needs_segments:
            log.pinned_segment = pending.segment
        if log.apply(record, pending.segment, pending.offset):
            log.unsettled_count += 1
            pending.moved.append((log, log.oldest_segment(pending.segment)))
        self._footer_bytes += FOOTER_ENTRY_BYTES * len(record.entries)

    def _roll(self, frame_bytes: int) -> Roll:
        """Decide on the next segment: its table is the state before the frame that comes first in it."""
        footer, footer_offset = None, 0
        if self._is_segment_open:
            footer, footer_offset = encode_footer(self._groups.values(), self._segment, self._offset, self._file_bytes)
        table = encode_table(self._groups.values())
        self._footer_bytes = self._table_bytes()
        self._segment += 1
        header = SegmentHeader(self._segment, 0, self._life, table)
        self._file_bytes = max(self._segment_bytes, header.stop + frame_bytes + self._footer_bytes + TRAILER_BYTES)
        self._offset = header.stop
        self._is_segment_open = True
        encoded = encode_header(header._replace(file_bytes=self._file_bytes))
        return Roll(self._segment, encoded, self._file_bytes, footer, footer_offset)

    def _table_bytes(self) -> int:
        """Return about how long a footer would be that has no entries."""
        return len(encode_table(self._groups.values())) + FOOTER_GROUP_BYTES * len(self._groups) + 2 * TRAILER_BYTES

    def _begin_segment(self, roll: Roll) -> None:
        # Safety: the segment before is sealed before the next one has its name, and the next has its header before
        # it has its name; recovery takes both for granted.
        if roll.footer is not None:
            self._write(roll.sequence - 1, [roll.footer], roll.footer_offset)
        name = self._space.take(roll.file_bytes)
        if self._file is not None:
            self._file.close()
        self._file = self._files.open(name, writable=True)
        self._file.write([roll.header], 0)
        self._files.rename(name, segment_name(roll.sequence))

    def _write_run(self, run: list[PendingWrite]) -> None:
        """Write frames that follow one another in one segment."""
        if run:
            buffers = [buffer for frame in run for buffer in frame.buffers]
            self._write(run[0].segment, buffers, run[0].offset)
            self._written = (run[-1].segment, run[-1].stop)

    def _write(self, segment: int, buffers: list[bytes], offset: int) -> None:
        if self._file is None:
            self._file = self._files.open(segment_name(segment), writable=True)
        began_ns = perf_counter_ns()
        self._file.write(buffers, offset)
        self.fsync_ns_total += perf_counter_ns() - began_ns
        self.fsync_count += 1

    def _release_segment(self, sequence: int) -> None:
        self._frames.forget(sequence)
        name = segment_name(sequence)
        file = self._files.open(name)
        file_bytes = file.size()
        file.close()
        self._space.give_back(name, file_bytes)
        self._first_segment = sequence + 1
