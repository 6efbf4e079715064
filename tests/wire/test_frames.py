"""Frames come out of any stream as they went in, or not at all."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.wire.frames import HEADER, Frame, FrameDecoder, FrameKind, WireError, encode_frame

contents = st.lists(st.tuples(st.sampled_from(FrameKind), st.binary(max_size=300)), max_size=6)


def plain(frames: list[Frame]) -> list[tuple[FrameKind, bytes]]:
    return [(frame.kind, bytes(frame.body)) for frame in frames]


def feed_in_chunks(decoder: FrameDecoder, stream: bytes, sizes: list[int]) -> list[Frame]:
    frames: list[Frame] = []
    start = 0
    for size in sizes:
        frames += decoder.feed(stream[start : start + size])
        start += size
    return frames + decoder.feed(stream[start:])


@given(contents, st.lists(st.integers(0, 40), max_size=60))
def test_any_chunking_gives_the_same_frames(frames: list[tuple[FrameKind, bytes]], sizes: list[int]) -> None:
    stream = b"".join(encode_frame(kind, body) for kind, body in frames)
    decoder = FrameDecoder()
    assert plain(feed_in_chunks(decoder, stream, sizes)) == frames
    assert decoder.is_empty


def test_single_bytes_give_the_same_frames() -> None:
    frames = [(FrameKind.HANDSHAKE, b"a" * 50), (FrameKind.MESSAGES, b""), (FrameKind.MESSAGES, b"b" * 70)]
    stream = b"".join(encode_frame(kind, body) for kind, body in frames)
    assert plain(feed_in_chunks(FrameDecoder(), stream, [1] * len(stream))) == frames


def test_a_frame_keeps_its_body_while_later_ones_arrive() -> None:
    decoder = FrameDecoder()
    first = encode_frame(FrameKind.MESSAGES, b"first" * 10)
    decoder.feed(first[:20])
    (frame,) = decoder.feed(first[20:])
    decoder.feed(encode_frame(FrameKind.MESSAGES, b"other" * 10)[:30])
    assert bytes(frame.body) == b"first" * 10


def test_a_flipped_bit_anywhere_gives_no_wrong_frame() -> None:
    frames = [(FrameKind.MESSAGES, b"the first"), (FrameKind.HANDSHAKE, b"the second one"), (FrameKind.MESSAGES, b"")]
    stream = b"".join(encode_frame(kind, body) for kind, body in frames)
    for position in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[position] ^= 1 << bit
            decoder = FrameDecoder()
            try:
                came = plain(decoder.feed(bytes(damaged)))
            except WireError:
                continue
            # A length that grew makes the decoder wait; what came before it is right.
            assert came == frames[: len(came)], (position, bit)
            assert len(came) < len(frames), (position, bit)
            assert not decoder.is_empty, (position, bit)


def test_a_stream_cut_anywhere_gives_only_its_whole_frames() -> None:
    frames = [(FrameKind.MESSAGES, b"the first"), (FrameKind.HANDSHAKE, b"the second one")]
    encoded = [encode_frame(kind, body) for kind, body in frames]
    stream = b"".join(encoded)
    for stop in range(len(stream)):
        decoder = FrameDecoder()
        whole = 1 if stop >= len(encoded[0]) else 0
        assert plain(decoder.feed(stream[:stop])) == frames[:whole]
        assert decoder.is_empty == (stop in (0, len(encoded[0])))


def test_bytes_missing_in_the_middle_give_no_wrong_frame() -> None:
    body = bytes(range(200))
    stream = encode_frame(FrameKind.MESSAGES, body) + encode_frame(FrameKind.MESSAGES, body)
    for position in range(HEADER.size + len(body)):
        decoder = FrameDecoder()
        try:
            came = decoder.feed(stream[:position] + stream[position + 1 :])
        except WireError:
            continue
        # Without one byte of it, the length is so large that the decoder waits.
        assert came == [], position
        assert not decoder.is_empty, position


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes.fromhex("16030100f8010000f40303") + b"\x5a" * 60,
        b"\xff" * 64,
        b"\x00" * 64,
    ],
    ids=["http", "tls", "ones", "zeros"],
)
def test_another_protocol_is_refused_at_its_first_bytes(garbage: bytes) -> None:
    with pytest.raises(WireError):
        FrameDecoder(4096).feed(garbage)


def test_a_kind_that_does_not_exist_is_refused() -> None:
    # A header that a later version might send: everything is right but the kind.
    frame = encode_frame(9, b"body")  # type: ignore[arg-type]
    with pytest.raises(WireError, match="kind 9"):
        FrameDecoder().feed(frame)


def test_a_length_over_the_limit_is_refused_before_its_body_comes() -> None:
    decoder = FrameDecoder(100)
    with pytest.raises(WireError, match="101 bytes is over the limit of 100"):
        decoder.feed(HEADER.pack(101, FrameKind.MESSAGES, 0))


def test_the_limit_may_grow_between_two_frames() -> None:
    decoder = FrameDecoder(10)
    assert len(decoder.feed(encode_frame(FrameKind.HANDSHAKE, b"x" * 10))) == 1
    decoder.body_bytes_max = 20
    assert len(decoder.feed(encode_frame(FrameKind.MESSAGES, b"x" * 20))) == 1


def test_a_claimed_length_takes_no_memory() -> None:
    decoder = FrameDecoder()
    tracemalloc.start()
    try:
        decoder.feed(HEADER.pack(60 << 20, FrameKind.MESSAGES, 0) + b"only this")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
