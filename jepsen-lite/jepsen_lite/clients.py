"""Clients: each does one thing at a time under a process id, which dies with an unknown outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from jepsen_lite.clock import Clock
from jepsen_lite.exchange import Answer, Request, send
from raftdoc.simulation.history import Recorder

TIMEOUT_S = 2.0
AVOIDED_S = 1.0


@dataclass(slots=True)
class Shared:
    """What all clients of a run have in common."""

    recorder: Recorder
    clock: Clock
    client_count: int
    exchanges: list[tuple[int, int, int]] = field(default_factory=list)
    """By the senders' own watch: the index of the invocation, when its request left, when its answer was there."""
    timeout_s: float = TIMEOUT_S


class Client:
    """One client. `ports` says where it reaches each node: a proxy of its own, or the node itself."""

    def __init__(self, number: int, ports: Mapping[str, int], shared: Shared, random: Random) -> None:
        self.number = number
        self.random = random
        self.shared = shared
        self.ports = dict(ports)
        self.process = number
        self.write_count = 0
        self._avoided_until_s: dict[str, float] = {}

    @property
    def nodes(self) -> Sequence[str]:
        return tuple(self.ports)

    def new_id(self) -> str:
        """Return an idempotency key that nobody else uses."""
        self.write_count += 1
        return f"c{self.number}-{self.write_count}"

    def pick_node(self) -> str:
        """Return any node, rather one that answered lately."""
        now_s = time.monotonic()
        good = [node for node in self.ports if self._avoided_until_s.get(node, 0.0) <= now_s]
        return self.random.choice(good or list(self.ports))

    async def send(self, request: Request, node: str | None = None) -> Answer:
        """Send without recording."""
        node = node or self.pick_node()
        answer = await send(self.ports[node], node, request, self.shared.timeout_s)
        if answer.status in {0, 503, 507}:
            self._avoided_until_s[node] = time.monotonic() + AVOIDED_S
        return answer

    async def perform(
        self,
        f: str,
        key: str | None,
        value: Any,
        request: Request,
        *,
        read: Callable[[Answer], Any] | None = None,
        revise: Callable[[Answer], Answer] | None = None,
        node: str | None = None,
    ) -> Answer:
        """Record, send, record.

        Args:
            read: what an ok answer says; default: the value asked.
            revise: turns an answer into what it means for this operation, say a 404 into "nothing is there".
        """
        shared = self.shared
        invoked = shared.recorder.invoke(shared.clock.now_ns(), self.process, f, key, value, id=request.id)
        sent_ns = shared.clock.now_ns()
        answer = await self.send(request, node)
        shared.exchanges.append((invoked.index, sent_ns, shared.clock.now_ns()))
        answer = revise(answer) if revise else answer
        result = read(answer) if read and answer.outcome == "ok" else value
        shared.recorder.complete(
            invoked,
            shared.clock.now_ns(),
            answer.outcome,
            result,
            error=answer.error,
            revision=answer.revision if answer.outcome == "ok" else None,
            raft=answer.raft if request.is_read else None,
        )
        if answer.outcome == "info":
            self.die()
        return answer

    async def perform_all(
        self, f: str, key: str | None, value: Any, act: Callable[[], Awaitable[Answer]], *, id: str | None = None
    ) -> Answer:
        """Record several requests as one operation; the body of what act returns is the answer."""
        shared = self.shared
        invoked = shared.recorder.invoke(shared.clock.now_ns(), self.process, f, key, value, id=id)
        sent_ns = shared.clock.now_ns()
        answer = await act()
        shared.exchanges.append((invoked.index, sent_ns, shared.clock.now_ns()))
        result = answer.body if answer.outcome == "ok" else value
        shared.recorder.complete(invoked, shared.clock.now_ns(), answer.outcome, result, error=answer.error)
        if answer.outcome == "info":
            self.die()
        return answer

    def die(self) -> None:
        """Go on as another process."""
        self.process += self.shared.client_count


async def pace(random: Random, rate_per_s: float) -> None:
    """Wait as long as arrivals at random lie apart."""
    await asyncio.sleep(min(random.expovariate(rate_per_s), 2.0))
