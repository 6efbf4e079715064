"""Turns what the catalog says of nodes and placements into changes of Raft groups, one step at a time.

Runs on every node and acts on the leader of the catalog's group. Each round looks at what is there, in the catalog
and at the leaders of the groups that move, and asks for the next step (`sharding.next_step`). So it may stop at any
point, and another node's conductor goes on.

    joining node   -> learner of the catalog's group -> caught up -> member, which gets replicas
    leaving node   -> its replicas go elsewhere -> no vote in the catalog's group -> removed -> gets nothing any more
    moving group   -> learner, caught up, voter; old ones out; then the catalog says that it is settled
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.group_calls import OK, GroupCalls
from raftdoc.cluster.view import ClusterView
from raftdoc.database.rebalancing import LeadershipPass
from raftdoc.database.router import Router
from raftdoc.errors import NOT_NOW, NoLeader
from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.limits import NS_PER_MS, NS_PER_S
from raftdoc.node.node import Node
from raftdoc.raft import MembershipChange
from raftdoc.sharding import (
    Change,
    Done,
    GiveUp,
    GroupState,
    HandOver,
    Move,
    NodeState,
    View,
    catalog_voters,
    next_step,
    plan,
)
from raftdoc.sharding.steps import CAUGHT_UP
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import DatabaseRecord
from raftdoc.wire.messages import GroupAnswer

log = logging.getLogger("raftdoc.database")

IDLE_INTERVAL_S: Final = 0.5
BUSY_INTERVAL_S: Final = 0.05
STEP_TIMEOUT_MS: Final = 5000
MOVES_MAX: Final = 4
"""Groups that move at the same time."""
ALIVE_GRACE_NS: Final = 3 * NS_PER_S
"""A node counts as alive for so long after its link broke."""
UNSEEN_RETRY_NS: Final = 5 * NS_PER_S
"""A group whose leader does not answer is not asked again for so long whether it can be moved."""
RETRY_AFTER_NS: Final = 30 * NS_PER_S
"""A move that was given up is not begun again for so long."""


class Conductor:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        router: Router,
        views: ClusterView,
        calls: GroupCalls,
        is_connected: Callable[[NodeId], bool],
    ) -> None:
        self._node = node
        self._directory = directory
        self._router = router
        self._views = views
        self._calls = calls
        self._is_connected = is_connected
        self._seen_ns: dict[NodeId, int] = {}
        self._given_up_ns: dict[GroupId, int] = {}
        self._pass = LeadershipPass(directory, calls)
        self._is_busy = False

    async def run(self) -> None:
        """Look at the cluster again and again and take the next steps; runs until cancelled."""
        while True:
            self._is_busy = False
            replica = self._node.replicas.get(CATALOG_GROUP)
            if replica is not None and replica.is_leader and self._directory.catalog.cluster_id:
                try:
                    await self._round()
                except NOT_NOW as error:
                    log.debug("the placement could not be looked after yet reason=%s", error)
            else:
                self._seen_ns.clear()
            await asyncio.sleep(BUSY_INTERVAL_S if self._is_busy else IDLE_INTERVAL_S)

    async def _round(self) -> None:
        self._look_for_life()
        moving = [record for record in self._directory.catalog.databases.values() if record.wanted]
        states = dict(zip([record.group for record in moving], await self._look(moving), strict=True))
        known = {group: state.voters for group, state in states.items() if state is not None}
        view = self._views.view(settled=known, is_alive=self._is_alive)
        await self._conduct_catalog(view)
        if self._pass.take_up(self._directory.catalog.rebalancing):
            # Somebody asks for it now: nothing is put off any longer.
            self._given_up_ns.clear()
        await self._begin_moves(view, len(known))
        for record in moving:
            state = states[record.group]
            if state is not None:
                await self._conduct(record, state, view)
        if self._directory.catalog.rebalancing.is_open:
            await self._rebalance(view, is_moving=bool(moving))

    # Nodes ------------------------------------------------------------------------------------------

    async def _conduct_catalog(self, view: View) -> None:
        """Take the next step of the catalog's own group, and of the nodes that join or leave."""
        state = _state(await self._calls.look(CATALOG_GROUP, ()))
        voters = catalog_voters(view, state.voters)
        step = next_step(state, voters, list(view.nodes), living=self._living(view))
        if isinstance(step, Change | HandOver):
            await self._carry_out(CATALOG_GROUP, step)
        for node in view.nodes.values():
            if node.state == "joining":
                self._is_busy = True
                if state.fitness.get(node.id) == CAUGHT_UP and node.is_alive:
                    await self._set_state(node.id, "member")
            elif node.state == "leaving":
                self._is_busy = True
                if node.id not in state.voters and not self._has_replicas(node.id):
                    await self._set_state(node.id, "removed")

    def _has_replicas(self, node: NodeId) -> bool:
        return any(node in record.replicas for record in self._directory.catalog.databases.values())

    async def _set_state(self, node: NodeId, state: NodeState) -> None:
        await self._write(commands.set_node_state(node, state))
        log.info("node changed node=%s state=%s", node, state)

    # Groups -----------------------------------------------------------------------------------------

    async def _begin_moves(self, view: View, moving_count: int) -> None:
        for record, move in self._to_begin(view):
            if not record.wanted and moving_count >= MOVES_MAX:
                return
            moving_count += await self._begin(record, move) and not record.wanted

    def _to_begin(self, view: View) -> list[tuple[DatabaseRecord, Move]]:
        """Return what is to be placed anew, but for what was put off."""
        now_ns = self._node.clock.now_ns()
        found = [(self._directory.group_record(move.group), move) for move in plan(view)]
        return [
            (record, move)
            for record, move in found
            if record is not None and record.state == "open" and now_ns >= self._given_up_ns.get(move.group, 0)
        ]

    async def _rebalance(self, view: View, *, is_moving: bool) -> None:
        """Go on with the pass that is open: who leads is evened out once all replicas are in their place."""
        self._is_busy = True
        if is_moving or self._to_begin(view):
            return
        end = await self._pass.advance(view, self._node.clock.now_ns())
        if end is not None:
            await self._write(end)
            log.info("rebalancing has ended pass=%d", self._directory.catalog.rebalancing.number)

    async def _begin(self, record: DatabaseRecord, move: Move) -> bool:
        """Place a group anew; return whether that was done."""
        # Safety: a group is placed anew only when it works. Who hosts it later begins without a configuration: there
        # have to be others that have one.
        state = await self._look_at(record)
        if state is None:
            # It may have lost its quorum. That is no reason to keep the others waiting, now or in every round.
            self._given_up_ns[record.group] = self._node.clock.now_ns() + UNSEEN_RETRY_NS
            return False
        self._is_busy = True
        if not (state.is_settled or record.wanted):
            return False
        await self._write(commands.place_group(record.group, record.generation, move.replicas))
        log.info("group moves group=%d from=%s to=%s", record.group, record.placement, move.replicas)
        return True

    async def _conduct(self, record: DatabaseRecord, state: GroupState, view: View) -> None:
        self._is_busy = True
        step = next_step(state, record.wanted, living=self._living(view))
        if isinstance(step, Change | HandOver):
            await self._carry_out(record.group, step)
        elif isinstance(step, Done):
            await self._write(commands.settle_group(record.group, record.generation))
            log.info("group moved group=%d replicas=%s", record.group, record.wanted)
        elif isinstance(step, GiveUp):
            await self._give_up(record, state, step.node)
        else:
            log.debug("group waits group=%d reason=%s", record.group, step.reason)

    async def _give_up(self, record: DatabaseRecord, state: GroupState, node: NodeId) -> None:
        """Leave the group where it is, for a while: the log grows as fast as the new replica can follow."""
        note = f"node {node} could not catch up with group {record.group} in ten rounds; its writes are too many"
        self._given_up_ns[record.group] = self._node.clock.now_ns() + RETRY_AFTER_NS
        await self._write(commands.place_group(record.group, record.generation, sorted(state.voters), note=note))
        log.warning("group not moved group=%d reason=%s", record.group, note)

    async def _carry_out(self, group: GroupId, step: Change | HandOver) -> None:
        self._is_busy = True
        record = self._directory.group_record(group)
        hosts = () if record is None else record.replicas
        if isinstance(step, HandOver):
            answer = await self._calls.transfer(group, hosts, step.target)
        else:
            answer = await self._calls.change(group, hosts, MembershipChange(step.voters, step.learners))
        level = logging.INFO if answer.code == OK else logging.DEBUG
        log.log(level, "group step group=%d step=%s answer=%s", group, step, answer.code)

    async def _look(self, records: list[DatabaseRecord]) -> list[GroupState | None]:
        """Return the groups as their leaders know them; None where no leader answers."""
        return list(await asyncio.gather(*(self._look_at(record) for record in records)))

    async def _look_at(self, record: DatabaseRecord) -> GroupState | None:
        try:
            return _state(await self._calls.look(record.group, record.replicas))
        except NoLeader as error:
            log.debug("group not seen group=%d reason=%s", record.group, error)
            return None

    # What is alive ----------------------------------------------------------------------------------

    def _look_for_life(self) -> None:
        """Note who is connected. Who was never looked at by this conductor has the benefit of the doubt."""
        now_ns = self._node.clock.now_ns()
        for node in self._directory.nodes():
            if node == self._node.node or self._is_connected(node) or node not in self._seen_ns:
                self._seen_ns[node] = now_ns

    def _is_alive(self, node: NodeId) -> bool:
        return self._node.clock.now_ns() - self._seen_ns.get(node, 0) < ALIVE_GRACE_NS

    def _living(self, view: View) -> list[NodeId]:
        return [node for node in view.nodes if node == self._node.node or self._is_connected(node)]

    async def _write(self, command: bytes) -> None:
        # Every command here is idempotent by itself, so that an unknown outcome may be repeated.
        deadline_ns = self._node.clock.now_ns() + STEP_TIMEOUT_MS * NS_PER_MS
        outcome = await self._router.write(CATALOG_GROUP, command, deadline_ns, has_key=True)
        if not outcome.is_ok:
            log.debug("the catalog decided otherwise code=%s data=%s", outcome.code, outcome.data)


def _state(answer: GroupAnswer) -> GroupState:
    assert answer.leader is not None, answer
    return GroupState(
        leader=answer.leader,
        voters=frozenset(answer.voters),
        learners=frozenset(answer.learners),
        is_settled=answer.is_settled,
        matches={node: match_index for node, match_index, _ in answer.progress},
        fitness={node: fitness for node, _, fitness in answer.progress},
    )
