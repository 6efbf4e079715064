"""The cluster as placement sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from raftdoc.ids import GroupId, NodeId

NodeState: TypeAlias = Literal["joining", "member", "draining", "leaving", "removed"]
"""joining: it gets the catalog's log and no replicas yet. draining: its replicas go elsewhere, it stays. leaving: the
same, then it is removed. removed: for good, ids are never used again."""


class NodeView(NamedTuple):
    id: NodeId
    host: str
    """The machine: replicas of a group are kept on different ones where possible."""
    state: NodeState
    is_alive: bool
    """Heard of late. Who is not keeps what it has, and gets nothing new."""


class GroupView(NamedTuple):
    group: GroupId
    replica_count: int
    """How many replicas it is to have where there are so many nodes."""
    replicas: tuple[NodeId, ...]
    """Where they are to be, once the move that is under way is done."""
    settled: tuple[NodeId, ...]
    """Where they are: before the move that is under way."""
    leader: NodeId | None

    @property
    def is_moving(self) -> bool:
        return set(self.replicas) != set(self.settled)


class View(NamedTuple):
    nodes: Mapping[NodeId, NodeView]
    """Those that were removed are not in it."""
    groups: tuple[GroupView, ...]
    """Without the catalog, which every node has."""

    def members(self) -> list[NodeView]:
        """Return the nodes that replicas may be on, by id."""
        return sorted(node for node in self.nodes.values() if node.state == "member")

    def loads(self) -> dict[NodeId, int]:
        """Return how many replicas each node has, or is to have."""
        loads = dict.fromkeys(self.nodes, 0)
        for group in self.groups:
            for node in group.replicas:
                if node in loads:
                    loads[node] += 1
        return loads


class Move(NamedTuple):
    """The group is to have its replicas there, and nowhere else."""

    group: GroupId
    replicas: tuple[NodeId, ...]
    """Sorted."""
