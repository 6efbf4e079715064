"""Asking the leader of a group, wherever it is: how the group is, to change who belongs to it, to hand over.

One question, one answer, both small; nothing is retried here. A question that was lost, or whose answer was, may
have been carried out: whoever asks looks again and goes on from what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import IntEnum
from random import Random
from typing import Final

from raftdoc.cluster.leaders import Leaders
from raftdoc.errors import NoLeader
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.raft import MembershipChange, Rejection
from raftdoc.wire.messages import GroupAnswer, GroupCall

CALL_TIMEOUT_S: Final = 1.0
HOPS_MAX: Final = 8

OK: Final = "ok"
NOT_LEADER: Final = "not_leader"


class GroupAct(IntEnum):
    LOOK = 0
    CHANGE = 1
    """Make voters and learners of the group what the call says."""
    TRANSFER = 2
    """Hand the leadership over."""


class GroupCalls:
    """Both sides: asks for this node, and answers for its replicas."""

    def __init__(self, node: Node, leaders: Leaders, random: Random) -> None:
        self._node = node
        self._leaders = leaders
        self._next_id = random.getrandbits(62)
        self._waiting: dict[int, asyncio.Future[GroupAnswer]] = {}
        node.serve(GroupCall, self._serve)
        node.serve(GroupAnswer, self._answered)

    async def look(self, group: GroupId, hosts: Iterable[NodeId]) -> GroupAnswer:
        """Return how a group is.

        Raises:
            NoLeader: none of the hosts leads it, or those that may do not answer.
        """
        return await self._ask(group, hosts, GroupAct.LOOK)

    async def change(self, group: GroupId, hosts: Iterable[NodeId], change: MembershipChange) -> GroupAnswer:
        """Begin to change who belongs to a group; `code` says whether the leader took it. Raises as `look` does."""
        return await self._ask(group, hosts, GroupAct.CHANGE, change=change)

    async def transfer(self, group: GroupId, hosts: Iterable[NodeId], target: NodeId | None) -> GroupAnswer:
        """Begin to hand over the leadership of a group; `code` says whether. Raises as `look` does."""
        return await self._ask(group, hosts, GroupAct.TRANSFER, target=target)

    async def _ask(
        self,
        group: GroupId,
        hosts: Iterable[NodeId],
        act: GroupAct,
        *,
        change: MembershipChange | None = None,
        target: NodeId | None = None,
    ) -> GroupAnswer:
        voters, learners = change or ((), ())
        untried = [*self._leaders.candidates(group, hosts)]
        tried: set[NodeId] = set()
        while untried and len(tried) < HOPS_MAX:
            peer = untried.pop(0)
            if peer in tried:
                continue
            tried.add(peer)
            self._next_id += 1
            answer = await self._call(peer, group, GroupCall(self._next_id, act, voters, learners, target))
            if answer is None:
                continue
            if answer.code != NOT_LEADER:
                self._leaders.learn(group, peer)
                return answer
            if answer.leader is not None:
                untried.insert(0, answer.leader)
        self._leaders.forget(group)
        raise NoLeader(f"group {group} has no leader that answers", retry_after_ms=500)

    async def _call(self, peer: NodeId, group: GroupId, call: GroupCall) -> GroupAnswer | None:
        """Return the peer's answer; None: none came."""
        if peer == self._node.node:
            return self._perform(group, call)
        future: asyncio.Future[GroupAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[call.request_id] = future
        self._node.send(peer, group, call)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._waiting[call.request_id]

    def _answered(self, peer: NodeId, group: GroupId, answer: GroupAnswer) -> None:
        future = self._waiting.get(answer.request_id)
        if future is not None and not future.done():
            future.set_result(answer)

    def _serve(self, peer: NodeId, group: GroupId, call: GroupCall) -> None:
        self._node.send(peer, group, self._perform(group, call))

    def _perform(self, group: GroupId, call: GroupCall) -> GroupAnswer:
        replica = self._node.replicas.get(group)
        if replica is None or not replica.is_leader:
            leader = None if replica is None else replica.core.leader
            return GroupAnswer(call.request_id, NOT_LEADER, leader, Term(0), Index(0), (), (), (), False, ())
        now_ns = self._node.clock.now_ns()
        rejection: object = None
        if call.act == GroupAct.CHANGE:
            rejection = replica.core.change_membership(MembershipChange(call.voters, call.learners), now_ns)
        elif call.act == GroupAct.TRANSFER:
            rejection = replica.core.transfer(call.target, now_ns)
        self._node.touch(replica)
        code = rejection.reason.value if isinstance(rejection, Rejection) else OK
        return _describe(replica, call.request_id, code)


def _describe(replica: Replica, request_id: int, code: str) -> GroupAnswer:
    core = replica.core
    configuration = core.configuration
    progress = tuple(
        (peer, match_index, core.catch_up(peer).value) for peer, match_index in sorted(core.match_indexes())
    )
    return GroupAnswer(
        request_id=request_id,
        code=code,
        leader=core.leader,
        term=core.term,
        commit_index=core.commit_index,
        voters=tuple(sorted(configuration.voters)),
        voters_outgoing=tuple(sorted(configuration.voters_outgoing)),
        learners=tuple(sorted(configuration.learners)),
        is_settled=is_settled(replica),
        progress=progress,
    )


def is_settled(replica: Replica) -> bool:
    """Return whether a leader's configuration is committed and final, and so is an entry of its own term."""
    core = replica.core
    is_final = not core.configuration.is_joint() and core.is_configuration_committed
    return is_final and core.term_start_index <= core.commit_index
