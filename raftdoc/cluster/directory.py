"""This node's view of the catalog: which group serves a database, and where nodes are reached.

It reads the local catalog machine, which may be behind; whoever must be sure asks for a read barrier on
group 0 first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.errors import NotFound
from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine.catalog_machine import CatalogMachine, DatabaseRecord, NodeRecord
from raftdoc.statemachine.database_machine import DatabaseMachine

NAMES_MAX: Final = 4096


class Directory:
    def __init__(self, node: Node, peers: Mapping[NodeId, str], dial: Mapping[NodeId, str]) -> None:
        self._node = node
        self._peers = dict(peers)
        self._dial = dict(dial)
        self._heard: dict[NodeId, str] = {}
        self._routes: dict[str, Replica] = {}
        """Open databases whose group is hosted here, by name: what every request looks up."""
        self._names: dict[GroupId, str] = {}
        """Databases by their groups, the last that were seen here: who still asks for a group that is gone is told."""
        self.is_current = False
        """The catalog here was, once in this life, as new as the cluster's: before that it may have gone back in time
        by a restart, and nothing must be dropped because of it."""

    @property
    def catalog(self) -> CatalogMachine:
        machine = self._node.replicas[CATALOG_GROUP].machine
        assert isinstance(machine, CatalogMachine), machine
        return machine

    def database(self, name: str) -> DatabaseRecord | None:
        """Return the record of an open database, as known here."""
        record = self.catalog.databases.get(name)
        return record if record is not None and record.state == "open" else None

    def replica(self, name: str) -> Replica | None:
        """Return this node's replica of a database's group; None when it is not here (yet)."""
        return self._routes.get(name)

    def refresh(self) -> None:
        """Take up what the catalog and the hosted groups are now."""
        self._names.update((record.group, record.name) for record in self.catalog.databases.values())
        for group in list(self._names)[:-NAMES_MAX]:
            del self._names[group]
        self._routes = {
            record.name: replica
            for record in self.catalog.databases.values()
            if record.state == "open" and (replica := self._node.replicas.get(record.group)) is not None
        }

    def database_of(self, group: GroupId) -> str | None:
        record = self.group_record(group)
        return None if record is None else record.name

    def group_record(self, group: GroupId) -> DatabaseRecord | None:
        """Return the record of the database that a group serves, whatever its state."""
        return next((record for record in self.catalog.databases.values() if record.group == group), None)

    def missing(self, group: GroupId) -> NotFound:
        """Return the error of a group that there is no more, in terms of the database that it served."""
        name = self._names.get(group)
        return NotFound("group", str(group)) if name is None else NotFound("database", name)

    def nodes(self) -> dict[NodeId, NodeRecord]:
        """Return the nodes of the cluster, without those that were removed."""
        return {node: record for node, record in self.catalog.nodes.items() if record.state != "removed"}

    def is_removed(self, node: NodeId) -> bool:
        """Return whether a node was removed, as far as it is known here. That never changes again."""
        if CATALOG_GROUP not in self._node.replicas:
            return False
        record = self.catalog.nodes.get(node)
        return record is not None and record.state == "removed"

    def meet(self, addresses: Mapping[NodeId, str]) -> None:
        """Take up peers that this node was told of before it had a catalog."""
        self._peers.update(addresses)

    def hear(self, node: NodeId, address: str) -> bool:
        """Note where a peer that has just dialled in says it is dialled; return whether that is news.

        A node that moved cannot be told of by the catalog as long as its vote is needed to commit there.
        """
        if not address or self.addresses().get(node) == address:
            return False
        self._heard[node] = address
        return True

    def addresses(self) -> dict[NodeId, str]:
        """Return where each peer is dialled: an override, else what it said last, registered, or was given first."""
        registered: dict[NodeId, str] = {}
        if CATALOG_GROUP in self._node.replicas:
            registered = {node: record.peer for node, record in self.catalog.nodes.items()}
        known = {**self._peers, **registered, **self._heard, **self._dial}
        return {node: address for node, address in known.items() if not self.is_removed(node)}


def database_machine(replica: Replica) -> DatabaseMachine:
    machine = replica.machine
    assert isinstance(machine, DatabaseMachine), (replica.group, machine)
    return machine
