"""What leaves with a turn: one frame per peer and lane, however many groups and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.node.heartbeats import join_beats, join_responses
from raftdoc.raft.messages import AppendEntries, HeartbeatResponse, Message
from raftdoc.transport.transport import Lane, Transport
from raftdoc.wire.messages import Forward, Forwarded, SnapshotBegin, SnapshotChunk, SnapshotEnd

Item = tuple[GroupId, Any]

BULKY = frozenset((Forward, Forwarded, SnapshotBegin, SnapshotChunk, SnapshotEnd))
"""Besides appends with entries. What opens and ends a snapshot stays in line with its chunks."""


class Outbox:
    """Collects the messages of a turn."""

    __slots__ = ("_beats", "_bulk", "_responses", "_small", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._small: dict[NodeId, list[Item]] = {}
        self._bulk: dict[NodeId, list[Item]] = {}
        self._beats: dict[NodeId, list[Item]] = {}
        self._responses: dict[NodeId, list[Item]] = {}

    def put(self, peer: NodeId, group: GroupId, message: Any) -> None:
        """Add one message. Entries and commands go on the bulk lane, so that heartbeats never queue behind them."""
        kind = type(message)
        if kind is AppendEntries:
            lane = self._bulk if message.entries else self._beats
        elif kind is HeartbeatResponse:
            lane = self._responses
        else:
            lane = self._bulk if kind in BULKY else self._small
        items = lane.get(peer)
        if items is None:
            lane[peer] = [(group, message)]
        else:
            items.append((group, message))

    def put_all(self, group: GroupId, messages: list[tuple[NodeId, Message]]) -> None:
        for peer, message in messages:
            self.put(peer, group, message)

    def send(self) -> None:
        """Hand every frame to the transport."""
        if self._beats:
            beats, self._beats = self._beats, {}
            self._add_joined(beats, join_beats)
        if self._responses:
            responses, self._responses = self._responses, {}
            self._add_joined(responses, join_responses)
        if self._small:
            small, self._small = self._small, {}
            for peer, items in small.items():
                self._transport.send(peer, Lane.HEARTBEAT, items)
        if self._bulk:
            bulk, self._bulk = self._bulk, {}
            for peer, items in bulk.items():
                self._transport.send(peer, Lane.BULK, items)

    def _add_joined(self, waiting: dict[NodeId, list[Item]], join: Callable[[list[Item]], Iterable[Any]]) -> None:
        """Put messages of several groups to one peer together; one alone stays what it is."""
        for peer, items in waiting.items():
            joined = items if len(items) == 1 else [(CATALOG_GROUP, message) for message in join(items)]
            self._small.setdefault(peer, []).extend(joined)
