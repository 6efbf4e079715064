"""What is on the way between nodes: late, twice, never, out of order, one way only, or again long after."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import TypeAlias

from raftdoc.ids import NodeId, Term
from raftdoc.raft.messages import AppendResponse, Message
from raftdoc.simulation.cores.plan import Plan

REMEMBERED_MAX = 400
TAIL_SHARE = 0.05
Sent: TypeAlias = tuple[NodeId, NodeId, Message]


class Network:
    """`schedule(delay_ns, act, *arguments)` is the world's; `deliver(sender, peer, message)` its end of the wire."""

    def __init__(
        self,
        plan: Plan,
        random: Random,
        schedule: Callable[..., None],
        deliver: Callable[[NodeId, NodeId, Message], None],
    ) -> None:
        self._plan = plan
        self._random = random
        self._schedule = schedule
        self._deliver = deliver
        self._cut: set[tuple[NodeId, NodeId]] = set()
        self._remembered: deque[Sent] = deque(maxlen=REMEMBERED_MAX)
        self._answers: deque[Sent] = deque(maxlen=REMEMBERED_MAX)
        self.is_calm = False
        self.sent_count = 0
        self.lost_count = 0

    def send(self, sender: NodeId, peer: NodeId, message: Message) -> bool:
        """Put a message on the way; return whether it is."""
        plan, random = self._plan, self._random
        self.sent_count += 1
        if (sender, peer) in self._cut or (plan.drop and not self.is_calm and random.random() < plan.drop):
            self.lost_count += 1
            return False
        self._remembered.append((sender, peer, message))
        if isinstance(message, AppendResponse):
            self._answers.append((sender, peer, message))
        self._schedule(self._delay_ns(), self._arrive, sender, peer, message)
        if plan.duplicate and random.random() < plan.duplicate:
            self._schedule(self._delay_ns(), self._arrive, sender, peer, message)
        return True

    def send_again(self, random: Random, count: int) -> None:
        """Deliver some of what was sent before once more, whatever has happened since."""
        if self._remembered:
            self._repeat(random.choices(self._remembered, k=count))

    def answer_again(self, random: Random, count: int, leader: NodeId, term: Term) -> None:
        """Deliver some of the answers to a leader once more that it had when it led in an earlier term."""
        old = [one for one in self._answers if one[1] == leader and one[2].term < term]
        if old:
            self._repeat(random.choices(old, k=count))

    def cut(self, pairs: Iterable[tuple[NodeId, NodeId]]) -> None:
        """Let nothing pass from the first to the second of each pair, nor what is on the way."""
        self._cut.update(pairs)

    def isolate(self, node: NodeId, others: Iterable[NodeId]) -> None:
        """Cut a node off from the others, both ways."""
        for other in others:
            self._cut |= {(node, other), (other, node)}

    def is_cut(self, sender: NodeId, peer: NodeId) -> bool:
        return (sender, peer) in self._cut

    def mend(self) -> None:
        self._cut.clear()

    def _repeat(self, sent: list[Sent]) -> None:
        for sender, peer, message in sent:
            self._schedule(self._delay_ns(), self._arrive, sender, peer, message)

    def _arrive(self, sender: NodeId, peer: NodeId, message: Message) -> None:
        if (sender, peer) not in self._cut:
            self._deliver(sender, peer, message)

    def _delay_ns(self) -> int:
        plan = self._plan
        if plan.delay_tail_ns and not self.is_calm and self._random.random() < TAIL_SHARE:
            return self._random.randrange(plan.delay_tail_ns)
        return int(plan.delay_ns * (0.5 + self._random.random()))
