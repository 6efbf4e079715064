"""The loop's side of the end of the log: which segment and offset the next frame gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.ids import GroupId
from raftdoc.storage.log.frames import HEADER_BYTES, FrameFlags, encode_frame
from raftdoc.storage.log.group_log import GroupLog
from raftdoc.storage.log.recovery import Recovered
from raftdoc.storage.log.segments import TRAILER_BYTES, SegmentHeader, encode_footer, encode_header, encode_table
from raftdoc.storage.log.writing import PendingWrite, Roll

FOOTER_GROUP_BYTES: Final = 64
FOOTER_ENTRY_BYTES: Final = 4


class Tail:
    """`segment` and `offset` are where the next frame goes, unless it does not fit."""

    def __init__(
        self, groups: Mapping[GroupId, GroupLog], recovered: Recovered, *, segment_bytes: int, life: int
    ) -> None:
        header = recovered.last_header
        self.segment = recovered.last_segment
        self.offset = recovered.stop
        self.is_segment_open = header is not None and not recovered.is_sealed
        """False: the next frame begins a segment, whatever its size."""
        self._groups = groups
        self._segment_bytes = segment_bytes
        self._life = life
        self._flags = FrameFlags.OPENING
        self._file_bytes = 0 if header is None else header.file_bytes
        # What is kept free at the end of the segment for its footer; if it does not suffice, the file grows.
        self._footer_bytes = recovered.entry_count * FOOTER_ENTRY_BYTES + self._empty_footer_bytes()

    def place(self, body: bytes, flags: FrameFlags, durable: tuple[int, int]) -> PendingWrite:
        """Return a frame at its place. `durable`: (segment, offset) up to which all is known durable."""
        size = HEADER_BYTES + len(body)
        roll = None
        if not self.is_segment_open or self.offset + size + self._footer_bytes > self._file_bytes:
            roll = self._roll(size)
        segment, offset = self.segment, self.offset
        buffers = encode_frame(
            body,
            flags=flags | self._flags if self._flags else flags,
            segment=segment,
            life=self._life,
            offset=offset,
            durable_offset=durable[1] if durable[0] == segment else 0,
        )
        self._flags = FrameFlags.NONE
        self.offset = offset + size
        return PendingWrite(segment, offset, buffers, roll)

    def expect_entries(self, count: int) -> None:
        """Keep space for the positions of entries in the footer."""
        self._footer_bytes += FOOTER_ENTRY_BYTES * count

    def expect_group(self) -> None:
        """Keep space for one more group in the footer."""
        self._footer_bytes += FOOTER_GROUP_BYTES

    def _roll(self, frame_bytes: int) -> Roll:
        """Begin the next segment: its table is the state before the frame that comes first in it."""
        footer, footer_offset = None, 0
        if self.is_segment_open:
            footer, footer_offset = encode_footer(self._groups.values(), self.segment, self.offset, self._file_bytes)
        self.segment += 1
        self.is_segment_open = True
        self._footer_bytes = self._empty_footer_bytes()
        header = SegmentHeader(self.segment, 0, self._life, encode_table(self._groups.values()))
        self.offset = header.stop
        self._file_bytes = max(self._segment_bytes, header.stop + frame_bytes + self._footer_bytes)
        encoded = encode_header(header._replace(file_bytes=self._file_bytes))
        return Roll(self.segment, encoded, self._file_bytes, footer, footer_offset)

    def _empty_footer_bytes(self) -> int:
        """Return about how long a footer is that has no entries."""
        table_bytes = len(encode_table(self._groups.values()))
        return table_bytes + FOOTER_GROUP_BYTES * (1 + len(self._groups)) + 2 * TRAILER_BYTES
