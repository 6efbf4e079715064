"""The members of the cluster, as callers change them: what is refused, what is begun, how far it is.

Nothing here moves a replica: a change is a word in the catalog, and the conductor does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.group_calls import NOT_LEADER, OK, GroupCalls
from raftdoc.cluster.view import ClusterView
from raftdoc.database.outcomes import result_of
from raftdoc.database.requests import JoiningNode, MembershipInfo, OperationInfo, Request
from raftdoc.database.router import Router
from raftdoc.errors import (
    InvalidRequest,
    NodeUnreachable,
    NotFound,
    NotLeader,
    OtherCluster,
    QuorumAtRisk,
    Unavailable,
)
from raftdoc.ids import CATALOG_GROUP, ClusterId, GroupId, NodeId
from raftdoc.sharding import NodeState, at_risk
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.statemachine.outcome import Outcome

Reaches = Callable[[str], Awaitable[bool]]
"""Returns whether something takes connections at `host:port`."""

KINDS: Final = ("join", "drain", "remove")


class Membership:
    def __init__(
        self,
        directory: Directory,
        router: Router,
        views: ClusterView,
        calls: GroupCalls,
        reaches: Reaches,
        cluster_id: ClusterId,
    ) -> None:
        self._directory = directory
        self._router = router
        self._views = views
        self._calls = calls
        self._reaches = reaches
        self._cluster_id = cluster_id

    async def members(self, request: Request) -> list[MembershipInfo]:
        """Return the nodes by id, those that were removed included."""
        await self._barrier(request)
        return [self._info(record) for _, record in sorted(self._directory.catalog.nodes.items())]

    async def member(self, request: Request, node: NodeId) -> MembershipInfo:
        await self._barrier(request)
        return self._info(self._record(node))

    async def add(self, request: Request, joining: JoiningNode) -> tuple[Outcome, MembershipInfo]:
        """Let a node join. The same node may ask again: it is told what it is.

        Raises:
            OtherCluster, NodeIdUsed, NodeUnreachable, ChangePending, LimitReached: it is not let in.
        """
        if joining.cluster_id != self._cluster_id:
            raise OtherCluster(f"this is cluster {self._cluster_id}; the node was told {joining.cluster_id}")
        if not await self._reaches(joining.peer):
            raise NodeUnreachable(
                f"nothing takes connections at {joining.peer}, where node {joining.id} says that its peers reach it"
            )
        command = commands.add_node(
            joining.cluster_id,
            joining.id,
            joining.store_id,
            http=joining.http,
            peer=joining.peer,
            host=joining.host,
        )
        outcome = await self._write(request, command, joining.id)
        return outcome, await self.member(request, joining.id)

    async def remove(self, request: Request, node: NodeId) -> MembershipInfo:
        """Begin to remove a node: its replicas go elsewhere first.

        Raises:
            NotFound: there is no such node.
            QuorumAtRisk: a group would be left without a living majority.
            ChangePending: another node joins or leaves.
            NoLeader: a group that would be changed has no leader now.
        """
        await self._barrier(request)
        if self._record(node).state != "removed":
            await self._check_quorums(node)
        return await self._set_state(request, node, "leaving")

    async def drain(self, request: Request, node: NodeId, *, undo: bool) -> MembershipInfo:
        """Begin to move the replicas of a node elsewhere, or let it have replicas again."""
        await self._barrier(request)
        record = self._record(node)
        if record.state not in ("member", "draining"):
            raise InvalidRequest(f"node {node} is {record.state}: only a member is drained")
        if not undo:
            await self._check_quorums(node)
        return await self._set_state(request, node, "member" if undo else "draining")

    async def operation(self, request: Request, id: str) -> OperationInfo:
        """Return how far a change is: `join-n4`, `drain-n4`, `remove-n4`."""
        await self._barrier(request)
        kind, _, name = id.partition("-")
        record = self._directory.catalog.nodes.get(NodeId(name))
        if kind not in KINDS or record is None:
            raise NotFound("operation", id)
        return _progress(id, kind, record, len(self._groups_of(record.id)), self._notes())

    async def transfer(self, group: GroupId, target: NodeId | None) -> None:
        """Begin to hand the leadership of a group over, wherever its leader is.

        Raises:
            NotFound: there is no such group.
            InvalidRequest: the target has no vote in it.
            Unavailable: it cannot be begun now.
        """
        record = self._directory.group_record(group)
        if record is None and group != CATALOG_GROUP:
            raise NotFound("group", str(group))
        hosts = self._directory.nodes() if record is None else record.replicas
        state = await self._calls.look(group, hosts)
        if target is not None and target not in state.voters:
            raise InvalidRequest(f"node {target!r} is not a voter of group {group}", pointer="/to")
        if target is not None and target == state.leader:
            return
        answer = await self._calls.transfer(group, hosts, target)
        if answer.code == NOT_LEADER:
            raise NotLeader(group, answer.leader)
        if answer.code != OK:
            raise Unavailable(f"group {group} cannot be handed over now: {answer.code}")

    # Inside -----------------------------------------------------------------------------------------

    async def _check_quorums(self, node: NodeId) -> None:
        """Raise QuorumAtRisk where a group may not lose the node, by who votes in it and who lives now."""
        records = [record for record in self._directory.catalog.databases.values() if node in record.replicas]
        groups = [(CATALOG_GROUP, tuple(self._directory.nodes())), *((r.group, r.replicas) for r in records)]
        voters = dict(await asyncio.gather(*(self._voters(group, hosts) for group, hosts in groups)))
        endangered = at_risk(self._views.view(), voters, node)
        if endangered:
            names = ", ".join(
                f"{group} ({self._directory.database_of(group) or 'the catalog'})" for group in endangered
            )
            raise QuorumAtRisk(f"without node {node} these groups would have no living majority: {names}")

    async def _voters(self, group: GroupId, hosts: Iterable[NodeId]) -> tuple[GroupId, tuple[NodeId, ...]]:
        return group, (await self._calls.look(group, hosts)).voters

    async def _set_state(self, request: Request, node: NodeId, state: NodeState) -> MembershipInfo:
        await self._write(request, commands.set_node_state(node, state), node)
        return await self.member(request, node)

    async def _write(self, request: Request, command: bytes, node: NodeId) -> Outcome:
        # Every command here is idempotent by itself, so that an unknown outcome may be repeated.
        outcome = await self._router.write(CATALOG_GROUP, command, request.deadline_ns, has_key=True)
        return result_of(outcome, {"node": node})

    async def _barrier(self, request: Request) -> None:
        replica = await self._router.read_barrier(CATALOG_GROUP, request.deadline_ns)
        request.group = CATALOG_GROUP
        request.leader = replica.core.leader
        request.indexes = ((CATALOG_GROUP, replica.machine.applied_index),)

    def _record(self, node: NodeId) -> NodeRecord:
        record = self._directory.catalog.nodes.get(node)
        if record is None:
            raise NotFound("node", node)
        return record

    def _groups_of(self, node: NodeId) -> tuple[GroupId, ...]:
        records = self._directory.catalog.databases.values()
        return tuple(sorted(record.group for record in records if node in record.replicas))

    def _notes(self) -> list[str]:
        return [record.note for record in self._directory.catalog.databases.values() if record.note]

    def _info(self, record: NodeRecord) -> MembershipInfo:
        view = self._views.view().nodes.get(record.id)
        is_alive = view is not None and view.is_alive
        return MembershipInfo(
            record.id, record.http, record.peer, record.host, record.state, is_alive, self._groups_of(record.id)
        )


def _progress(id: str, kind: str, record: NodeRecord, left: int, notes: list[str]) -> OperationInfo:
    """Return how far an operation is, by the state of its node and the number of replicas left on it.

    Where it began is not kept: what is to be done is the last step, and one for each replica.
    """
    is_done = {"join": record.state != "joining", "drain": not left, "remove": False}[kind] or record.state == "removed"
    detail = f"node {record.id} is {record.state}"
    if kind != "join":
        detail += f"; {left} replicas are left on it"
    if not is_done:
        detail = "; ".join([detail, *notes])
    left = 0 if kind == "join" else left
    return OperationInfo(id, kind, "done" if is_done else "running", detail, int(is_done), 1 + left * (not is_done))
