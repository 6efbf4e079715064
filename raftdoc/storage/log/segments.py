"""What a segment file holds besides frames.

    header      48 bytes: magic, version, table_bytes, sequence, file_bytes, life, checksum
    table       every group's newest small state when the segment began, so that an idle group needs no older segment
    frames      one after another
    ...         zeros, or what the file held before it was used again
    footer      when sealed: the same table as of now, and where each live entry of this segment stands
    trailer     when sealed, the last 40 bytes of the file: where frames end, where the footer is, checksum

A segment comes into being by renaming a finished file, header and all: one whose header does not hold is damaged,
never half made. It is sealed before the next one comes into being, so every segment but the last has its trailer.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from struct import Struct
from typing import Any, Final, NamedTuple

import msgpack
from xxhash import xxh3_64_intdigest

from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.raft import Configuration
from raftdoc.raft.messages import HardState
from raftdoc.storage.log.group_log import GroupLog, Span

HEADER_MAGIC: Final = b"rdlogseg"
TRAILER_MAGIC: Final = b"rdlogend"
VERSION: Final = 1
SUFFIX: Final = ".log"

_HEADER = Struct("<8sIIQQQQ")
_HEADER_CHECKED = Struct("<8sIIQQQ")
HEADER_BYTES: Final = _HEADER.size
_TRAILER = Struct("<8sQQIIQ")
_TRAILER_CHECKED = Struct("<8sQQII")
TRAILER_BYTES: Final = _TRAILER.size


class SegmentHeader(NamedTuple):
    sequence: int
    file_bytes: int
    """The file is never shorter than this."""
    life: int
    """Of the process that made it."""
    table: bytes

    @property
    def stop(self) -> int:
        """Offset of the first frame."""
        return HEADER_BYTES + len(self.table)


class Trailer(NamedTuple):
    sequence: int
    frames_stop: int
    footer_offset: int
    footer_bytes: int
    footer_checksum: int


def segment_name(sequence: int) -> str:
    return f"{sequence:016d}{SUFFIX}"


def parse_segment_name(name: str) -> int | None:
    """Return the sequence number in a file's name, None if it is not a segment's."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and len(stem) == 16 and stem.isascii() and stem.isdigit() else None


def encode_header(header: SegmentHeader) -> bytes:
    """Return the header with its table."""
    checked = _HEADER_CHECKED.pack(
        HEADER_MAGIC, VERSION, len(header.table), header.sequence, header.file_bytes, header.life
    )
    checksum = xxh3_64_intdigest(header.table, xxh3_64_intdigest(checked))
    return checked + checksum.to_bytes(8, "little") + header.table


def header_table_bytes(data: bytes) -> int:
    """Return how long the table is according to the header's first bytes; nothing is verified."""
    return int(_HEADER.unpack_from(data)[2]) if len(data) >= HEADER_BYTES else 0


def decode_header(data: bytes, sequence: int) -> SegmentHeader | str:
    """Return the header of segment `sequence` that data begins with, or what is wrong with it."""
    if len(data) < HEADER_BYTES:
        return "the file is shorter than a segment header"
    magic, version, table_bytes, found, file_bytes, life, checksum = _HEADER.unpack_from(data)
    table = data[HEADER_BYTES : HEADER_BYTES + table_bytes]
    if checksum != xxh3_64_intdigest(table, xxh3_64_intdigest(data[: _HEADER_CHECKED.size])):
        return "the checksum of the segment header does not hold"
    if magic != HEADER_MAGIC or version != VERSION:
        return f"not a log segment of version {VERSION}"
    if found != sequence:
        return f"the header is that of segment {found}"
    return SegmentHeader(sequence, file_bytes, life, table)


