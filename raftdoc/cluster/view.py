"""The cluster as placement sees it, from this node's catalog and links."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.leaders import Leaders
from raftdoc.ids import GroupId, NodeId
from raftdoc.sharding import GroupView, NodeView, View
from raftdoc.statemachine.catalog_machine import DatabaseRecord


class ClusterView:
    def __init__(self, directory: Directory, leaders: Leaders, is_alive: Callable[[NodeId], bool]) -> None:
        self._directory = directory
        self._leaders = leaders
        self._is_alive = is_alive

    def view(
        self,
        *,
        settled: Mapping[GroupId, Collection[NodeId]] | None = None,
        is_alive: Callable[[NodeId], bool] | None = None,
    ) -> View:
        """Return the cluster as it is now.

        Args:
            settled: who votes in the groups that move; where it is not given, all that have a replica.
            is_alive: instead of being connected.
        """
        is_alive = is_alive or self._is_alive
        nodes = {
            node: NodeView(node, record.host, record.state, is_alive(node))
            for node, record in sorted(self._directory.nodes().items())
        }
        records = sorted(self._directory.catalog.databases.values(), key=lambda record: record.group)
        return View(nodes, tuple(self._group(record, settled or {}) for record in records))

    def _group(self, record: DatabaseRecord, settled: Mapping[GroupId, Collection[NodeId]]) -> GroupView:
        return GroupView(
            record.group,
            record.replica_count,
            record.placement,
            tuple(sorted(settled.get(record.group, record.replicas))),
            self._leaders.of(record.group),
        )
