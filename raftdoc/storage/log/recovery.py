"""Finding out, at a start, what the log holds: footers of the sealed segments, frames of the last one.

A frame that does not hold is a tear if no intact frame says that it was durable; it and what follows is cut. If one
does, or if anything of a sealed segment does not hold, something durable has rotted: the node must not start (P10).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NoReturn

from raftdoc.errors import LogCorrupt
from raftdoc.ids import GroupId
from raftdoc.limits import MIB
from raftdoc.storage.log.files import LogFile, LogFiles
from raftdoc.storage.log.frames import HEADER_BYTES, FrameFlags, FrameHeader, find_header, is_intact, parse_header
from raftdoc.storage.log.group_log import GroupLog, Span, bury
from raftdoc.storage.log.records import decode_records
from raftdoc.storage.log.segments import (
    HEADER_BYTES as SEGMENT_HEADER_BYTES,
)
from raftdoc.storage.log.segments import (
    TRAILER_BYTES,
    SegmentHeader,
    decode_footer,
    decode_header,
    decode_table,
    decode_trailer,
    header_table_bytes,
    parse_segment_name,
    segment_name,
)

CHUNK_BYTES = 4 * MIB
HINT = "the disk has lost or changed what was durable there; do not start this node on it, replace the node"


@dataclass(slots=True)
class Recovered:
    """The log as it was found. An empty log has no segments."""

    groups: dict[GroupId, GroupLog] = field(default_factory=dict)
    first_segment: int = 1
    last_segment: int = 0
    last_header: SegmentHeader | None = None
    stop: int = 0
    """Offset in the last segment where the next frame goes."""
    is_sealed: bool = False
    """The last segment takes no more frames."""
    is_clean: bool = True
    """The last frame is a closing one."""
    cut_bytes: int = 0
    """How much that looked like a frame was cut off at the end."""
    entry_count: int = 0
    """Entries in the last segment, dead or alive."""


def recover(files: LogFiles) -> Recovered:
    """Read the log.

    Raises:
        LogCorrupt: something that was durable is damaged or missing; names file and offset.
        OSError: it cannot be read.
    """
    sequences = sorted(n for name in files.names() if (n := parse_segment_name(name)) is not None)
    recovered = Recovered()
    if not sequences:
        return recovered
    _check_gaps(files, sequences)
    # A process killed between the rename of a segment and the sync of the directory has left a name in the page cache
    # only; what is written under it from here on is acknowledged.
    files.sync_names()
    recovered.first_segment, recovered.last_segment = sequences[0], sequences[-1]
    spans: list[tuple[GroupId, Span]] = []
    for sequence in sequences[:-1]:
        spans += _SegmentScan(files, sequence).sealed()
    _SegmentScan(files, sequences[-1]).last(recovered, spans)
    return recovered


def _check_gaps(files: LogFiles, sequences: list[int]) -> None:
    for before, after in pairwise(sequences):
        if after != before + 1:
            raise LogCorrupt(str(files.path(segment_name(before + 1))), 0, f"the segment is missing; {HINT}")


class _SegmentScan:
    """Recovery of one segment."""

    def __init__(self, files: LogFiles, sequence: int) -> None:
        self._path = str(files.path(segment_name(sequence)))
        self._sequence = sequence
        self._file: LogFile = files.open(segment_name(sequence))

    def sealed(self) -> list[tuple[GroupId, Span]]:
        """Return where the entries of a segment stand that is not the last."""
        try:
            self._read_header()
            footer = self._read_footer()
            if footer is None:
                self._rot(max(0, self._file.size() - TRAILER_BYTES), "the footer of a sealed segment does not hold")
            return footer[1]
        finally:
            self._file.close()

    def last(self, recovered: Recovered, spans: list[tuple[GroupId, Span]]) -> None:
        """Fill in recovered from the last segment, given where the entries of those before it stand."""
        try:
            header = recovered.last_header = self._read_header()
            footer = self._read_footer()
            if footer is not None:
                recovered.is_sealed = True
                recovered.groups, own = footer
                self._place(recovered.groups, spans + own)
            else:
                recovered.groups = decode_table(header.table)
                self._place(recovered.groups, spans)
                self._scan(header, recovered)
            self._check_complete(recovered.groups)
            # What an earlier process wrote may be in the page cache only; from here on it is taken for durable.
            self._file.sync()
        finally:
            self._file.close()

    def _read_header(self) -> SegmentHeader:
        data = self._file.read(0, SEGMENT_HEADER_BYTES)
        data += self._file.read(len(data), min(header_table_bytes(data), self._file.size()))
        header = decode_header(data, self._sequence)
        if isinstance(header, str):
            self._rot(0, header)
        if self._file.size() < header.file_bytes:
            self._rot(self._file.size(), f"the file ends here, but was made with {header.file_bytes} bytes")
        return header

    def _read_footer(self) -> tuple[dict[GroupId, GroupLog], list[tuple[GroupId, Span]]] | None:
        size = self._file.size()
        trailer = decode_trailer(self._file.read(size - TRAILER_BYTES, TRAILER_BYTES), self._sequence, size)
        if trailer is None or trailer.footer_offset < trailer.frames_stop:
            return None
        return decode_footer(self._file.read(trailer.footer_offset, trailer.footer_bytes), trailer)

    def _place(self, groups: dict[GroupId, GroupLog], spans: list[tuple[GroupId, Span]]) -> None:
        for group, span in spans:
            if group in groups:
                groups[group].place(span)
        for log in groups.values():
            log.clamp()

    def _check_complete(self, groups: dict[GroupId, GroupLog]) -> None:
        for log in groups.values():
            index = log.first_missing()
            if index is not None:
                self._rot(0, f"entry {index} of group {log.group} is in no segment")

    def _scan(self, segment: SegmentHeader, recovered: Recovered) -> None:
        life, flags = segment.life, 0
        offset = segment.stop
        groups, sequence = recovered.groups, self._sequence
        for header, body in self._frames(offset):
            if header.life != life and not header.flags & FrameFlags.OPENING:
                break
            life, flags = header.life, header.flags
            recovered.entry_count += apply_frame(groups, body, sequence, offset)
            offset += HEADER_BYTES + header.body_bytes
        recovered.is_clean = bool(flags & FrameFlags.CLOSING)
        recovered.stop = offset
        recovered.cut_bytes = self._tear(offset)

    def _frames(self, offset: int) -> Iterator[tuple[FrameHeader, memoryview]]:
        """Yield intact frames from offset on, until there is none where the last one ended."""
        file_bytes = self._file.size()
        base, data = offset, self._file.read(offset, CHUNK_BYTES)
        while True:
            start = offset - base
            header = parse_header(data, start)
            if header is None or start + HEADER_BYTES + header.body_bytes > len(data):
                wanted = CHUNK_BYTES if header is None else max(CHUNK_BYTES, HEADER_BYTES + header.body_bytes)
                base, start, data = offset, 0, self._file.read(offset, min(wanted, file_bytes - offset))
                header = parse_header(data)
            if header is None or header.segment != self._sequence or header.offset != offset:
                return
            stop = start + HEADER_BYTES + header.body_bytes
            frame = memoryview(data)[start:stop]
            if stop > len(data) or not is_intact(frame):
                return
            yield header, frame[HEADER_BYTES:]
            offset = base + stop

    def _tear(self, offset: int) -> int:
        """Return how many bytes from offset on look like frames that were under way.

        Raises:
            LogCorrupt: an intact frame says that what stood at offset was durable.
        """
        stop = offset
        for header in self._frames_behind(offset):
            if header.durable_offset > offset:
                self._rot(
                    offset, f"a frame does not hold that was durable before the one at {header.offset} was written"
                )
            stop = header.stop
        return stop - offset

    def _frames_behind(self, offset: int) -> Iterator[FrameHeader]:
        """Yield the headers of all intact frames of this segment behind offset, wherever they stand."""
        size = self._file.size()
        base = offset
        while base < size:
            data = self._file.read(base, CHUNK_BYTES + HEADER_BYTES)
            position = find_header(data, 0)
            while position >= 0:
                header = parse_header(data, position)
                if header is not None and (header.segment, header.offset) == (self._sequence, base + position):
                    frame = self._file.read(header.offset, HEADER_BYTES + header.body_bytes)
                    if len(frame) == HEADER_BYTES + header.body_bytes and is_intact(frame):
                        yield header
                position = find_header(data, position + 1)
            base += CHUNK_BYTES

    def _rot(self, offset: int, what: str) -> NoReturn:
        raise LogCorrupt(self._path, offset, f"{what}; {HINT}")


def apply_frame(groups: dict[GroupId, GroupLog], body: memoryview, segment: int, offset: int) -> int:
    """Take in the records of a verified frame; return how many entries they bring."""
    entry_count = 0
    for record in decode_records(body):
        if record.tombstone:
            bury(groups, record)
            continue
        log = groups.get(record.group)
        if log is None:
            log = groups[record.group] = GroupLog(record.group)
        log.apply(record, segment, offset)
        entry_count += len(record.entries)
    return entry_count
