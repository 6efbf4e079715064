"""The queue of a lane holds so many frames and bytes, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raftdoc.transport.sender import FrameQueue


def test_frames_leave_in_the_order_they_came() -> None:
    queue = FrameQueue(frames_max=3, bytes_max=100)
    assert [queue.put(frame) for frame in (b"a", b"bb", b"ccc", b"d")] == [True, True, True, False]
    assert (len(queue), queue.byte_count) == (3, 6)
    assert [queue.take() for _ in range(3)] == [b"a", b"bb", b"ccc"]
    assert (len(queue), queue.byte_count) == (0, 0)


def test_one_frame_alone_may_be_larger_than_the_queue() -> None:
    queue = FrameQueue(frames_max=3, bytes_max=10)
    assert queue.put(b"x" * 50)
    assert not queue.put(b"y")
    queue.take()
    assert queue.put(b"y")
    assert not queue.put(b"x" * 50)


def test_clear_says_how_many_were_dropped() -> None:
    queue = FrameQueue(frames_max=3, bytes_max=10)
    queue.put(b"a")
    queue.put(b"b")
    assert queue.clear() == 2
    assert (len(queue), queue.byte_count) == (0, 0)


@given(st.lists(st.one_of(st.binary(max_size=30), st.none()), max_size=60))
def test_the_bounds_always_hold(steps: list[bytes | None]) -> None:
    queue = FrameQueue(frames_max=4, bytes_max=40)
    held: list[bytes] = []
    for frame in steps:
        if frame is None:
            if held:
                assert queue.take() == held.pop(0)
        elif queue.put(frame):
            held.append(frame)
        assert len(queue) == len(held) <= 4
        assert queue.byte_count == sum(map(len, held)) <= 40
