"""Which groups would be left without a living majority when a node goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raftdoc.ids import GroupId, NodeId
from raftdoc.sharding.view import View


def at_risk(view: View, voters: Mapping[GroupId, Collection[NodeId]], leaving: NodeId) -> list[GroupId]:
    """Return the groups that may not lose a node: without it, no majority of what is left lives, or nothing is left.

    `voters` are who has a vote in each group now, the catalog's included. A node with a vote goes by a vote of the
    others: so a group is also at risk whose majority does not live as it is.
    """
    return sorted(group for group, nodes in voters.items() if not _survives(view, set(nodes), leaving))


def _survives(view: View, nodes: set[NodeId], leaving: NodeId) -> bool:
    if leaving not in nodes:
        return True
    left = nodes - {leaving}
    heirs = {node.id for node in view.members() if node.is_alive and node.id != leaving}
    living_left = left & {node.id for node in view.nodes.values() if node.is_alive}
    living = living_left | ({leaving} if leaving in view.nodes and view.nodes[leaving].is_alive else set())
    if 2 * len(living) <= len(nodes):
        return False
    if heirs - left:
        # Somebody takes its place before it goes.
        return 2 * (len(living_left) + 1) > len(left) + 1
    return bool(left) and 2 * len(living_left) > len(left)
