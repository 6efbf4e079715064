"""What this node knows of the cluster: members, groups, leaders, indexes; and whether it is ready."""

from __future__ import annotations

from collections.abc import Callable

from raftdoc import limits
from raftdoc.cluster.directory import Directory
from raftdoc.cluster.leaders import Leaders
from raftdoc.database.requests import ClusterStatus, GroupStatus, MemberStatus, ReplicaStatus
from raftdoc.ids import CATALOG_GROUP, ClusterId, Index, NodeId, Term
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine.catalog_machine import DatabaseRecord

READY_LAG_ENTRIES_MAX = 1000

SHOWN_LIMITS = (
    "DOCUMENT_BYTES_MAX",
    "DOCUMENT_DEPTH_MAX",
    "DOCUMENT_ID_BYTES_MAX",
    "BULK_BYTES_MAX",
    "BULK_DOCUMENTS_MAX",
    "ATOMIC_BATCH_BYTES_MAX",
    "LIST_LIMIT_MAX",
    "DATABASES_MAX",
    "INDEXES_MAX",
    "INDEX_FIELDS_MAX",
    "INDEX_KEY_BYTES_MAX",
    "INDEX_ENTRIES_PER_DOCUMENT_MAX",
    "IDEMPOTENCY_KEY_BYTES_MAX",
    "IDEMPOTENCY_RETENTION_MS",
    "IDEMPOTENCY_RECORDS_MAX",
    "IDEMPOTENCY_ANSWER_BYTES_MAX",
    "REQUEST_TIMEOUT_MS",
    "REQUEST_TIMEOUT_MS_MAX",
)


class Status:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        leaders: Leaders,
        cluster_id: ClusterId,
        is_connected: Callable[[NodeId], bool],
        limits_in_force: dict[str, int],
    ) -> None:
        self._node = node
        self._directory = directory
        self._leaders = leaders
        self.cluster_id = cluster_id
        self._is_connected = is_connected
        self._limits = {name.lower(): int(getattr(limits, name)) for name in SHOWN_LIMITS} | limits_in_force

    def cluster(self) -> ClusterStatus:
        members = tuple(
            MemberStatus(record.id, record.http, record.peer, record.host, self.is_alive(record.id), record.state)
            for _, record in sorted(self._directory.nodes().items())
        )
        records = {record.group: record for record in self._directory.catalog.databases.values()}
        groups = tuple(
            self._group(replica)
            if (replica := self._node.replicas.get(group))
            else self._group_elsewhere(records[group])
            for group in sorted({*self._node.replicas, *records})
        )
        return ClusterStatus(self.cluster_id, self._node.node, members, groups, self._limits)

    def readiness(self) -> list[str]:
        """Return what is missing for this node to serve; nothing: it is ready."""
        missing = []
        me = self._directory.nodes().get(self._node.node)
        if me is not None and me.state == "joining":
            missing.append("this node is joining the cluster")
        if self._node.is_draining:
            missing.append("this node is stopping")
        if me is None:
            missing.append("this node is not registered in the catalog yet")
        for group, replica in self._node.replicas.items():
            core = replica.core
            lag = core.commit_index - replica.machine.applied_index
            if core.leader is None:
                missing.append(f"group {group} has no leader")
            elif lag > READY_LAG_ENTRIES_MAX:
                missing.append(f"group {group} has {lag} entries to apply")
            elif core.commit_index == 0:
                missing.append(f"group {group} has not heard its leader's commit index")
        return missing

    def urls_of(self, record: DatabaseRecord | None) -> tuple[str, ...]:
        """Return the URLs of the nodes that have a database: its leader first, then who is connected.

        Nothing where this node is one of them, or knows of no such database.
        """
        if record is None or self._node.node in record.replicas:
            return ()
        leader, nodes = self._leaders.of(record.group), self._directory.nodes()
        ranked = sorted(record.replicas, key=lambda node: (node != leader, not self.is_alive(node), node))
        return tuple(nodes[node].http for node in ranked if node in nodes)

    def is_alive(self, node: NodeId) -> bool:
        """Return whether a node is this one, or connected to it."""
        return node == self._node.node or self._is_connected(node)

    def _group(self, replica: Replica) -> GroupStatus:
        core = replica.core
        database = None if replica.group == CATALOG_GROUP else self._directory.database_of(replica.group)
        members = core.configuration.members()
        replicas = tuple(self._replica(replica, member) for member in sorted(members))
        return GroupStatus(replica.group, database, core.leader, core.term, core.commit_index, replicas)

    def _group_elsewhere(self, record: DatabaseRecord) -> GroupStatus:
        """Return what is known here of a group that has no replica here: term and commit index are not."""
        leader = self._leaders.of(record.group)
        replicas = tuple(
            ReplicaStatus(
                node, "leader" if node == leader else "follower", self._node.staleness.applied_index(node, record.group)
            )
            for node in record.replicas
        )
        return GroupStatus(record.group, record.name, leader, Term(0), Index(0), replicas)

    def _replica(self, replica: Replica, member: NodeId) -> ReplicaStatus:
        if member == self._node.node:
            role = replica.core.role.name.lower() if replica.core.configuration.is_voter(member) else "learner"
            return ReplicaStatus(member, role, replica.machine.applied_index)
        is_voter = replica.core.configuration.is_voter(member)
        role = "leader" if member == replica.core.leader else "follower" if is_voter else "learner"
        return ReplicaStatus(member, role, self._node.staleness.applied_index(member, replica.group))
