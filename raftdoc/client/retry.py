"""The client's only retry loop: one call, as many attempts as its deadline and the retry budget allow.

An attempt sends a request on a connection of its own and reads the whole answer. Whatever ends it early ends the
connection too: see `connection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Protocol, TypeVar

from raftdoc.client.answers import problem_of
from raftdoc.client.backoff import RetryBudget, final_error, may_repeat, wait_s
from raftdoc.client.call import Answer, Call
from raftdoc.client.connection import Head
from raftdoc.client.errors import InvalidAnswer, OutcomeUnknown, RaftdocError, Unreachable
from raftdoc.client.lease import Lease
from raftdoc.client.nodes import Balancer, NodeState
from raftdoc.client.pool import Pool


class Cluster(Protocol):
    """What is known of the nodes; `topology` keeps it."""

    def nodes(self) -> Sequence[NodeState]: ...

    def pool(self, node: NodeState) -> Pool: ...

    def leader(self, database: str | None) -> str | None: ...

    def note(self, node: NodeState, database: str | None, head: Head) -> None:
        """Take what an answer says about the cluster."""

    def suspect(self) -> None:
        """Learn the topology anew soon: a node did not answer."""

    async def check(self, node: NodeState, deadline_s: float) -> None:
        """Make sure that a node is one of the cluster."""


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Act(Protocol[T_co]):
    """One attempt; it adds the node that it asks to `tried`."""

    async def __call__(self, call: Call, deadline_s: float, tried: list[NodeState], /) -> T_co: ...


class Retrier:
    def __init__(self, cluster: Cluster, balancer: Balancer, budget: RetryBudget, random: Random) -> None:
        self._cluster = cluster
        self._balancer = balancer
        self._budget = budget
        self._random = random
        self._loop = asyncio.get_running_loop()

    async def run(self, call: Call, deadline_s: float) -> Answer:
        """Return the answer of a call that succeeded. The deadline is one of the loop's time.

        Raises:
            RaftdocError: see the tree of `errors`.
        """
        return await self._repeat(call, deadline_s, self._exchange)

    async def stream(self, call: Call, deadline_s: float) -> AsyncIterator[bytes]:
        """Yield the body of an answer as it arrives. Attempts are repeated until a body begins, not after.

        Raises:
            InvalidAnswer: the body ended early.
        """
        head, lease = await self._repeat(call, deadline_s, self._attempt)
        async for piece in lease.pieces(head):
            yield piece

    async def _repeat(self, call: Call, deadline_s: float, act: Act[T]) -> T:
        """Return what one attempt returns, after as many as it takes."""
        self._budget.on_call()
        tried: list[NodeState] = []
        attempt, was_unknown = 0, False
        while True:
            try:
                return await act(call, deadline_s, tried)
            except RaftdocError as error:
                error.idempotency_key = call.idempotency_key
                was_unknown = was_unknown or (call.is_write and error.outcome == "unknown")
                delay_s = max(wait_s(attempt, error, self._random), error.retry_after_s)
                is_late = self._loop.time() + delay_s >= deadline_s
                is_alone = len(set(tried)) >= len(self._cluster.nodes())
                repeats = may_repeat(error, is_safe=call.is_safe, is_alone=is_alone)
                if is_late or not repeats or not self._budget.take():
                    raise final_error(error, was_unknown=was_unknown) from error.__cause__
            if delay_s:
                await asyncio.sleep(delay_s)
            attempt += 1

    async def _exchange(self, call: Call, deadline_s: float, tried: list[NodeState]) -> Answer:
        head, lease = await self._attempt(call, deadline_s, tried)
        return Answer(head.status, head.message.headers, await lease.read(head), call.idempotency_key)

    async def _attempt(self, call: Call, deadline_s: float, tried: list[NodeState]) -> tuple[Head, Lease]:
        cluster = self._cluster
        now_s = self._loop.time()
        node = self._balancer.choose(cluster.nodes(), leader=cluster.leader(call.database), tried=tried, now_s=now_s)
        tried.append(node)
        pool = cluster.pool(node)
        try:
            if not node.is_checked:
                await cluster.check(node, deadline_s)
            connection = pool.take() or await pool.acquire(max(0.001, deadline_s - self._loop.time()))
        except Unreachable:
            node.failed(self._loop.time())
            cluster.suspect()
            raise
        lease = Lease(pool, connection, call)
        try:
            head = await lease.ask(deadline_s)
        except (InvalidAnswer, OutcomeUnknown):
            node.failed(self._loop.time())
            cluster.suspect()
            raise
        cluster.note(node, call.database, head)
        if head.status >= 300:
            raise problem_of(head, node, await lease.read(head), is_bare=call.method == "HEAD")
        return head, lease
