"""The catalog's part of a slice, and what its commands do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import CLUSTER_NODES_MAX, DATABASES_MAX
from raftdoc.statemachine.catalog_records import (
    CLUSTER_NAME,
    DATABASE_PREFIX,
    NEXT_GROUP_NAME,
    NODE_PREFIX,
    ClusterRecord,
    DatabaseRecord,
    NodeRecord,
    encode_record,
)
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.statemachine.staging import Staged


class CatalogSlice:
    """What the handlers of CatalogMachine work on: copies of everything, for it is small and seldom written."""

    __slots__ = ("cluster", "databases", "handlers", "next_group", "nodes", "staged")

    def __init__(
        self,
        staged: Staged,
        cluster: ClusterRecord | None,
        nodes: Mapping[NodeId, NodeRecord],
        databases: Mapping[str, DatabaseRecord],
        next_group: GroupId,
    ) -> None:
        self.staged = staged
        self.handlers = CATALOG_HANDLERS
        self.cluster = cluster
        self.nodes = dict(nodes)
        self.databases = dict(databases)
        self.next_group = next_group

    def set_database(self, record: DatabaseRecord) -> None:
        self.databases[record.name] = record
        self._put(f"{DATABASE_PREFIX}{record.name}", encode_record(record))

    def remove_database(self, name: str) -> None:
        del self.databases[name]
        self._put(f"{DATABASE_PREFIX}{name}", None)

    def set_node(self, record: NodeRecord) -> None:
        self.nodes[record.id] = record
        self._put(f"{NODE_PREFIX}{record.id}", encode_record(record))

    def set_cluster(self, record: ClusterRecord) -> None:
        self.cluster = record
        self._put(CLUSTER_NAME, encode_record(record))

    def take_group(self) -> GroupId:
        """Return a group id that was never given before."""
        group = self.next_group
        self.next_group = GroupId(group + 1)
        self._put(NEXT_GROUP_NAME, b"%d" % self.next_group)
        return group

    def _put(self, name: str, value: bytes | None) -> None:
        self.staged.put_meta(self.staged.keys.meta(name), value)


def initialise(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, cluster_id, cursor_key = command
    time_ms = target.staged.time_ms
    if target.cluster is None:
        target.set_cluster(ClusterRecord(cluster_id, cursor_key, time_ms))
        return Outcome(OK, created=True, time_ms=time_ms)
    return Outcome(OK if target.cluster.id == cluster_id else "wrong_cluster", time_ms=time_ms)


def register_node(target: CatalogSlice, command: Command) -> Outcome:
    record = NodeRecord(*command[3:])
    time_ms = target.staged.time_ms
    known = target.nodes.get(record.id)
    if known is None and len(target.nodes) >= CLUSTER_NODES_MAX:
        return Outcome("limit_reached", time_ms=time_ms)
    if known is not None and known.store_id != record.store_id:
        return Outcome("wrong_store", data=known.store_id, time_ms=time_ms)
    if record != known:
        target.set_node(record)
    return Outcome(OK, created=known is None, time_ms=time_ms)


def create_database(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, name, options, replicas, preferred_leader = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is not None:
        is_same = known.state == "open" and known.options_json == options
        return Outcome(OK if is_same else "conflict", data=known.group, time_ms=time_ms)
    if len(target.databases) >= DATABASES_MAX:
        return Outcome("limit_reached", time_ms=time_ms)
    group = target.take_group()
    target.set_database(DatabaseRecord(name, group, time_ms, options, "open", replicas, preferred_leader))
    return Outcome(OK, created=True, data=group, time_ms=time_ms)


def drop_database(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, name = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is None:
        return Outcome("database_not_found", time_ms=time_ms)
    if known.state != "closing":
        target.set_database(known._replace(state="closing"))
    return Outcome(OK, data=known.group, time_ms=time_ms)


def forget_database(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, name, group = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is None or known.group != group:
        return Outcome("database_not_found", time_ms=time_ms)
    if known.state != "closing":
        return Outcome("conflict", time_ms=time_ms)
    target.remove_database(name)
    return Outcome(OK, time_ms=time_ms)


CATALOG_HANDLERS: Final[dict[int, Handler[CatalogSlice]]] = {
    Op.INITIALISE: initialise,
    Op.REGISTER_NODE: register_node,
    Op.CREATE_DATABASE: create_database,
    Op.DROP_DATABASE: drop_database,
    Op.FORGET_DATABASE: forget_database,
}
