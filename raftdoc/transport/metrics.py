"""What the TCP transport counts."""

from __future__ import annotations

from raftdoc.ids import NodeId
from raftdoc.telemetry.metrics import Counter, Gauge, Registry
from raftdoc.transport.handshake import REFUSAL_CODES
from raftdoc.transport.transport import Lane


class LaneMetrics:
    """Of all links of one lane."""

    __slots__ = ("received_bytes", "received_frames", "sent_bytes", "sent_frames")

    def __init__(self, sent_frames: Counter, sent_bytes: Counter, received_frames: Counter, received_bytes: Counter):
        self.sent_frames = sent_frames
        self.sent_bytes = sent_bytes
        self.received_frames = received_frames
        self.received_bytes = received_bytes


class TransportMetrics:
    def __init__(self, registry: Registry) -> None:
        family = registry.counter_family
        sent_frames = family("raftdoc_peer_sent_frames_total", "Frames written to connections to peers.", ("lane",))
        sent_bytes = family("raftdoc_peer_sent_bytes_total", "Bytes of frames written to peers.", ("lane",))
        received_frames = family("raftdoc_peer_received_frames_total", "Frames of messages from peers.", ("lane",))
        received_bytes = family("raftdoc_peer_received_bytes_total", "Bytes received from peers.", ("lane",))
        self.lanes = {
            lane: LaneMetrics(
                *(
                    counters.bind(lane=lane.name.lower())
                    for counters in (sent_frames, sent_bytes, received_frames, received_bytes)
                )
            )
            for lane in Lane
        }
        dropped = family(
            "raftdoc_peer_dropped_frames_total",
            "Frames to peers that were not sent: no_link, queue_full, or too_large for one message.",
            ("reason",),
        )
        self.dropped_no_link = dropped.bind(reason="no_link")
        self.dropped_queue_full = dropped.bind(reason="queue_full")
        self.dropped_too_large = dropped.bind(reason="too_large")
        self.dials_failed = registry.counter("raftdoc_peer_dial_failures_total", "Dials to peers that gave no link.")
        self.links_lost = registry.counter("raftdoc_peer_links_lost_total", "Links to or from peers that broke.")
        refusals = family("raftdoc_peer_refusals_total", "Connections that this node refused, by code.", ("code",))
        self.refusals = {code: refusals.bind(code=code) for code in REFUSAL_CODES}
        self._connected = registry.gauge_family(
            "raftdoc_peer_connected", "1 while all lanes to the peer are up, else 0.", ("peer",)
        )
        self.queued_bytes = registry.gauge(
            "raftdoc_peer_queued_bytes", "Bytes of frames that wait for connections to peers."
        )

    def connected(self, peer: NodeId) -> Gauge:
        return self._connected.bind(peer=peer)

    def forget(self, peer: NodeId) -> None:
        self._connected.drop(peer=peer)
