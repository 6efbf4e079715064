"""Rebalancing passes: what is left to be done, one that is begun, how far it is; and the conductor's part of it.

Replicas go where they belong without anybody asking, one at a time. A pass begins at once what was put off, and then
evens out who leads. Like every change of the cluster it is a word in the catalog, so that it outlives whoever took it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.group_calls import OK, GroupCalls
from raftdoc.cluster.view import ClusterView
from raftdoc.database.requests import OperationInfo, RebalancingInfo, RebalancingStep, Request
from raftdoc.database.router import Router
from raftdoc.errors import NoLeader, NotFound
from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.limits import NS_PER_S
from raftdoc.sharding import Relocation, View, leaderships, relocations
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import DatabaseRecord, RebalancingRecord

log = logging.getLogger("raftdoc.database")

KIND: Final = "rebalance"
HANDOVERS_PER_ROUND: Final = 8
HANDOVER_PATIENCE_NS: Final = 3 * NS_PER_S
"""A leadership that has not arrived by then stays where it is."""


class Rebalancing:
    """As callers ask for it."""

    def __init__(self, directory: Directory, router: Router, views: ClusterView, calls: GroupCalls) -> None:
        self._directory = directory
        self._router = router
        self._views = views
        self._calls = calls

    async def begin(self, request: Request, *, dry_run: bool) -> RebalancingInfo:
        """Begin a pass where there is something to do, or only say what there is. One that is under way goes on."""
        await self._barrier(request)
        steps = tuple(map(self._shown, await self._left()))
        if dry_run or not steps:
            return RebalancingInfo(steps, None)
        # It is idempotent by itself: while a pass is open no other one begins.
        command = commands.begin_rebalancing(len(steps))
        outcome = await self._router.write(CATALOG_GROUP, command, request.deadline_ns, has_key=True)
        return RebalancingInfo(steps, f"{KIND}-{outcome.data}")

    async def operation(self, request: Request, id: str) -> OperationInfo:
        """Return how far a pass is: `rebalance-3`. Of those before the last only that they are over is known.

        Raises:
            NotFound: there was no such pass.
        """
        await self._barrier(request)
        record = self._directory.catalog.rebalancing
        if id not in {f"{KIND}-{number}" for number in range(1, record.number + 1)}:
            raise NotFound("operation", id)
        if id != f"{KIND}-{record.number}":
            return OperationInfo(id, KIND, "done", "another pass has begun since", 0, 0)
        if not record.is_open:
            return OperationInfo(id, KIND, "done", record.note or "all is in its place", record.total, record.total)
        left = await self._left()
        total = max(record.total, len(left))
        detail = f"{len(left)} steps are left" + (f", the next because {left[0].why}" if left else "")
        return OperationInfo(id, KIND, "running", detail, total - len(left), total)

    async def _left(self) -> list[Relocation]:
        moving = [record for record in self._directory.catalog.databases.values() if record.wanted]
        settled = dict(await asyncio.gather(*map(self._voters, moving)))
        left = []
        for step in relocations(self._views.view(settled=settled)):
            left.append(step)
            # With many groups and nodes all of it may take longer than requests are to wait.
            await asyncio.sleep(0)
        return left

    async def _voters(self, record: DatabaseRecord) -> tuple[GroupId, tuple[NodeId, ...]]:
        try:
            return record.group, (await self._calls.look(record.group, record.replicas)).voters
        except NoLeader as error:
            log.debug("group not seen group=%d reason=%s", record.group, error)
            return record.group, record.replicas

    def _shown(self, step: Relocation) -> RebalancingStep:
        database = self._directory.database_of(step.group)
        return RebalancingStep(step.group, database, step.kind, step.source, step.target, step.why)

    async def _barrier(self, request: Request) -> None:
        replica = await self._router.read_barrier(CATALOG_GROUP, request.deadline_ns)
        request.group = CATALOG_GROUP
        request.leader = replica.core.leader
        request.indexes = ((CATALOG_GROUP, replica.machine.applied_index),)


class LeadershipPass:
    """The part of the pass that is left once all replicas are in their place. Who takes over begins it anew."""

    def __init__(self, directory: Directory, calls: GroupCalls) -> None:
        self._directory = directory
        self._calls = calls
        self._number = 0
        self._left: list[Relocation] | None = None
        self._begun: list[Relocation] = []
        self._until_ns = 0

    def take_up(self, record: RebalancingRecord) -> bool:
        """Return whether a pass is open that was not seen before."""
        is_new = record.is_open and record.number != self._number
        if is_new:
            self._number, self._left, self._begun = record.number, None, []
        return is_new

    async def advance(self, view: View, now_ns: int) -> bytes | None:
        """Have some leaderships handed over; return the command that ends the pass when all have arrived, or not."""
        if self._left is None:
            self._left = leaderships(view)
        next_ones, self._left = self._left[:HANDOVERS_PER_ROUND], self._left[HANDOVERS_PER_ROUND:]
        for step in next_ones:
            await self._hand_over(step)
            self._until_ns = now_ns + HANDOVER_PATIENCE_NS
        self._begun += next_ones
        if self._left:
            return None
        self._begun = [step for step in self._begun if not await self._has_arrived(step)]
        if self._begun and now_ns < self._until_ns:
            return None
        groups = ", ".join(str(step.group) for step in self._begun)
        note = f"these groups did not take the leader that was meant: {groups}" if groups else ""
        return commands.end_rebalancing(self._number, note=note)

    async def _has_arrived(self, step: Relocation) -> bool:
        """Return whether the group is led as was meant, or is gone. It is asked: what was heard last may be old."""
        record = self._directory.group_record(step.group)
        if record is None:
            return True
        try:
            return (await self._calls.look(step.group, record.replicas)).leader == step.target
        except NoLeader:
            return False

    async def _hand_over(self, step: Relocation) -> None:
        record = self._directory.group_record(step.group)
        if record is None:
            return
        try:
            answer = await self._calls.transfer(step.group, record.replicas, step.target)
        except NoLeader as error:
            log.debug("group not handed over group=%d reason=%s", step.group, error)
            return
        level = logging.INFO if answer.code == OK else logging.DEBUG
        log.log(level, "group handed over group=%d to=%s answer=%s", step.group, step.target, answer.code)
