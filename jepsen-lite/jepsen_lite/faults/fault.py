"""What every fault offers, and what it works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from jepsen_lite.cluster import Cluster
from jepsen_lite.faults.disk_library import Disk
from jepsen_lite.links import Links
from jepsen_lite.observer import Observer

MINORITY_TARGETS = ("one", "minority", "leader")
ANY_TARGETS = ("one", "one", "minority", "leader", "leader", "followers", "majority", "all")
"""Drawn with these weights: while everything is down there is nothing to be wrong about."""


@dataclass(slots=True)
class World:
    """What a fault can reach."""

    cluster: Cluster
    links: Links
    observer: Observer
    random: Random
    client_names: Sequence[str] = ()
    """Clients whose requests go through proxies; empty where no fault needs that."""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    """Of each founder, where a fault needs the library that stands before the disk."""
    hurt: set[str] = field(default_factory=set)
    """Nodes whose files a fault holds in its hands: nobody else starts or damages them."""

    def pick(self, kinds: Sequence[str]) -> list[str]:
        """Return the nodes of a target kind that is drawn."""
        return self.target(self.random.choice(kinds))

    def target(self, kind: str) -> list[str]:
        """Return the founders that a word means; a leader that is not known is any node."""
        nodes = list(self.cluster.founders)
        self.random.shuffle(nodes)
        most = len(nodes) // 2
        leader = self.observer.leader
        first = leader if leader in nodes else nodes[0]
        counts = {"one": 1, "minority": max(most, 1), "majority": most + 1, "all": len(nodes)}
        if kind == "leader":
            return [first]
        if kind == "followers":
            return [node for node in nodes if node != first]
        return nodes[: counts[kind]]


class Fault(Protocol):
    name: str
    settings: Mapping[str, str]
    """What the nodes have to be started with."""
    has_client_links: bool
    """Whether it needs proxies between clients and nodes."""
    has_disk_library: bool
    """Whether it needs the nodes' system calls."""

    def available(self) -> str | None:
        """Return why it cannot be had here, None if it can."""
        ...

    def equip(self, cluster: Cluster) -> None:
        """Give the nodes what the fault needs, before they are started for the first time."""
        ...

    async def start(self, world: World) -> Any:
        """Break something, and return what in words of JSON."""
        ...

    async def stop(self, world: World) -> Any:
        """Heal it."""
        ...

    async def seen(self, world: World) -> int:
        """Return how often somebody else noticed it, over the whole run; asked after the last heal."""
        ...


@dataclass(slots=True)
class Plain:
    """What most faults have in common: nothing is needed."""

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    has_client_links: bool = False
    has_disk_library: bool = False

    def available(self) -> str | None:
        return None

    def equip(self, cluster: Cluster) -> None:
        return
