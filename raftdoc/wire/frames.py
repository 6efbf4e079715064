"""Frames: `body length 4 B | kind 1 B | checksum 8 B | body`, integers big-endian.

The checksum is xxh3-64 of the body, seeded with length and kind: a flipped bit anywhere in a frame is seen.
It guards against rot and bugs of middle boxes, not against an enemy; the handshake does that.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

import xxhash

from raftdoc.limits import FRAME_BYTES_MAX

HEADER = Struct(">IBQ")


class WireError(Exception):
    """What came is not what this protocol sends. The connection is of no more use."""


class FrameKind(IntEnum):
    HANDSHAKE = 1
    MESSAGES = 2


_KINDS = {kind.value: kind for kind in FrameKind}


class Frame(NamedTuple):
    kind: FrameKind
    body: memoryview
    """Over bytes that nobody else changes; valid as long as it is held."""


def encode_frame(kind: FrameKind, body: bytes) -> bytes:
    """Return the frame of a body of at most FRAME_BYTES_MAX."""
    assert len(body) <= FRAME_BYTES_MAX, len(body)
    return HEADER.pack(len(body), kind, _checksum(kind, body)) + body


class FrameDecoder:
    """Cuts frames out of a stream, whatever the sizes of the chunks it arrives in.

    Holds at most one unfinished frame. After a WireError it must not be fed again.
    """

    __slots__ = ("_buffer", "_needed", "body_bytes_max")

    def __init__(self, body_bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.body_bytes_max = body_bytes_max
        """May be changed between two frames: small until the peer is known."""
        self._buffer = bytearray()
        self._needed = HEADER.size
        """Bytes the buffer must hold before it is worth looking at."""

    @property
    def is_empty(self) -> bool:
        """True between two frames: a stream that ends elsewhere was cut."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Frame]:
        """Take a chunk and return the frames that it completes, in order.

        Raises:
            WireError: a length over `body_bytes_max`, a kind that does not exist, or a wrong checksum.
        """
        frames: list[Frame] = []
        view = memoryview(data)
        while self._buffer:
            # Only what the unfinished frame lacks is taken, so that no byte is copied more often than twice.
            missing = self._needed - len(self._buffer)
            self._buffer += view[:missing]
            view = view[missing:]
            if len(self._buffer) < self._needed:
                return frames
            held = bytes(self._buffer)
            self._buffer.clear()
            self._buffer += self._cut(memoryview(held), frames)
        self._buffer += self._cut(view, frames)
        return frames

    def _cut(self, view: memoryview, frames: list[Frame]) -> memoryview:
        """Add the whole frames at the front of view to frames; return what is behind them, and note what it lacks."""
        start = 0
        while len(view) - start >= HEADER.size:
            length, kind, checksum = HEADER.unpack_from(view, start)
            if length > self.body_bytes_max:
                raise WireError(f"a frame of {length} bytes is over the limit of {self.body_bytes_max}")
            stop = start + HEADER.size + length
            if stop > len(view):
                self._needed = stop - start
                return view[start:]
            body = view[start + HEADER.size : stop]
            frames.append(Frame(_check(kind, body, checksum), body))
            start = stop
        self._needed = HEADER.size
        return view[start:]


def _check(kind: int, body: memoryview, checksum: int) -> FrameKind:
    if _checksum(kind, body) != checksum:
        raise WireError("a frame's checksum does not match its bytes")
    try:
        return _KINDS[kind]
    except KeyError:
        raise WireError(f"frame kind {kind} does not exist") from None


def _checksum(kind: int, body: bytes | memoryview) -> int:
    return xxhash.xxh3_64_intdigest(body, len(body) << 8 | kind)
