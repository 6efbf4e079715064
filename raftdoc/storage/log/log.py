"""The Raft log of a node: one sequence of frames for all its groups, in segments. See the package for its contract."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from raftdoc.errors import DiskFailed
from raftdoc.ids import GroupId, Index
from raftdoc.limits import DISK_RESERVE_BYTES, LOG_BYTES_MAX, LOG_SEGMENT_BYTES
from raftdoc.storage.log.files import DirectoryFiles, LogFiles
from raftdoc.storage.log.frames import FrameFlags
from raftdoc.storage.log.group_log import GroupLog, RecoveredGroup, bury
from raftdoc.storage.log.reading import FrameReader, GroupReader
from raftdoc.storage.log.records import LogRecord, encode_records, log_record
from raftdoc.storage.log.recovery import Recovered, recover
from raftdoc.storage.log.segments import segment_name
from raftdoc.storage.log.space import DiskState, Space
from raftdoc.storage.log.tail import Tail
from raftdoc.storage.log.writing import PendingWrite, SegmentWriter

__all__ = ["DiskState", "LogRecord", "PendingWrite", "RecoveredGroup", "SharedLog", "log_record"]

RELOCATED_SHARE_MAX: Final = 4
"""One part in so many of a segment may be copied to free it."""


class SharedLog:
    """The loop thread calls `append`, `durable`, `relocate` and the readers; `write`, `release` and `close` block."""

    def __init__(
        self,
        files: LogFiles,
        recovered: Recovered,
        space: Space,
        *,
        segment_bytes: int,
        log_bytes_max: int,
        life: int,
    ) -> None:
        """Use `open`."""
        self.recovered_cut_bytes = recovered.cut_bytes
        """What was cut off the end at the start, because it was torn."""
        self._files = files
        self._space = space
        self._segment_bytes = segment_bytes
        self._log_bytes_max = log_bytes_max
        self._groups = recovered.groups
        # Groups whose tombstone is not durable yet: a crash now would bring them back, with their entries.
        self._departing: list[GroupLog] = []
        self._first_segment = recovered.first_segment
        self._durable = (recovered.last_segment, recovered.stop)
        self._tail = Tail(self._groups, recovered, segment_bytes=segment_bytes, life=life)
        self._writer = SegmentWriter(files, space, self._durable)
        self._frames = FrameReader(files)
        for log in self._groups.values():
            log.pinned_segment = log.oldest_segment(recovered.last_segment)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        segment_bytes: int = LOG_SEGMENT_BYTES,
        reserve_bytes: int = DISK_RESERVE_BYTES,
        log_bytes_max: int = LOG_BYTES_MAX,
        files: LogFiles | None = None,
        life: int | None = None,
    ) -> Self:
        """Recover the log in directory, which exists; an empty one is an empty log.

        Args:
            reserve_bytes: below this much free space the disk counts as full.
            log_bytes_max: above this, `relocate` has something to do.
            files: instead of the directory's own; for simulation.
            life: 64 random bits that no earlier process used.

        Raises:
            LogCorrupt: something that was durable is damaged: names file and offset.
            DiskFailed: the directory cannot be read or written.
        """
        files = files or DirectoryFiles(directory)
        space = Space(files, segment_bytes=segment_bytes, reserve_bytes=reserve_bytes)
        try:
            recovered = recover(files)
            space.recover()
            space.prepare(2 if recovered.last_header is None or recovered.is_sealed else 1)
        except OSError as error:
            raise DiskFailed(f"opening the log in {directory} failed: {error}") from error
        if life is None:
            life = int.from_bytes(os.urandom(8), "little")
        return cls(files, recovered, space, segment_bytes=segment_bytes, log_bytes_max=log_bytes_max, life=life)

    @property
    def groups(self) -> dict[GroupId, RecoveredGroup]:
        """Every group with a replica here, as the log has it now; what a start begins from."""
        return {group: log.recovered() for group, log in self._groups.items() if not log.has_left}

    def group(self, group: GroupId) -> RecoveredGroup | None:
        """Return what the log has of a group, with or without a replica here."""
        log = self._groups.get(group)
        return None if log is None else log.recovered()

    @property
    def left_groups(self) -> dict[GroupId, RecoveredGroup]:
        """What is remembered of the replicas that left this node while their groups went on: hard_state and floor."""
        return {group: log.recovered() for group, log in self._groups.items() if log.has_left}

    def append(self, records: Sequence[LogRecord]) -> PendingWrite:
        """Encode one frame and give it its place. No I/O; about 10 us for a record with one entry of 15 kB.

        Returns:
            What `write` takes, in the order of the appends.
        """
        pending = self._tail.place(encode_records(records), FrameFlags.NONE, self._durable)
        for record in records:
            self._apply(record, pending)
        return pending

    def write(self, pending: Sequence[PendingWrite]) -> None:
        """Make the frames durable: one blocking call that releases the GIL, besides those of a new segment.

        Raises:
            OSError: what of it is durable is unknown. Nothing may be written after that, and nothing is (P9).
        """
        self._writer.write(pending)

    def durable(self, pending: PendingWrite) -> None:
        """Say that a frame and all before it are durable: after `write` returned, in the order of the appends."""
        self._durable = (pending.segment, pending.stop)
        for log, oldest_segment in pending.moved:
            log.pinned_segment = oldest_segment
            log.unsettled_count -= 1
        for log, places in pending.copied:
            log.drop_places(places)
        for log in pending.departed:
            self._departing.remove(log)

    def reader(self, group: GroupId) -> GroupReader:
        """Return the EntryReader of a group, which need not be there yet; it reads what is durable."""
        return GroupReader(group, self._groups, self._frames)

    def groups_over_budget(self) -> set[GroupId]:
        """Return the groups whose old entries have to go for the log to fit its budget: the largest holders first.

        Those that remain hold little of the segments that are too many, and are `relocate`'s.
        """
        stop = self._surplus_stop()
        held = {log.group: log.payload_bytes_before(stop) for log in self._groups.values()}
        rest, share = sum(held.values()), (stop - self._first_segment) * self._segment_bytes // RELOCATED_SHARE_MAX
        over: set[GroupId] = set()
        for group in sorted(held, key=lambda group: held[group], reverse=True):
            if rest <= share:
                break
            over.add(group)
            rest -= held[group]
        return over

    def relocate(self, bytes_max: int) -> PendingWrite | None:
        """Append copies of the live entries of the oldest segments, so that these can go; about bytes_max of payload.

        Only while the log is over its budget and little in those segments is alive: what lagging groups left behind.
        What fills them by itself is not copied: see `groups_over_budget`.

        Returns:
            What `write` takes, in its order among the appends; None when there is nothing to do.
        """
        stop = self._surplus_stop()
        held = [(log.group, span) for log in self._groups.values() for span in log.spans if span.segment < stop]
        share = (stop - self._first_segment) * self._segment_bytes // RELOCATED_SHARE_MAX
        if not held or sum(span.payload_bytes for _, span in held) > share:
            return None
        records = []
        for group, span in sorted(held, key=lambda item: item[1].segment):
            if bytes_max > 0:
                copied = self.reader(group).read(span.first, Index(span.stop - 1), bytes_max)
                records.append(log_record(group, relocated=True, entries=tuple(copied)))
                bytes_max -= sum(len(entry.payload) for entry in copied)
        return self.append(records)

    def _surplus_stop(self) -> int:
        """Return the first segment that may stay: those before it are over the budget."""
        surplus = -(-(self.bytes_total - self._log_bytes_max) // self._segment_bytes)
        return max(self._first_segment, min(self._first_segment + surplus, self._durable[0]))

    def release(self) -> list[Path]:
        """Let go of segments in which no group has a live record, and see to a spare. Blocks: call it in a thread.

        Returns:
            The segments that went, oldest first.

        Raises:
            OSError: not for lack of space, which `disk_state` tells.
        """
        released = []
        for sequence in range(self._first_segment, self._releasable_stop()):
            released.append(self._files.path(segment_name(sequence)))
            self._release_segment(sequence)
        self._space.prepare()
        return released

    def has_releasable(self) -> bool:
        """Return whether `release` would let go of a segment."""
        return self._releasable_stop() > self._first_segment

    def is_over_budget(self) -> bool:
        return self.bytes_total > self._log_bytes_max

    def disk_state(self) -> DiskState:
        """Return how full the disk is."""
        return self._space.state()

    def is_disk_full(self) -> bool:
        """Return whether the node has to refuse what it need not write. Stays so until there is clearly space again."""
        return self._space.state().is_full

    @property
    def segment_count(self) -> int:
        return self._tail.segment - self._first_segment + 1

    @property
    def bytes_total(self) -> int:
        """Return about what the log takes on disk, without spares."""
        return self.segment_count * self._segment_bytes

    @property
    def fsync_count(self) -> int:
        return self._writer.fsync_count

    @property
    def fsync_ns_total(self) -> int:
        return self._writer.fsync_ns_total

    def close(self) -> None:
        """Write the closing frame, so that damage to the last frames is told from a tear, and close the files.

        Nothing may be under way.
        """
        is_all_written = self._writer.written == (self._tail.segment, self._tail.offset)
        if is_all_written and self._tail.is_segment_open and not self._writer.has_failed:
            closing = self._tail.place(encode_records([]), FrameFlags.CLOSING, self._writer.written)
            self._writer.write([closing])
        self._frames.close()
        self._writer.close()

    def _apply(self, record: LogRecord, pending: PendingWrite) -> None:
        log = self._groups.get(record.group)
        if record.tombstone:
            if log is not None:
                # Safety: `release` reads the groups in another thread, and must not find this one in neither place.
                self._departing.append(log)
                pending.departed.append(log)
            bury(self._groups, record)
            return
        if log is None:
            log = self._groups[record.group] = GroupLog(record.group)
            self._tail.expect_group()
        if not log.needs_segments:
            log.pinned_segment = pending.segment
        if record.relocated:
            # Safety: nothing can be read where nothing is written yet. Where the entries were, no file goes before.
            first, last = record.entries[0].index, record.entries[-1].index
            pending.copied.append((log, log.keep_places(first, Index(last + 1))))
        # Safety: `release` reads it in another thread, and must find it pinned while its entries go.
        log.unsettled_count += 1
        if log.apply(record, pending.segment, pending.offset):
            pending.moved.append((log, log.oldest_segment(pending.segment)))
        else:
            log.unsettled_count -= 1
        self._tail.expect_entries(len(record.entries))

    def _releasable_stop(self) -> int:
        """Return the first segment that somebody needs."""
        # Safety: read before the groups. What is appended from here on stands in this segment or a later one.
        stop = self._durable[0]
        if stop == self._first_segment:
            return stop
        for log in [*self._groups.values(), *self._departing]:
            if log.needs_segments:
                stop = min(stop, log.pinned_segment)
        return stop

    def _release_segment(self, sequence: int) -> None:
        self._frames.forget(sequence)
        name = segment_name(sequence)
        file = self._files.open(name)
        file_bytes = file.size()
        file.close()
        self._space.give_back(name, file_bytes)
        self._first_segment = sequence + 1
