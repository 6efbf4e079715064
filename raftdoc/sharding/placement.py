"""Placement: few rules, in this order.

1. Replicas leave nodes that are drained or are leaving, and nodes that did not take them before they died.
2. A group has as many replicas as it is to have, or as there are nodes.
3. The replicas of a group are on different hosts where there are so many.
4. Nodes have about the same number of replicas: no two of them differ by two or more.

What nobody asked for (3 and 4, for a group that is complete) happens one replica at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from raftdoc.ids import NodeId
from raftdoc.sharding.view import GroupView, Move, NodeView, View

CATALOG_VOTERS_MAX: Final = 5
LOAD_DIFFERENCE_MAX: Final = 1
NODES_TRIED_MAX: Final = 8
"""Of the most and of the least loaded: this is worked out again and again, in a loop that serves requests."""


def choose(view: View, count: int) -> tuple[NodeId, ...]:
    """Return where a new group with so many replicas belongs, sorted; fewer where there are not so many nodes."""
    return tuple(sorted(_fill(view, (), count, view.loads())))


def first_leader(view: View, replicas: Collection[NodeId]) -> NodeId:
    """Return which of the replicas is to lead a new group: the one that leads the fewest."""
    led = dict.fromkeys(replicas, 0)
    for group in view.groups:
        if group.leader in led:
            led[group.leader] += 1
    return min(replicas, key=lambda node: (led[node], node))


def target(view: View, group: GroupView, loads: Mapping[NodeId, int]) -> tuple[NodeId, ...]:
    """Return where the replicas of a group have to be by rules 1 and 2, sorted.

    The same as now where nothing has to change, or where there is no node to go to.
    """
    kept = [node for node in group.replicas if _may_stay(view, group, node)]
    wanted = _fill(view, kept, group.replica_count, loads)
    return tuple(sorted(wanted or group.replicas))


def plan(view: View) -> list[Move]:
    """Return what has to be moved now, by group; where nothing has to, what is better moved, one replica at most."""
    loads = view.loads()
    moves = []
    for group in sorted(view.groups, key=lambda group: group.group):
        if _is_in_place(view, group):
            continue
        wanted = target(view, group, loads)
        if wanted != tuple(sorted(group.replicas)):
            moves.append(Move(group.group, wanted))
            _shift(loads, group.replicas, wanted)
    if moves or any(group.is_moving for group in view.groups):
        return moves
    better = _better(view, loads)
    return [] if better is None else [better]


def catalog_voters(view: View, current: Collection[NodeId]) -> tuple[NodeId, ...]:
    """Return who is to vote in the catalog's group, sorted: up to five members, an odd number of them from three on.

    `current` are those who vote now; they stay where they may. Every other node follows the catalog without a vote.
    """
    members = view.members()
    count = min(CATALOG_VOTERS_MAX, len(members))
    if count == CATALOG_VOTERS_MAX - 1:
        count -= 1
    kept = [node.id for node in members if node.id in current]
    kept.sort(key=lambda id_: (not view.nodes[id_].is_alive, id_))
    no_loads = dict.fromkeys(view.nodes, 0)
    wanted = _fill(view, kept[:count], count, no_loads)
    return tuple(sorted(wanted or current))


def _may_stay(view: View, group: GroupView, node: NodeId) -> bool:
    known = view.nodes.get(node)
    if known is None or known.state != "member":
        return False
    return known.is_alive or node in group.settled


def _fill(view: View, kept: Iterable[NodeId], count: int, loads: Mapping[NodeId, int]) -> list[NodeId]:
    """Return `kept` with living members added until they are `count`: on other hosts first, then the least loaded."""
    chosen = list(kept)
    candidates = [node for node in view.members() if node.is_alive and node.id not in chosen]
    while candidates and len(chosen) < count:
        hosts = {view.nodes[node].host for node in chosen}
        best = min(candidates, key=lambda node: (node.host in hosts, loads[node.id], node.id))
        candidates.remove(best)
        chosen.append(best.id)
    return chosen


def _shift(loads: dict[NodeId, int], before: Iterable[NodeId], after: Iterable[NodeId]) -> None:
    for nodes, change in ((before, -1), (after, 1)):
        for node in nodes:
            if node in loads:
                loads[node] += change


def _is_in_place(view: View, group: GroupView) -> bool:
    """Return whether rules 1 and 2 ask for nothing; told without looking at every node."""
    return len(group.replicas) >= group.replica_count and all(_may_stay(view, group, node) for node in group.replicas)


def _better(view: View, loads: Mapping[NodeId, int]) -> Move | None:
    """Return the one exchange of a replica that helps rule 3, else rule 4."""
    living = [node for node in view.members() if node.is_alive]
    return _spread(view, living, loads) or _even_out(view, living, loads)


def _spread(view: View, living: Sequence[NodeView], loads: Mapping[NodeId, int]) -> Move | None:
    """Return the exchange that brings a group to one host more."""
    host_count = len({node.host for node in living})
    for group in sorted(view.groups, key=lambda group: group.group):
        hosts = [view.nodes[node].host for node in group.replicas if node in view.nodes]
        if len(set(hosts)) == len(hosts) or len(set(hosts)) >= host_count:
            continue
        crowded = [node for node in group.replicas if hosts.count(view.nodes[node].host) > 1]
        old = max(crowded, key=lambda node: (node != group.leader, loads[node], node))
        free = [node for node in living if node.host not in hosts]
        if free:
            return _exchange(group, old, min(free, key=lambda node: (loads[node.id], node.id)).id)
    return None


def _even_out(view: View, living: Sequence[NodeView], loads: Mapping[NodeId, int]) -> Move | None:
    """Return the exchange from one of the most loaded nodes to one of the least loaded that makes no host crowded."""
    leads = Counter(group.leader for group in view.groups)
    heavy = sorted(view.members(), key=lambda node: (-loads[node.id], leads[node.id], node.id))[:NODES_TRIED_MAX]
    light = sorted(living, key=lambda node: (loads[node.id], node.id))[:NODES_TRIED_MAX]
    for old in heavy:
        for new in light:
            if loads[old.id] - loads[new.id] <= LOAD_DIFFERENCE_MAX:
                break
            fitting = [group for group in view.groups if _fits(view, group, old, new)]
            if fitting:
                return _exchange(min(fitting, key=lambda group: (group.leader == old.id, group.group)), old.id, new.id)
    return None


def _fits(view: View, group: GroupView, old: NodeView, new: NodeView) -> bool:
    """Return whether a replica of a group may go from one node to the other by rule 3."""
    if old.id not in group.replicas or new.id in group.replicas:
        return False
    others = {view.nodes[node].host for node in group.replicas if node != old.id}
    return new.host not in others or old.host in others


def _exchange(group: GroupView, old: NodeId, new: NodeId) -> Move:
    return Move(group.group, tuple(sorted({*group.replicas, new} - {old})))
