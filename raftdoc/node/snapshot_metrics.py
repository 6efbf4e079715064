"""What a node counts about snapshots that it sends and receives."""

from __future__ import annotations

from collections.abc import Callable

from raftdoc.telemetry.metrics import Registry


class SnapshotMetrics:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.begun = registry.counter("raftdoc_snapshots_begun_total", "Snapshot streams begun by this node.")
        self.sent = registry.counter("raftdoc_snapshots_sent_total", "Snapshots that their receiver has installed.")
        self.failed = registry.counter("raftdoc_snapshots_failed_total", "Snapshot streams that this node gave up.")
        self.sent_raw_bytes = registry.counter("raftdoc_snapshot_sent_raw_bytes_total", "Keys and values sent.")
        self.sent_bytes = registry.counter("raftdoc_snapshot_sent_bytes_total", "The same, compressed.")
        self.installed = registry.counter("raftdoc_snapshots_installed_total", "Snapshots installed by this node.")
        self.refused = registry.counter("raftdoc_snapshots_dropped_total", "Snapshots of which a part came in vain.")
        self.damaged = registry.counter("raftdoc_snapshot_chunks_damaged_total", "Chunks that failed their checksum.")
        self.received_raw_bytes = registry.counter(
            "raftdoc_snapshot_received_raw_bytes_total", "Keys and values written."
        )

    def watch_sending(self, streams: Callable[[], int], waiting: Callable[[], int]) -> None:
        self._registry.gauge("raftdoc_snapshot_streams_sending", "Snapshot streams that this node sends.", streams)
        self._registry.gauge("raftdoc_snapshots_waiting", "Followers that wait for a snapshot of this node.", waiting)

    def watch_receiving(self, streams: Callable[[], int], doomed: Callable[[], int]) -> None:
        self._registry.gauge("raftdoc_snapshot_streams_receiving", "Snapshot streams that this node takes in.", streams)
        self._registry.gauge("raftdoc_incarnations_doomed", "Old copies of groups that are being removed.", doomed)
