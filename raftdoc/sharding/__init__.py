"""Where replicas belong: a view of the cluster in, placements out. Pure: the same view gives the same answer.

The caller's duties:

1. `View` is put together from the catalog and from what is known of the nodes; it may be old. A placement that
   came of an old view is safe all the same, because the catalog decides about it again when it is applied.
2. Ask again after every change: a plan names what is to be moved next, never the way there.

    for move in plan(view):
        catalog.write(move)         # how a group gets from here to there is the business of the conductor

It does not know Raft: who is a learner, whether a quorum lives, in which order replicas come and go.
"""

from raftdoc.sharding.placement import catalog_voters, choose, first_leader, plan, target
from raftdoc.sharding.quorums import at_risk
from raftdoc.sharding.view import GroupView, Move, NodeState, NodeView, View

__all__ = [
    "GroupView",
    "Move",
    "NodeState",
    "NodeView",
    "View",
    "at_risk",
    "catalog_voters",
    "choose",
    "first_leader",
    "plan",
    "target",
]
