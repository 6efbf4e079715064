"""Makes the groups that this node hosts agree with the catalog.

Runs whenever the catalog has applied something, and once at start. Creating and dropping are idempotent and
local; nothing here proposes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.factory import ReplicaFactory
from raftdoc.errors import NotLeader, RaftdocError
from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.node.node import Node
from raftdoc.raft import Configuration
from raftdoc.statemachine.catalog_machine import DatabaseRecord
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.log.log import log_record

log = logging.getLogger("raftdoc.cluster")


class Reconciler:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        factory: ReplicaFactory,
        set_peers: Callable[[dict[NodeId, str]], None],
    ) -> None:
        self._node = node
        self._directory = directory
        self._factory = factory
        self._set_peers = set_peers
        self._addresses: dict[NodeId, str] = {}

    def run(self) -> None:
        """Create what is missing here, drop what is gone, dial where peers have moved to."""
        self.dial()
        catalog = self._directory.catalog
        wanted = {record.group: record for record in catalog.databases.values()}
        for group, record in wanted.items():
            if group not in self._node.replicas and self._node.node in record.replicas:
                self._create(record)
        if self._directory.is_current:
            for group, record in wanted.items():
                if group in self._node.replicas and self._node.node not in record.replicas:
                    self._drop(group, NotLeader(group, None), is_gone=False)
        # Safety: a group at or above next_group is not known to this node's catalog *yet*; only a
        # group that the catalog has already numbered and no longer lists is gone.
        for group in list(self._node.replicas):
            if group != CATALOG_GROUP and group not in wanted and group < catalog.next_group:
                self._drop(group, self._directory.missing(group), is_gone=True)
        for group in self._factory.left_groups:
            if group not in wanted and group < catalog.next_group:
                self._node.record(log_record(group, tombstone=True))
        self._directory.refresh()

    def dial(self) -> None:
        """Dial where peers have moved to."""
        addresses = self._directory.addresses()
        if addresses != self._addresses:
            self._addresses = addresses
            self._set_peers(addresses)

    def _create(self, record: DatabaseRecord) -> None:
        # Safety: who comes later begins without a configuration, and learns it from the log. It could otherwise take
        # part by one that is long gone, having forgotten what it did under it.
        founders = tuple(sorted(record.replicas)) if record.generation == 0 else ()
        replica, first_record = self._factory.new(record.group, Configuration(founders))
        self._node.add_replica(replica, first_record)
        if founders and record.preferred_leader == self._node.node:
            replica.core.campaign(self._node.clock.now_ns())
            self._node.touch(replica)
        log.info("group created group=%d database=%s replicas=%s", record.group, record.name, ",".join(record.replicas))

    def _drop(self, group: GroupId, error: RaftdocError, *, is_gone: bool) -> None:
        """Stop having a replica; who waits for it is told by error. `is_gone`: the whole group is, everywhere."""
        replica = self._node.replicas[group]
        self._node.remove_replica(group, error, is_gone=is_gone)
        self._factory.incarnations.drop(GroupKeys(group, replica.incarnation))
        log.info("group dropped group=%d", group)
