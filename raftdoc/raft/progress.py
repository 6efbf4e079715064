"""What a leader knows of one peer's log.

    PROBE      nothing is known: one message at a time, until one is acknowledged
    REPLICATE  the logs agree up to match_index: messages are pipelined, within a window of count and bytes

Source: dissertation 10.2.1 (pipelining), 5.3 (back to an agreeing prefix).
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from raftdoc.ids import Index


class ProgressState(Enum):
    PROBE = "probe"
    REPLICATE = "replicate"


class Progress:
    __slots__ = (
        "acked_round",
        "acked_sent_ns",
        "heard_ns",
        "inflight",
        "inflight_bytes",
        "is_paused",
        "match_index",
        "moved_ns",
        "next_index",
        "state",
    )

    def __init__(self, next_index: Index, now_ns: int) -> None:
        self.state = ProgressState.PROBE
        self.match_index = Index(0)
        self.next_index = next_index
        self.is_paused = False
        """PROBE: a message is out, and no answer has come."""
        self.inflight: deque[tuple[Index, int]] = deque()
        """(last index, payload bytes) of each append that is out."""
        self.inflight_bytes = 0
        self.acked_sent_ns = 0
        """The latest send time, by the leader's clock, that this peer has acknowledged."""
        self.acked_round = 0
        self.heard_ns = now_ns
        self.moved_ns = now_ns
        """When an append was last acknowledged, or sent with nothing before it on the way."""

    def sent(self, last_index: Index, byte_count: int, now_ns: int) -> None:
        """Note an append that left."""
        if self.state is ProgressState.PROBE:
            self.is_paused = True
            self.moved_ns = now_ns
            return
        if not self.inflight:
            self.moved_ns = now_ns
        self.next_index = Index(last_index + 1)
        self.inflight.append((last_index, byte_count))
        self.inflight_bytes += byte_count

    def matched(self, index: Index, now_ns: int) -> bool:
        """Note that the peer holds the leader's log durably up to index; return whether that is news."""
        inflight = self.inflight
        while inflight and inflight[0][0] <= index:
            self.inflight_bytes -= inflight.popleft()[1]
        self.moved_ns = now_ns
        if self.state is ProgressState.PROBE:
            self.state = ProgressState.REPLICATE
            self.is_paused = False
            self.next_index = Index(max(self.next_index, index + 1))
        if index <= self.match_index:
            return False
        self.match_index = index
        if self.next_index <= index:
            self.next_index = Index(index + 1)
        return True

    def probe(self, next_index: Index) -> None:
        """Begin again from what is certain, or from a hint above it."""
        self.state = ProgressState.PROBE
        self.is_paused = False
        self.inflight.clear()
        self.inflight_bytes = 0
        self.next_index = Index(max(next_index, self.match_index + 1))

    def is_full(self, messages_max: int, bytes_max: int) -> bool:
        """Return whether another append has to wait."""
        if self.state is ProgressState.PROBE:
            return self.is_paused
        return len(self.inflight) >= messages_max or self.inflight_bytes >= bytes_max
