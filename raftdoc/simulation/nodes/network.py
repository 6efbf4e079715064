"""The network between processes: MemoryHub, whose deliveries come late, in any order, or never.

A link that is *cut* breaks: both ends are told. One that is *silent* swallows what is sent, and nobody is told. Frames
come at most once: that is the contract of Transport, so none comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import Context
from random import Random
from typing import Any

from raftdoc.ids import BootId, NodeId
from raftdoc.simulation.nodes.event_loop import VirtualLoop
from raftdoc.simulation.nodes.plan import Plan
from raftdoc.transport.memory import MemoryHub, MemoryTransport


class Network:
    def __init__(
        self, loop: VirtualLoop, plan: Plan, random: Random, refuses: Callable[[NodeId, NodeId], bool]
    ) -> None:
        """`refuses(receiver, sender)`: whether a node lets another not in, as it would at the handshake."""
        self.hub = MemoryHub(self._later)
        self.is_calm = False
        """Nothing is lost or very late."""
        self.lost_count = 0
        self._loop = loop
        self._refuses = refuses
        self._plan = plan
        self._random = random
        self._contexts: dict[tuple[NodeId, BootId], Context] = {}
        self._silent: set[tuple[NodeId, NodeId]] = set()

    def transport(self, node: NodeId, boot_id: BootId, context: Context) -> MemoryTransport:
        """Return a new life of a node; what it is told runs in its context."""
        self._contexts[node, boot_id] = context
        return self.hub.transport(node, boot_id)

    def isolate(self, node: NodeId, others: Iterable[NodeId]) -> None:
        for other in others:
            if other != node:
                self.hub.cut(node, other)

    def silence(self, links: Iterable[tuple[NodeId, NodeId]]) -> None:
        """Lose what is sent on these links, (sender, receiver), from now on."""
        self._silent.update(links)

    def mend(self) -> None:
        self._silent.clear()
        self.hub.heal()

    def delay_ns(self) -> int:
        """Return how long something takes from one machine to another."""
        random, plan = self._random, self._plan
        delay_ns = int(plan.delay_ns * (0.2 + random.random()))
        if plan.delay_tail_ns and not self.is_calm and random.random() < 0.05:
            delay_ns += random.randrange(plan.delay_tail_ns)
        return delay_ns

    def _later(self, callback: Any, *arguments: Any) -> None:
        """Have a delivery (from, to, frame), or a report to a transport, happen some time."""
        is_delivery = bool(arguments) and isinstance(arguments[0], MemoryTransport)
        target: MemoryTransport = arguments[1] if is_delivery else callback.__self__
        if is_delivery and self._is_lost(arguments[0].node, target.node):
            self.lost_count += 1
            return
        context = self._contexts[target.node, target.boot_id]
        self._loop.after_ns(self.delay_ns(), callback, *arguments, context=context)

    def _is_lost(self, sender: NodeId, receiver: NodeId) -> bool:
        if (sender, receiver) in self._silent or self._refuses(receiver, sender):
            return True
        return not self.is_calm and self._plan.drop > 0 and self._random.random() < self._plan.drop
