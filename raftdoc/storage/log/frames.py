"""The frame: what one turn appends, for all groups, under one checksum (P10).

    header, 48 bytes, little-endian                            body
    checksum   8   xxh3 of the body, seeded by xxh3 of         msgpack array of records
                   the rest of the header
    magic      4   "rdfr"
    flags      4   OPENING, CLOSING
    segment    8   sequence number of the segment it is in
    life       8   random number of the process that wrote it
    offset     4   where it stands in the segment
    durable    4   up to which offset of this segment all was known durable when it was written
    body_bytes 4
    reserved   4

A frame counts only where it was written: segment and offset must be its own, and its life that of the frame
before it, unless it is the first frame of its life (OPENING). So neither what a reused file held before, nor
what an earlier process left un-synced behind the end, is ever taken for data.
"""

from __future__ import annotations

from enum import IntFlag
from struct import Struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest

FRAME_MAGIC = 0x72666472  # "rdfr"


class FrameFlags(IntFlag):
    NONE = 0
    OPENING = 1
    """The first frame that this process wrote."""
    CLOSING = 2
    """The last frame of a clean shutdown: everything before it was durable when it was written."""


_CHECKSUM = Struct("<Q")
_REST = Struct("<IIQQIIII")
HEADER_BYTES = _CHECKSUM.size + _REST.size
_SEARCH = Struct("<I")


class FrameHeader(NamedTuple):
    flags: int
    segment: int
    life: int
    offset: int
    durable_offset: int
    body_bytes: int

    @property
    def stop(self) -> int:
        """Offset of what follows the frame."""
        return self.offset + HEADER_BYTES + self.body_bytes


def encode_frame(body: bytes, *, flags: int, segment: int, life: int, offset: int, durable_offset: int) -> list[bytes]:
    """Return the buffers to be written at offset, one after another."""
    rest = _REST.pack(FRAME_MAGIC, flags, segment, life, offset, durable_offset, len(body), 0)
    checksum = xxh3_64_intdigest(body, xxh3_64_intdigest(rest))
    return [_CHECKSUM.pack(checksum) + rest, body]


def parse_header(data: bytes | memoryview, position: int = 0) -> FrameHeader | None:
    """Return the header at position of data, None if there is none. Nothing of it is verified but the magic."""
    if len(data) - position < HEADER_BYTES:
        return None
    magic, flags, segment, life, offset, durable_offset, body_bytes, _ = _REST.unpack_from(
        data, position + _CHECKSUM.size
    )
    if magic != FRAME_MAGIC:
        return None
    return FrameHeader(flags, segment, life, offset, durable_offset, body_bytes)


def is_intact(frame: bytes | memoryview) -> bool:
    """Return whether the checksum of a whole frame, header and body, holds."""
    view = memoryview(frame)
    (checksum,) = _CHECKSUM.unpack_from(view)
    seed = xxh3_64_intdigest(view[_CHECKSUM.size : HEADER_BYTES])
    return bool(checksum == xxh3_64_intdigest(view[HEADER_BYTES:], seed))


def find_header(data: bytes, position: int) -> int:
    """Return where the next header may start in data, from position on; -1 if nowhere."""
    found = data.find(_SEARCH.pack(FRAME_MAGIC), position + _CHECKSUM.size)
    return -1 if found < 0 else found - _CHECKSUM.size
