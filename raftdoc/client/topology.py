"""What the client knows of the cluster: which nodes there are, who leads what; learned from the cluster itself."""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections.abc import Sequence

from raftdoc.client.call import Answer, Call, make_call
from raftdoc.client.cluster_view import ClusterView, view_of
from raftdoc.client.connection import Head
from raftdoc.client.errors import RaftdocError, Unreachable, WrongCluster
from raftdoc.client.lease import Lease
from raftdoc.client.nodes import NodeState
from raftdoc.client.options import CallOptions, ClientOptions
from raftdoc.client.pool import Pool

PROBE_TIMEOUT_S = 2.0
STRAGGLER_S = 0.25
"""How long the first call waits for the other nodes when one has told what the cluster is."""
SUSPECT_INTERVAL_S = 1.0
"""After a failure the topology is learned anew, at most so often."""


class Topology:
    """The nodes that were given, and those that they tell of."""

    def __init__(self, nodes: Sequence[NodeState], options: ClientOptions, loop: asyncio.AbstractEventLoop) -> None:
        """No I/O. `nodes` are those that the caller has named."""
        self._options = options
        self._loop = loop
        self._pools: dict[tuple[str, int], Pool] = {}
        self._nodes: list[NodeState] = []
        for node in nodes:
            self._add(node)
        self._leaders: dict[str, str] = {}
        self.cluster_id: str | None = None
        self._learned_s = float("-inf")
        self._due_s = float("-inf")
        self._learning: asyncio.Task[None] | None = None
        self._told = asyncio.Event()
        self._fault: str | None = None

    def nodes(self) -> Sequence[NodeState]:
        return self._nodes

    def pool(self, node: NodeState) -> Pool:
        return self._pools[node.address]

    def leader(self, database: str | None) -> str | None:
        return None if database is None else self._leaders.get(database)

    def note(self, node: NodeState, database: str | None, head: Head) -> None:
        """Take what an answer says: who answered, and who leads."""
        if node.id is None:
            node.id = head.field("Raftdoc-Node")
        leader = head.field("Raftdoc-Leader")
        if leader is not None and database is not None:
            self._leaders[database] = leader

    def suspect(self) -> None:
        """Learn the topology anew with the next call, unless that has just been done."""
        self._due_s = min(self._due_s, self._learned_s + SUSPECT_INTERVAL_S)

    # Learning -------------------------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether `ready` has something to do."""
        return self.cluster_id is None or self._loop.time() >= self._due_s or self._fault is not None

    async def ready(self, deadline_s: float) -> None:
        """Learn the topology. Calls wait for it until nodes have told it once; later ones only start it.

        Raises:
            WrongCluster: the addresses belong to more than one.
        """
        self._start()
        if self.cluster_id is None or self._fault is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline_s):
                    await self._told.wait()
        self._raise_fault()

    async def check(self, node: NodeState, deadline_s: float) -> None:
        """Make sure that a node is one of this cluster, before the first request that it gets.

        Raises:
            Unreachable: it does not say.
            WrongCluster: it is none.
        """
        try:
            view = await self._ask(node, min(PROBE_TIMEOUT_S, max(0.001, deadline_s - self._loop.time())))
        except Unreachable:
            raise
        except RaftdocError as error:
            detail = f"{node.url} does not say to which cluster it belongs: {error.detail}"
            raise Unreachable(detail, status=error.status) from error
        self._hear(node, view)
        self._settle()
        self._raise_fault()

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise WrongCluster(self._fault)

    def _start(self) -> None:
        if self._learning is None or self._learning.done():
            self._due_s = self._loop.time() + self._options.topology_interval_s
            self._told.clear()
            self._learning = self._loop.create_task(self._learn())

    async def _learn(self) -> None:
        await asyncio.gather(*[self._learn_from(node) for node in list(self._nodes)])
        self._learned_s = self._loop.time()
        self._settle()

    async def _learn_from(self, node: NodeState) -> None:
        try:
            view = await self._ask(node, PROBE_TIMEOUT_S)
        except RaftdocError:
            # Whoever needs this node finds out for himself, and says so.
            return
        self._hear(node, view)
        if self.cluster_id is None:
            # A node that hangs costs the first call no more than this; it is checked before it is asked.
            self._loop.call_later(STRAGGLER_S, self._settle)

    async def _ask(self, node: NodeState, timeout_s: float) -> ClusterView:
        call = make_call("GET", "/v1/cluster", CallOptions(timeout_s=timeout_s))
        answer = await probe(self.pool(node), call)
        view = view_of(answer.object()) if answer.status == http.HTTPStatus.OK else None
        if view is None:
            raise answer.invalid(f"it answered GET /v1/cluster with {answer.status}, and no cluster")
        return view

    def _hear(self, node: NodeState, view: ClusterView) -> None:
        """Take what a node says, unless nodes contradict each other about which cluster this is."""
        node.cluster_id, node.is_checked = view.cluster_id, True
        ids = {node.cluster_id for node in self._nodes} | {self.cluster_id}
        known = sorted(id for id in ids if id is not None)
        if len(known) > 1:
            self._fault = f"the addresses belong to different clusters: {', '.join(known)}"
            return
        self._fault = None
        self._leaders.update(view.leaders)
        if self._options.discover:
            for member in view.members:
                self._add_member(member)

    def _settle(self) -> None:
        """Let the calls go on that wait for the topology."""
        if self._fault is None and self.cluster_id is None:
            self.cluster_id = next((node.cluster_id for node in self._nodes if node.cluster_id is not None), None)
        self._told.set()

    def _add_member(self, member: NodeState) -> None:
        known = self._pools.get(member.address)
        if known is not None:
            known.node.id = member.id
        elif all(other.id != member.id for other in self._nodes):
            self._add(member)

    def _add(self, node: NodeState) -> None:
        if node.address not in self._pools:
            self._pools[node.address] = Pool(node, self._options, self._loop)
            self._nodes.append(node)

    async def close(self) -> None:
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.wait([self._learning])
        for pool in self._pools.values():
            pool.close()


async def probe(pool: Pool, call: Call) -> Answer:
    """Return what one node answers, without a second attempt.

    Raises:
        RaftdocError: none that can be read.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + call.options.timeout_s
    lease = Lease(pool, pool.take() or await pool.acquire(call.options.timeout_s), call)
    head = await lease.ask(deadline_s)
    return Answer(head.status, head.message.headers, await lease.read(head))
