"""Where a page ended, as bytes."""

from __future__ import annotations

import pytest

from raftdoc.errors import InvalidCursor
from raftdoc.query.position_token import Position, decode_position


@pytest.mark.parametrize(
    "position",
    [Position("p", 0, b"", b"\x30a\x00"), Position("r", 7, b"\x10", b"x"), Position("s", 0, b"\xff" * 300, b"y")],
)
def test_position_comes_back_as_it_was(position: Position) -> None:
    assert decode_position(position.encode()) == position


@pytest.mark.parametrize(
    "data", [b"", b"p", b"x" + bytes(8) + b"a", b"p" + bytes(8), Position("i", 1, b"abc", b"").encode()]
)
def test_bytes_that_are_no_position_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidCursor):
        decode_position(data)
