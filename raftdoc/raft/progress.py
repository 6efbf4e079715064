"""What a leader knows of one peer's log.

    PROBE      nothing is known: one message at a time, until one is acknowledged
    REPLICATE  the logs agree up to match_index: messages are pipelined, within a window of count and bytes
    SNAPSHOT   it lacks entries that this leader has not: the host streams the state; there are heartbeats only

Source: dissertation 5 (snapshots), 10.2.1 (pipelining), 5.3 (back to an agreeing prefix).
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from raftdoc.ids import Index

ROUND_TRIPS = 8
"""Over how many appends, about, the round trip is a mean."""


class ProgressState(Enum):
    PROBE = "probe"
    REPLICATE = "replicate"
    SNAPSHOT = "snapshot"


class Progress:
    __slots__ = (
        "acked_round",
        "born_ns",
        "heard_ns",
        "inflight",
        "inflight_bytes",
        "is_held",
        "is_paused",
        "match_index",
        "moved_ns",
        "next_index",
        "round_trip_ns",
        "since_ns",
        "state",
        "timed_ns",
    )

    def __init__(self, next_index: Index, now_ns: int) -> None:
        self.state = ProgressState.PROBE
        self.match_index = Index(0)
        """Up to here the peer holds this leader's log durably."""
        self.next_index = next_index
        self.is_paused = False
        """PROBE: a message is out, and no answer has come."""
        self.inflight: deque[tuple[Index, int]] = deque()
        """REPLICATE: (last index, payload bytes) of each append that is out."""
        self.inflight_bytes = 0
        self.is_held = False
        """REPLICATE: what it lacks waits for what follows (`thrift`)."""
        self.round_trip_ns = 0
        """How long the peer takes of late to make entries durable and say so; 0: not known."""
        self.timed_ns = 0
        """When the newest append was sent of which that is known."""
        self.acked_round = 0
        """The newest round of ReadIndex that the peer has acknowledged."""
        self.heard_ns = now_ns
        """When anything of this term last came from the peer: check-quorum."""
        self.moved_ns = now_ns
        """When a probe was sent, an append was last acknowledged, or the first of those on the way was sent."""

        self.born_ns = 0
        """When this term's leader made it a member: what answers an earlier message may be of a replica that left."""
        self.since_ns = 0
        """REPLICATE: when this stream of appends began; answers to an earlier one say nothing of it."""

    def is_answer(self, sent_ns: int) -> bool:
        """Return whether what answers a message sent then speaks of this very peer. 0: it says no time."""
        return not sent_ns or sent_ns >= self.born_ns

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
        if self.state is ProgressState.PROBE and index >= self.next_index - 1:
            self.state = ProgressState.REPLICATE
            self.is_paused = False
            self.since_ns = now_ns
        if index <= self.match_index:
            return False
        self.match_index = index
        if self.next_index <= index:
            self.next_index = Index(index + 1)
        return True

    def took(self, now_ns: int, sent_ns: int) -> None:
        """Note how long an append took that was sent at sent_ns, once.

        0: its answer says no time. Later than now: it was sent by the clock as it was before it was set back.
        """
        if not self.timed_ns < sent_ns <= now_ns:
            return
        self.timed_ns = sent_ns
        round_trip_ns = now_ns - sent_ns
        before_ns = self.round_trip_ns or round_trip_ns
        self.round_trip_ns = max(1, before_ns + (round_trip_ns - before_ns) // ROUND_TRIPS)

    def probe(self, next_index: Index) -> None:
        """Begin again from what is certain, or from a hint above it."""
        self.state = ProgressState.PROBE
        self.is_paused = self.is_held = False
        self.inflight.clear()
        self.inflight_bytes = 0
        self.next_index = Index(max(next_index, self.match_index + 1))

    def await_snapshot(self) -> None:
        """Send nothing but heartbeats until the host says how the stream ended, or the peer that it caught up."""
        self.probe(self.next_index)
        self.state = ProgressState.SNAPSHOT

    def after_snapshot(self, next_index: Index, now_ns: int) -> None:
        """Probe from next_index on, but only after another heartbeat: the peer's own word may be on its way."""
        self.probe(next_index)
        self.is_paused = True
        self.moved_ns = now_ns

    def lost(self) -> None:
        """Take all that is on the way for lost: the link broke. A probe keeps its place, which answers have shown.

        Of a stream of the state only the host knows whether it is lost.
        """
        if self.state is ProgressState.PROBE:
            self.is_paused = False
        elif self.state is ProgressState.REPLICATE:
            self.probe(Index(self.match_index + 1))

    def free_probe(self, heartbeat_sent_ns: int, patience_ns: int) -> None:
        """Take a probe for lost when a heartbeat sent well after it was answered before it.

        A heartbeat sent together with the probe proves nothing: they travel apart, and entries wait for a disk.
        """
        if self.is_paused and heartbeat_sent_ns - self.moved_ns >= patience_ns:
            self.is_paused = False

    def wants(self, last_index: Index) -> bool:
        """Return whether something of a log that ends there is to be sent as soon as the window has room."""
        return self.next_index <= last_index and not self.is_held

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is out, and what is sent now is the next that the peer sees."""
        return self.state is ProgressState.REPLICATE and not self.inflight

    def is_stuck(self, now_ns: int, patience_ns: int) -> bool:
        """Return whether appends are out and none was acknowledged for long: they are taken for lost."""
        return bool(self.inflight) and now_ns - self.moved_ns >= patience_ns

    def is_full(self, messages_max: int, bytes_max: int) -> bool:
        """Return whether another append has to wait."""
        if self.state is not ProgressState.REPLICATE:
            return self.is_paused or self.state is ProgressState.SNAPSHOT
        return len(self.inflight) >= messages_max or self.inflight_bytes >= bytes_max
