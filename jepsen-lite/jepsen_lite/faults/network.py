"""Faults of the network: what the proxies between nodes, and between clients and nodes, are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from jepsen_lite.faults.fault import Plain, World
from jepsen_lite.links import Pair, Rule

Cut: TypeAlias = Callable[[World], list[Pair]]

BLOCKED = Rule(is_blocked=True)


def _between(left: Sequence[str], right: Sequence[str]) -> list[Pair]:
    return [pair for a in left for b in right if a != b for pair in ((a, b), (b, a))]


def halves(world: World) -> list[Pair]:
    """Return the links between a minority and a majority."""
    few = world.target("minority")
    return _between(few, [node for node in world.cluster.founders if node not in few])


def ring(world: World) -> list[Pair]:
    """Return all links but those of a ring: every node sees its two neighbours."""
    nodes = world.target("all")
    near = {frozenset((node, nodes[at - 1])) for at, node in enumerate(nodes)}
    return [(a, b) for a in nodes for b in nodes if a != b and frozenset((a, b)) not in near]


def bridge(world: World) -> list[Pair]:
    """Return the links between two halves that only one node connects."""
    nodes = world.target("all")
    middle = len(nodes) // 2
    return _between(nodes[:middle], nodes[middle + 1 :])


def isolated_leader(world: World) -> list[Pair]:
    """Return the leader's links to the others; clients still reach it."""
    return _between(world.target("leader"), world.cluster.founders)


def one_node(world: World) -> list[Pair]:
    """Return all links of one node."""
    return _between(world.target("one"), world.cluster.founders)


def one_way(world: World) -> list[Pair]:
    """Return one direction of a node's links: it hears and is not heard, or the other way round."""
    (node,) = world.pick(("one", "leader"))
    others = [other for other in world.cluster.founders if other != node]
    is_mute = world.random.random() < 0.5
    return [(node, other) if is_mute else (other, node) for other in others]


def all_links(world: World) -> list[Pair]:
    """Return every link between nodes."""
    return [(a, b) for a in world.cluster.founders for b in world.cluster.founders if a != b]


def leader_links(world: World) -> list[Pair]:
    """Return the links of the leader, or all."""
    return isolated_leader(world) if world.random.random() < 0.5 else all_links(world)


def answers(world: World) -> list[Pair]:
    """Return the ways from the nodes back to the clients."""
    return [(node, client) for node in world.cluster.founders for client in world.client_names]


def client_links(world: World) -> list[Pair]:
    """Return both ways between some nodes and the clients."""
    nodes = world.pick(("one", "minority", "leader"))
    return _between(nodes, world.client_names)


@dataclass(slots=True)
class Bend(Plain):
    """Some links follow a rule for a while. Noticed: the proxy counted bytes that the rule met."""

    cut: Cut = all_links
    rule: Rule = BLOCKED
    count: str = "blocked"
    pairs: list[Pair] = field(default_factory=list)
    noticed: int = 0
    before: int = 0
    nodes_min: int = 1

    async def start(self, world: World) -> Any:
        self.pairs = self.cut(world)
        self.before = world.links.counts[self.count]
        world.links.bend(self.pairs, self.rule)
        return [f"{a}>{b}" for a, b in self.pairs]

    async def stop(self, world: World) -> Any:
        world.links.restore(self.pairs, self.rule)
        self.noticed += world.links.counts[self.count] - self.before
        self.before = world.links.counts[self.count]
        return {self.count: self.noticed}

    async def seen(self, world: World) -> int:
        return self.noticed
