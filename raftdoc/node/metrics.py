"""What a node counts about its turns, its log and its groups."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from raftdoc.ids import GroupId
from raftdoc.limits import NS_PER_S
from raftdoc.node.replica import Replica
from raftdoc.node.staleness import Staleness
from raftdoc.raft import RoleChange
from raftdoc.storage.engine import Engine
from raftdoc.storage.log.log import SharedLog
from raftdoc.telemetry.metrics import Registry

log = logging.getLogger("raftdoc.node")

_STATE_HELP = "A gauge of RocksDB, by its own name."
LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class NodeMetrics:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.turns = registry.counter("raftdoc_turns_total", "Turns of the node's loop.")
        self.applied_entries = registry.counter(
            "raftdoc_applied_entries_total", "Log entries applied to state machines."
        )
        self.applied_bytes = registry.counter("raftdoc_applied_bytes_total", "Payload bytes of applied log entries.")
        self.flushes = registry.counter("raftdoc_state_flushes_total", "Flushes of the state to disk.")
        self.role_changes = registry.counter("raftdoc_role_changes_total", "Changes of role or term of replicas here.")
        self.loop_lag = registry.histogram(
            "raftdoc_loop_lag_seconds", "How late the event loop was for its tick.", LAG_BUCKETS_S
        )

    def watch_disk(self, log: SharedLog, engine: Engine, filesystem: str) -> None:
        """Declare what is asked of the log and the state engine at every exposition."""
        registry = self._registry
        registry.counter(
            "raftdoc_log_fsync_total", "Durable writes of the log: one per group commit.", lambda: log.fsync_count
        )
        registry.counter("raftdoc_log_fsync_seconds_total", "Time they took.", lambda: log.fsync_ns_total / NS_PER_S)
        registry.gauge("raftdoc_log_bytes", "What the log takes on disk.", lambda: log.bytes_total)
        registry.gauge("raftdoc_log_segments", "Segments of the log.", lambda: log.segment_count)
        registry.gauge("raftdoc_disk_full", "1 while the disk is too full to take writes.", log.is_disk_full)
        for name in engine.statistics():
            registry.gauge(f"raftdoc_state_{name}", _STATE_HELP, partial(_statistic, engine, name))
        info = registry.gauge_family("raftdoc_data_info", "Always 1; says what the data lies on.", ("filesystem",))
        info.bind(filesystem=filesystem).value = 1

    def watch_groups(self, replicas: Mapping[GroupId, Replica], staleness: Staleness) -> None:
        registry = self._registry
        registry.gauge("raftdoc_groups", "Raft groups with a replica here.", lambda: len(replicas))
        registry.gauge(
            "raftdoc_groups_led", "Raft groups led by this node.", lambda: sum(r.is_leader for r in replicas.values())
        )
        registry.gauge(
            "raftdoc_apply_lag_entries",
            "Committed entries that wait to be applied, of the group that is furthest behind.",
            lambda: max((r.core.commit_index - r.machine.applied_index for r in replicas.values()), default=0),
        )
        registry.gauge(
            "raftdoc_wall_clock_skew_seconds",
            "How far this node's wall clock is ahead of the nodes' median; over 10 s it may not lead.",
            lambda: staleness.wall_skew_ms() / 1000,
        )
        registry.gauge(
            "raftdoc_proposals_waiting",
            "Writes that wait for their outcome.",
            lambda: sum(r.proposals.waiting_count for r in replicas.values()),
        )

    def role_changed(self, group: GroupId, change: RoleChange) -> None:
        self.role_changes.value += 1
        log.info("role changed group=%d role=%s term=%d leader=%s", group, change.role.name, change.term, change.leader)


def _statistic(engine: Engine, name: str) -> int:
    return engine.statistics()[name]
