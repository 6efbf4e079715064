"""Finds the leader of a group and gets a command there, under one deadline.

This is the only retry loop of the server. It repeats what certainly did not happen (no leader, not the leader,
draining), and what is unknown only where an idempotency key makes that safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.leaders import Leaders
from raftdoc.errors import (
    DeadlineExceeded,
    Draining,
    NoLeader,
    NotHosted,
    NotLeader,
    OutcomeUnknown,
    RaftdocError,
)
from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import NS_PER_S
from raftdoc.node.node import Node
from raftdoc.node.proposals import Proposal, Waiter
from raftdoc.node.replica import Replica
from raftdoc.statemachine.outcome import Outcome

BACKOFF_S_MIN = 0.01
BACKOFF_S_MAX = 0.2
RETRIED = (NotLeader, NoLeader, Draining)


def is_repeatable(error: RaftdocError, *, has_key: bool) -> bool:
    """Return whether a write that ran into this is sent again: it certainly did not happen, or its key protects it."""
    return isinstance(error, RETRIED) or (has_key and isinstance(error, OutcomeUnknown))


class FirstAttempt:
    """A Waiter: hands the outcome on, or has the router try again."""

    __slots__ = ("_accept", "_command", "_deadline_ns", "_group", "_has_key", "_router", "future")

    def __init__(
        self,
        router: Router,
        group: GroupId,
        command: bytes,
        deadline_ns: int,
        has_key: bool,
        accept: Callable[[Outcome], Outcome],
        future: asyncio.Future[Outcome],
    ) -> None:
        self._router = router
        self._group = group
        self._command = command
        self._deadline_ns = deadline_ns
        self._has_key = has_key
        self._accept = accept
        self.future = future

    def done(self) -> bool:
        return self.future.done()

    def set_result(self, result: Outcome, /) -> None:
        try:
            self.future.set_result(self._accept(result))
        except RaftdocError as error:
            self.future.set_exception(error)

    def set_exception(self, exception: BaseException, /) -> None:
        if isinstance(exception, RaftdocError) and is_repeatable(exception, has_key=self._has_key):
            retry = self._router.again(
                self._group, self._command, self._deadline_ns, has_key=self._has_key, after=exception
            )
            retry.add_done_callback(self._retried)
            # Who gives up on the future gives up on the retries.
            self.future.add_done_callback(lambda _: retry.cancel())
        else:
            self.future.set_exception(exception)

    def _retried(self, retry: asyncio.Future[Outcome]) -> None:
        if self.future.done():
            return
        if retry.cancelled():
            self.future.cancel()
        elif (error := retry.exception()) is not None:
            self.future.set_exception(error)
        else:
            self.set_result(retry.result())


class Router:
    def __init__(self, node: Node, random: Random, directory: Directory, leaders: Leaders) -> None:
        self._node = node
        self._random = random
        self._directory = directory
        self._leaders = leaders
        self._loop = asyncio.get_running_loop()

    def start(
        self,
        group: GroupId,
        command: bytes,
        deadline_ns: int,
        *,
        has_key: bool,
        accept: Callable[[Outcome], Outcome],
    ) -> asyncio.Future[Outcome]:
        """Begin a write as `write` does it; the future has what `accept` returns of its outcome, or raises.

        Nearly always the first attempt is the last: it is answered by the turn, without a task.
        """
        first = FirstAttempt(self, group, command, deadline_ns, has_key, accept, self._loop.create_future())
        try:
            self._attempt(group, command, deadline_ns, first)
        except RaftdocError as error:
            first.set_exception(error)
        return first.future

    def again(
        self, group: GroupId, command: bytes, deadline_ns: int, *, has_key: bool, after: RaftdocError
    ) -> asyncio.Task[Outcome]:
        """Go on with a write whose first attempt ended in `after`: in a task of the node's own loop, whoever calls."""
        return self._loop.create_task(self.write(group, command, deadline_ns, has_key=has_key, after=after))

    async def write(
        self,
        group: GroupId,
        command: bytes,
        deadline_ns: int,
        *,
        has_key: bool,
        after: RaftdocError | None = None,
    ) -> Outcome:
        """Return the outcome of a command, wherever the group's leader is. `after` is what a first attempt met.

        Raises:
            DeadlineExceeded: its `outcome` says whether the command may still take effect.
            OutcomeUnknown: it was sent and lost sight of, and has no idempotency key.
        """
        attempt, is_unknown, last = 0, isinstance(after, OutcomeUnknown), after
        while True:
            if last is not None:
                self._learn(group, last)
                await self._back_off(attempt, deadline_ns, last, is_unknown=is_unknown)
                attempt += 1
            try:
                waiter: asyncio.Future[Outcome] = self._loop.create_future()
                self._attempt(group, command, deadline_ns, waiter)
                return await waiter
            except RaftdocError as error:
                if not is_repeatable(error, has_key=has_key):
                    if is_unknown and error.outcome != "unknown":
                        # That this attempt came to nothing says nothing of those before it.
                        raise OutcomeUnknown(f"an attempt was lost sight of; the last one: {error.detail}") from error
                    raise
                last, is_unknown = error, is_unknown or isinstance(error, OutcomeUnknown)

    async def read_barrier(self, group: GroupId, deadline_ns: int) -> Replica:
        """Return this node's replica once its state may answer a linearizable read that arrived before the call."""
        attempt = 0
        while True:
            replica = self.local(group)
            try:
                await self._node.read_barrier(replica, deadline_ns)
            except RETRIED as error:
                await self._back_off(attempt, deadline_ns, error, is_unknown=False)
                attempt += 1
            else:
                # Safety: it may have left between the answer and this moment, and its state is removed already.
                if self._node.hosts(replica):
                    return replica

    async def hosted(self, group: GroupId, deadline_ns: int) -> Replica:
        """Return this node's replica of a group that the catalog places here, once it has been created."""
        attempt = 0
        while (replica := self._node.replicas.get(group)) is None:
            if self._node.node not in self._hosts(group):
                raise self._missing(group)
            missing = NoLeader(f"this node has not created group {group} yet")
            await self._back_off(attempt, deadline_ns, missing, is_unknown=False)
            attempt += 1
        return replica

    def local(self, group: GroupId) -> Replica:
        """Return this node's replica.

        Raises:
            NotFound: there is no such group.
            NotHosted: its replicas are elsewhere.
        """
        replica = self._node.replicas.get(group)
        if replica is None:
            raise self._missing(group)
        return replica

    def _hosts(self, group: GroupId) -> tuple[NodeId, ...]:
        record = self._directory.group_record(group)
        return () if record is None else record.replicas

    def _missing(self, group: GroupId) -> RaftdocError:
        hosts = self._hosts(group)
        return NotHosted(group, hosts) if hosts else self._directory.missing(group)

    def _learn(self, group: GroupId, error: RaftdocError) -> None:
        """Take from a failure who leads a group that has no replica here."""
        if isinstance(error, NotLeader) and error.leader is not None:
            self._leaders.learn(group, error.leader)
        else:
            self._leaders.forget(group)

    def _attempt(self, group: GroupId, command: bytes, deadline_ns: int, waiter: Waiter) -> None:
        proposal = Proposal(command, waiter, deadline_ns)
        replica = self._node.replicas.get(group)
        if replica is None:
            self._node.forward(self._guess(group), group, proposal)
            return
        if replica.is_leader:
            self._node.propose(replica, proposal)
            return
        leader = replica.core.leader
        if leader is None:
            raise NoLeader(f"group {group} has no leader now", retry_after_ms=500)
        self._node.forward(leader, group, proposal)

    def _guess(self, group: GroupId) -> NodeId:
        """Return who may lead a group that has no replica here: it is told by whom it asks, if that is wrong."""
        hosts = self._hosts(group)
        if not hosts:
            raise self._directory.missing(group)
        return self._leaders.of(group) or hosts[int(self._random.random() * len(hosts))]

    async def _back_off(self, attempt: int, deadline_ns: int, last: RaftdocError, *, is_unknown: bool) -> None:
        """Wait a little, longer each time, with full jitter.

        Raises:
            DeadlineExceeded: the next attempt would come too late.
        """
        delay_s = self._random.uniform(BACKOFF_S_MIN, min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2**attempt))
        if self._node.clock.now_ns() + int(delay_s * NS_PER_S) >= deadline_ns:
            outcome = "unknown" if is_unknown else last.outcome
            raise DeadlineExceeded(f"the deadline passed; last: {last.detail}", outcome=outcome) from last
        await asyncio.sleep(delay_s)
