"""Who leads a group that may have no replica here: what was heard last, else those who may know."""

from __future__ import annotations

from collections.abc import Iterable

from raftdoc.ids import GroupId, NodeId
from raftdoc.node.node import Node


class Leaders:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._heard: dict[GroupId, NodeId] = {}

    def of(self, group: GroupId) -> NodeId | None:
        """Return the leader as this node's own replica knows it, else as it was heard last; None: neither."""
        replica = self._node.replicas.get(group)
        leader = None if replica is None else replica.core.leader
        return leader or self._heard.get(group) or self._node.staleness.leader(group)

    def learn(self, group: GroupId, leader: NodeId) -> None:
        self._heard[group] = leader

    def forget(self, group: GroupId) -> None:
        self._heard.pop(group, None)

    def candidates(self, group: GroupId, hosts: Iterable[NodeId]) -> list[NodeId]:
        """Return whom to ask, each once: the leader if it is known, this node if it has a replica, then the hosts."""
        first = [node for node in (self.of(group),) if node is not None]
        own = [self._node.node] if group in self._node.replicas else []
        return list(dict.fromkeys([*first, *own, *sorted(hosts)]))
