"""What a node counts about its turns, its log and its groups."""

from __future__ import annotations

import logging

from raftdoc.ids import GroupId
from raftdoc.raft import RoleChange
from raftdoc.telemetry.metrics import Registry

log = logging.getLogger("raftdoc.node")

LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class NodeMetrics:
    def __init__(self, registry: Registry) -> None:
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

    def role_changed(self, group: GroupId, change: RoleChange) -> None:
        self.role_changes.value += 1
        log.info("role changed group=%d role=%s term=%d leader=%s", group, change.role.name, change.term, change.leader)
