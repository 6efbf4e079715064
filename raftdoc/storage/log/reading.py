"""Reading frames back: each is verified before anything of it is used (P10)."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from raftdoc.errors import LogCorrupt
from raftdoc.ids import GroupId, Index
from raftdoc.raft.messages import Entry
from raftdoc.storage.log.files import LogFile, LogFiles
from raftdoc.storage.log.frames import HEADER_BYTES, is_intact, parse_header
from raftdoc.storage.log.group_log import GroupLog
from raftdoc.storage.log.records import LogRecord, decode_records
from raftdoc.storage.log.segments import segment_name

READ_AHEAD_BYTES = 32 * 1024
OPEN_SEGMENTS_MAX = 16


class FrameReader:
    """Reads verified frames of durable segments; keeps a bounded number of files open."""

    def __init__(self, files: LogFiles) -> None:
        self._files = files
        self._open: dict[int, LogFile] = {}
        # The loop reads; the thread that releases segments lets their files go.
        self._lock = Lock()

    def records(self, segment: int, offset: int) -> list[LogRecord]:
        """Return the records of the frame at offset.

        Raises:
            LogCorrupt: it is not what was written there.
        """
        file = self._file(segment)
        data = file.read(offset, READ_AHEAD_BYTES)
        header = parse_header(data)
        if header is not None and header.segment == segment and header.offset == offset:
            frame_bytes = HEADER_BYTES + header.body_bytes
            if frame_bytes > len(data):
                data += file.read(offset + len(data), frame_bytes - len(data))
            if len(data) >= frame_bytes and is_intact(memoryview(data)[:frame_bytes]):
                return decode_records(memoryview(data)[HEADER_BYTES:frame_bytes])
        raise LogCorrupt(self.path(segment), offset, "the frame that was written here does not hold any more")

    def path(self, segment: int) -> str:
        return str(self._files.path(segment_name(segment)))

    def forget(self, segment: int) -> None:
        """Close the file of a segment that goes."""
        with self._lock:
            file = self._open.pop(segment, None)
        if file is not None:
            file.close()

    def close(self) -> None:
        for segment in list(self._open):
            self.forget(segment)

    def _file(self, segment: int) -> LogFile:
        with self._lock:
            file = self._open.pop(segment, None)
            if file is None:
                if len(self._open) >= OPEN_SEGMENTS_MAX:
                    self._open.pop(next(iter(self._open))).close()
                file = self._files.open(segment_name(segment))
            # Last in the dict is last used; the first goes when there are too many.
            self._open[segment] = file
        return file


class GroupReader:
    """The LogStorage of one group's core: entries that are durable and no longer in memory."""

    def __init__(self, group: GroupId, groups: Mapping[GroupId, GroupLog], frames: FrameReader) -> None:
        """Read the entries of group; it need not be there yet."""
        self._group = group
        self._groups = groups
        self._frames = frames

    def read(self, first: Index, last: Index, bytes_max: int) -> list[Entry]:
        """Return entries from first on, up to last (inclusive), at least one, then no more payload than bytes_max.

        Raises:
            LogCorrupt: a frame is damaged, or does not hold what was appended.
        """
        assert first <= last, (first, last)
        entries: list[Entry] = []
        total = 0
        index = first
        while index <= last:
            for entry in self._entries_from(index, last):
                total += len(entry.payload)
                if entries and total > bytes_max:
                    return entries
                entries.append(entry)
            index = Index(entries[-1].index + 1)
        return entries

    def _entries_from(self, index: Index, last: Index) -> list[Entry]:
        """Return the live entries from index on, as far as the frame goes that holds it."""
        log = self._groups[self._group]
        segment, offset = position = log.locate(index)
        found: dict[int, Entry] = {}
        for record in self._frames.records(segment, offset):
            if record.group == self._group:
                # A later record of the same frame may have replaced what an earlier one appended.
                found.update((row[0], Entry._make(row)) for row in record.entries)
        entries: list[Entry] = []
        while index in found and index <= last and log.locate(index) == position:
            entries.append(found[index])
            index = Index(index + 1)
        if not entries:
            raise self._lacks(segment, offset, index)
        return entries

    def _lacks(self, segment: int, offset: int, index: Index) -> LogCorrupt:
        path = self._frames.path(segment)
        return LogCorrupt(path, offset, f"entry {index} of group {self._group} is not in the frame of it")
