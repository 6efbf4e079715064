"""The table of message numbers."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from raftdoc.raft import messages as raft
from raftdoc.wire import messages as wire
from raftdoc.wire.messages import HANDSHAKE_NUMBERS, MESSAGE_NUMBERS


def test_every_message_that_nodes_exchange_has_one_number() -> None:
    classes = {*get_args(raft.Message), *get_args(wire.NodeMessage)}
    assert set(MESSAGE_NUMBERS.values()) == classes
    assert len(MESSAGE_NUMBERS) == len(classes)


def test_every_message_of_the_handshake_has_one_number() -> None:
    assert set(HANDSHAKE_NUMBERS.values()) == set(get_args(wire.HandshakeMessage))
    assert len(HANDSHAKE_NUMBERS) == len(get_args(wire.HandshakeMessage))


def test_numbers_are_never_used_again_for_something_else() -> None:
    """A line is added here with each new message, and none is ever changed."""
    assert {number: cls.__name__ for number, cls in MESSAGE_NUMBERS.items()} == {
        1: "VoteRequest",
        2: "VoteResponse",
        3: "AppendEntries",
        4: "AppendResponse",
        5: "HeartbeatResponse",
        6: "TimeoutNow",
        7: "ReadIndexRequest",
        8: "ReadIndexResponse",
        32: "Forward",
        33: "Forwarded",
        34: "Ping",
        35: "Pong",
        36: "MatchedEverywhere",
        37: "StateDigest",
        38: "SnapshotBegin",
        39: "SnapshotChunk",
        40: "SnapshotEnd",
        41: "SnapshotAbort",
        42: "SnapshotStatus",
        43: "Heartbeats",
        44: "HeartbeatResponses",
        48: "GroupCall",
        49: "GroupAnswer",
    }


@pytest.mark.parametrize("cls", [*MESSAGE_NUMBERS.values(), *HANDSHAKE_NUMBERS.values()], ids=lambda cls: cls.__name__)
def test_every_field_is_annotated(cls: Any) -> None:
    assert set(get_type_hints(cls)) == set(cls._fields)