def encode_table(groups: Iterable[GroupLog]) -> bytes:
    """Return every group's small state: see `decode_table` for what is kept."""
    rows = [
        (
            log.group,
            log.hard_state,
            log.configuration,
            log.incarnation,
            log.compacted_index,
            log.compacted_term,
            log.last_index,
            log.term_runs,
            log.configuration_indexes,
            (log.floor, log.has_left),
        )
        for log in groups
    ]
    packed: bytes = msgpack.packb(rows)
    return packed


def decode_table(table: bytes | memoryview) -> dict[GroupId, GroupLog]:
    """Return the groups of a verified table, without the positions of their entries."""
    groups = {}
    for row in _unpack(table):
        group, hard_state, configuration, incarnation, compacted, compacted_term, last, runs, changes, (floor, left) = (
            row
        )
        log = GroupLog(
            group=GroupId(group),
            hard_state=HardState._make(hard_state),
            configuration=Configuration._make(configuration),
            incarnation=Incarnation(incarnation),
            compacted_index=Index(compacted),
            compacted_term=Term(compacted_term),
            last_index=Index(last),
            term_runs=list(runs),
            configuration_indexes=list(changes),
            floor=(Term(floor[0]), Index(floor[1])),
            has_left=left,
        )
        groups[log.group] = log
    return groups


def encode_footer(groups: Iterable[GroupLog], segment: int, frames_stop: int, file_bytes: int) -> tuple[bytes, int]:
    """Return the footer of a segment with its trailer, and the offset to write it at: at the file's end.

    The file grows when what is left of it does not suffice.
    """
    groups = list(groups)
    rows = [
        (log.group, span.first, _little_endian(span.offsets).tobytes(), span.payload_bytes)
        for log in groups
        for span in log.spans
        if span.segment == segment
    ]
    footer: bytes = msgpack.packb((encode_table(groups), rows))
    offset = max(frames_stop, file_bytes - TRAILER_BYTES - len(footer))
    checksum = xxh3_64_intdigest(footer)
    checked = _TRAILER_CHECKED.pack(TRAILER_MAGIC, segment, checksum, frames_stop, len(footer))
    trailer = checked + xxh3_64_intdigest(checked).to_bytes(8, "little")
    return footer + trailer, offset


def decode_trailer(data: bytes, sequence: int, file_bytes: int) -> Trailer | None:
    """Return the trailer in the last bytes of a file, None if the segment was not sealed, or its trailer is damaged."""
    if len(data) != TRAILER_BYTES:
        return None
    magic, found, footer_checksum, frames_stop, footer_bytes, checksum = _TRAILER.unpack(data)
    if magic != TRAILER_MAGIC or found != sequence:
        return None
    if checksum != xxh3_64_intdigest(data[: _TRAILER_CHECKED.size]):
        return None
    footer_offset = file_bytes - TRAILER_BYTES - footer_bytes
    return Trailer(sequence, frames_stop, footer_offset, footer_bytes, footer_checksum)


def decode_footer(footer: bytes, trailer: Trailer) -> tuple[dict[GroupId, GroupLog], list[tuple[GroupId, Span]]] | None:
    """Return the table as the segment ended and the spans in it; None when its checksum does not hold."""
    if len(footer) != trailer.footer_bytes or xxh3_64_intdigest(footer) != trailer.footer_checksum:
        return None
    table, rows = _unpack(footer)
    spans = [
        (GroupId(group), Span(trailer.sequence, Index(first), _offsets(packed), payload_bytes))
        for group, first, packed, payload_bytes in rows
    ]
    return decode_table(table), spans


def _unpack(data: bytes | memoryview) -> Any:
    return msgpack.unpackb(data, use_list=False, strict_map_key=False)


def _offsets(packed: bytes) -> array[int]:
    offsets = array("I")
    offsets.frombytes(packed)
    return _little_endian(offsets)


def _little_endian(offsets: array[int]) -> array[int]:
    """Return offsets with their bytes as they are on disk, or back."""
    if sys.byteorder == "little":
        return offsets
    swapped = array("I", offsets)
    swapped.byteswap()
    return swapped
