"""Messages for groups that this node has not created yet: kept for a while, because databases are created everywhere
at nearly the same time, and a leader may be faster than this node's catalog.

What is kept is bounded by count and bytes; the oldest goes first. Raft does with lost messages.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from raftdoc.ids import GroupId, NodeId
from raftdoc.raft.messages import AppendEntries

EARLY_ITEMS_MAX: Final = 1024
EARLY_BYTES_MAX: Final = 8 << 20

Early = tuple[NodeId, GroupId, Any]


class EarlyMessages:
    def __init__(self) -> None:
        self._kept: deque[Early] = deque()
        self._byte_count = 0
        """Of payload."""

    def keep(self, peer: NodeId, group: GroupId, message: Any) -> None:
        self._kept.append((peer, group, message))
        self._byte_count += _payload_bytes(message)
        while len(self._kept) > EARLY_ITEMS_MAX or self._byte_count > EARLY_BYTES_MAX:
            self._byte_count -= _payload_bytes(self._kept.popleft()[2])

    def take(self, group: GroupId) -> list[tuple[NodeId, Any]]:
        """Return what is kept for a group, oldest first, and keep it no longer."""
        found = [(peer, message) for peer, of, message in self._kept if of == group]
        if found:
            self._kept = deque(early for early in self._kept if early[1] != group)
            self._byte_count = sum(_payload_bytes(message) for _, _, message in self._kept)
        return found


def _payload_bytes(message: Any) -> int:
    return sum(len(entry.payload) for entry in message.entries) if isinstance(message, AppendEntries) else 0
