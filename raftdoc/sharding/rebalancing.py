"""What is left to be done until every replica and every leadership is where it belongs, step by step and why.

Replicas go where `placement.plan` says, plan after plan. Then leaderships are evened out: no node leads two groups
more than another that could lead one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import Literal, NamedTuple

from raftdoc.ids import GroupId, NodeId
from raftdoc.sharding.placement import LOAD_DIFFERENCE_MAX, plan
from raftdoc.sharding.view import GroupView, Move, View


class Relocation(NamedTuple):
    """One replica, or the leadership, of one group goes from one node to another."""

    group: GroupId
    kind: Literal["replica", "leadership"]
    source: NodeId | None
    """None: a replica more."""
    target: NodeId | None
    """None: a replica less."""
    why: str


def relocations(view: View) -> Iterator[Relocation]:
    """Yield what is under way, then what is to be done, in the order in which it would be.

    One step may look at all groups: whoever serves requests meanwhile does so between two of them.
    """
    for group in view.groups:
        if group.is_moving:
            yield from _steps(group.group, group.settled, group.replicas, "it is under way")
    moving = {group.group for group in view.groups if group.is_moving}
    view = view._replace(groups=tuple(group._replace(settled=group.replicas) for group in view.groups))
    while moves := plan(view):
        for move in moves:
            group = next(group for group in view.groups if group.group == move.group)
            moving.add(group.group)
            yield from _steps(group.group, group.replicas, move.replicas, _reason(view, group, move))
        view = _moved(view, moves)
    yield from leaderships(view._replace(groups=tuple(group for group in view.groups if group.group not in moving)))


def leaderships(view: View) -> list[Relocation]:
    """Return which groups are better led by another of their nodes, by group, each once.

    Groups that move are left alone: who of them will lead is not known yet.
    """
    members = {node.id for node in view.members()}
    may_lead = {node.id for node in view.members() if node.is_alive}
    groups = {group.group: group for group in view.groups if group.leader in members and not group.is_moving}
    leaders = {id: group.leader for id, group in groups.items() if group.leader is not None}
    led = Counter(leaders.values())
    # Ends: every hand-over makes the sum of the squares of what nodes lead smaller.
    while sum(_hand_over(groups[id], leaders, led, may_lead) for id in sorted(groups)):
        pass
    return [_handed_over(groups[id], leaders[id], view) for id in sorted(groups) if leaders[id] != groups[id].leader]


def _hand_over(
    group: GroupView, leaders: dict[GroupId, NodeId], led: Counter[NodeId], may_lead: Collection[NodeId]
) -> bool:
    """Have the replica lead whose node leads least, if that makes leaderships more even; return whether it does."""
    leader = leaders[group.group]
    heirs = [node for node in group.replicas if node in may_lead]
    target = min(heirs, key=lambda node: (led[node], node), default=leader)
    if led[leader] - led[target] <= LOAD_DIFFERENCE_MAX:
        return False
    leaders[group.group] = target
    led[leader] -= 1
    led[target] += 1
    return True


def _handed_over(group: GroupView, target: NodeId, view: View) -> Relocation:
    led = Counter(each.leader for each in view.groups)
    why = f"{group.leader} leads {led[group.leader]} groups, {target} leads {led[target]}"
    return Relocation(group.group, "leadership", group.leader, target, why)


def _steps(group: GroupId, before: Collection[NodeId], after: Collection[NodeId], why: str) -> Iterator[Relocation]:
    old, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    for source, target in zip_longest(old, new):
        yield Relocation(group, "replica", source, target, why)


def _moved(view: View, moves: list[Move]) -> View:
    """Return the view once the moves are done."""
    to = {move.group: move.replicas for move in moves}
    groups = [
        group._replace(replicas=to[group.group], settled=to[group.group]) if group.group in to else group
        for group in view.groups
    ]
    return view._replace(groups=tuple(groups))


def _reason(view: View, group: GroupView, move: Move) -> str:
    """Return which rule of placement asks for a move, in the order of the rules."""
    for node in group.replicas:
        known = view.nodes.get(node)
        if node in move.replicas:
            continue
        if known is None:
            return f"node {node} was removed"
        if known.state != "member":
            return f"node {node} is {known.state}"
    if len(group.replicas) < group.replica_count:
        return f"the group has {len(group.replicas)} of {group.replica_count} replicas"
    hosts = [{view.nodes[node].host for node in nodes} for nodes in (group.replicas, move.replicas)]
    if len(hosts[1]) > len(hosts[0]):
        return "its replicas share a host"
    loads = view.loads()
    counts = [f"{node} has {loads[node]}" for node in sorted(set(group.replicas) ^ set(move.replicas))]
    return f"nodes are to have equally many replicas: {', '.join(counts)}"
