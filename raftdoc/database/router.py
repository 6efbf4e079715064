"""Finds the leader of a group and gets a command there, under one deadline.

This is the only retry loop of the server. It repeats what certainly did not happen (no leader, not the leader,
draining), and what is unknown only where an idempotency key makes that safe.
"""

from __future__ import annotations

import asyncio
from random import Random

from raftdoc.errors import DeadlineExceeded, Draining, NoLeader, NotFound, NotLeader, OutcomeUnknown, RaftdocError
from raftdoc.ids import GroupId
from raftdoc.limits import NS_PER_S
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine.outcome import Outcome

BACKOFF_S_MIN = 0.01
BACKOFF_S_MAX = 0.2
RETRIED = (NotLeader, NoLeader, Draining)


class Router:
    def __init__(self, node: Node, random: Random) -> None:
        self._node = node
        self._random = random

    async def write(self, group: GroupId, command: bytes, deadline_ns: int, *, has_key: bool) -> Outcome:
        """Return the outcome of a command, wherever the group's leader is.

        Raises:
            DeadlineExceeded: its `outcome` says whether the command may still take effect.
            OutcomeUnknown: it was sent and lost sight of, and has no idempotency key.
        """
        attempt, is_unknown = 0, False
        while True:
            try:
                return await self._attempt(group, command, deadline_ns)
            except RETRIED as error:
                last: RaftdocError = error
            except OutcomeUnknown as error:
                if not has_key:
                    raise
                last, is_unknown = error, True
            await self._back_off(attempt, deadline_ns, last, is_unknown=is_unknown)
            attempt += 1

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
                return replica

    async def hosted(self, group: GroupId, deadline_ns: int) -> Replica:
        """Return this node's replica of a group that the catalog places here, once it has been created."""
        attempt = 0
        while (replica := self._node.replicas.get(group)) is None:
            missing = NoLeader(f"this node has not created group {group} yet")
            await self._back_off(attempt, deadline_ns, missing, is_unknown=False)
            attempt += 1
        return replica

    def local(self, group: GroupId) -> Replica:
        """Return this node's replica.

        Raises:
            NotFound: the group is gone, or was never here.
        """
        replica = self._node.replicas.get(group)
        if replica is None:
            raise NotFound("group", str(group))
        return replica

    def _attempt(self, group: GroupId, command: bytes, deadline_ns: int) -> asyncio.Future[Outcome]:
        replica = self.local(group)
        if replica.is_leader:
            return self._node.propose(replica, command, deadline_ns)
        leader = replica.core.leader
        if leader is None:
            raise NoLeader(f"group {group} has no leader now", retry_after_ms=500)
        return self._node.forward(leader, group, command, deadline_ns)

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
