"""The catalog's part of a slice: copies of what it holds, and what is about to be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raftdoc.ids import GroupId, NodeId
from raftdoc.statemachine.catalog_records import (
    CLUSTER_NAME,
    DATABASE_PREFIX,
    NEXT_GROUP_NAME,
    NODE_PREFIX,
    REBALANCING_NAME,
    ClusterRecord,
    DatabaseRecord,
    NodeRecord,
    RebalancingRecord,
    encode_record,
)
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.staging import Staged


class CatalogSlice:
    """What the handlers of CatalogMachine work on: copies of everything, for it is small and seldom written."""

    __slots__ = ("cluster", "databases", "handlers", "next_group", "nodes", "rebalancing", "staged")

    def __init__(
        self,
        staged: Staged,
        cluster: ClusterRecord | None,
        nodes: Mapping[NodeId, NodeRecord],
        databases: Mapping[str, DatabaseRecord],
        next_group: GroupId,
        rebalancing: RebalancingRecord,
        handlers: Mapping[int, Handler[CatalogSlice]],
    ) -> None:
        self.staged = staged
        self.handlers = handlers
        self.cluster = cluster
        self.nodes = dict(nodes)
        self.databases = dict(databases)
        self.next_group = next_group
        self.rebalancing = rebalancing

    def foresee(self, commands: Sequence[Command]) -> None:
        """Look nothing up: all of the catalog is in memory."""

    def set_database(self, record: DatabaseRecord) -> None:
        self.databases[record.name] = record
        self._put(f"{DATABASE_PREFIX}{record.name}", encode_record(record))

    def remove_database(self, name: str) -> None:
        del self.databases[name]
        self._put(f"{DATABASE_PREFIX}{name}", None)

    def database_of(self, group: GroupId) -> DatabaseRecord | None:
        return next((record for record in self.databases.values() if record.group == group), None)

    def set_node(self, record: NodeRecord) -> None:
        self.nodes[record.id] = record
        self._put(f"{NODE_PREFIX}{record.id}", encode_record(record))

    def set_cluster(self, record: ClusterRecord) -> None:
        self.cluster = record
        self._put(CLUSTER_NAME, encode_record(record))

    def set_rebalancing(self, record: RebalancingRecord) -> None:
        self.rebalancing = record
        self._put(REBALANCING_NAME, encode_record(record))

    def take_group(self) -> GroupId:
        """Return a group id that was never given before."""
        group = self.next_group
        self.next_group = GroupId(group + 1)
        self._put(NEXT_GROUP_NAME, b"%d" % self.next_group)
        return group

    def _put(self, name: str, value: bytes | None) -> None:
        self.staged.put_meta(self.staged.keys.meta(name), value)
