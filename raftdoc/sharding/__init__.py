"""Where replicas belong: a view of the cluster in, placements out. Pure: the same view gives the same answer.

The caller's duties:

1. `View` is put together from the catalog and from what is known of the nodes; it may be old. A placement that
   came of an old view is safe all the same, because the catalog decides about it again when it is applied.
2. Ask again after every change: a plan names what is to be moved next, never the way there.

    for move in plan(view):
        catalog.write(move)         # how a group gets from here to there is the business of the conductor

`next_step` is the way: what is to be asked of the group's leader next, from how the group is now. None of it carries
anything out.
"""

from raftdoc.sharding.placement import catalog_voters, choose, first_leader, plan, target
from raftdoc.sharding.quorums import at_risk
from raftdoc.sharding.rebalancing import Relocation, leaderships, relocations
from raftdoc.sharding.steps import Change, Done, GiveUp, GroupState, HandOver, Step, Wait, next_step
from raftdoc.sharding.view import GroupView, Move, NodeState, NodeView, View

__all__ = [
    "Change",
    "Done",
    "GiveUp",
    "GroupState",
    "GroupView",
    "HandOver",
    "Move",
    "NodeState",
    "NodeView",
    "Relocation",
    "Step",
    "View",
    "Wait",
    "at_risk",
    "catalog_voters",
    "choose",
    "first_leader",
    "leaderships",
    "next_step",
    "plan",
    "relocations",
    "target",
]
