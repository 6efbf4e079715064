"""What the client knows of the cluster: which nodes there are, who leads what; learned from the cluster itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from raftdoc.client.call import Answer, Call, make_call
from raftdoc.client.connection import Head
from raftdoc.client.errors import InvalidUse, RaftdocError, WrongCluster
from raftdoc.client.lease import Lease
from raftdoc.client.nodes import NodeState, parse_node
from raftdoc.client.options import CallOptions, ClientOptions
from raftdoc.client.pool import Pool

PROBE_TIMEOUT_S = 2.0
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
        self._fault: WrongCluster | None = None

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

    async def ready(self, timeout_s: float) -> None:
        """Learn the topology. Calls wait for it until a node has told it once; later ones only start it.

        Raises:
            WrongCluster: the addresses belong to more than one.
        """
        learning = self._start()
        if self.cluster_id is None or self._fault is not None:
            await asyncio.wait([learning], timeout=timeout_s)
        if self._fault is not None:
            raise self._fault

    def _start(self) -> asyncio.Task[None]:
        if self._learning is None or self._learning.done():
            self._due_s = self._loop.time() + self._options.topology_interval_s
            self._learning = self._loop.create_task(self._learn())
        return self._learning

    async def _learn(self) -> None:
        """Ask every node; those that do not answer are left to the calls, which try them again."""
        answers = await asyncio.gather(*[self._ask(node) for node in list(self._nodes)])
        known = [cluster for cluster in answers if cluster is not None]
        self._check_cluster(known)
        self._learned_s = self._loop.time()
        for cluster in known:
            self._take(cluster)

    async def _ask(self, node: NodeState) -> dict[str, Any] | None:
        call = make_call("GET", "/v1/cluster", CallOptions(timeout_s=PROBE_TIMEOUT_S))
        try:
            answer = await probe(self.pool(node), call)
            cluster = answer.json()
        except RaftdocError:
            # Whoever needs this node finds out for himself, and says so.
            return None
        return cluster if isinstance(cluster, dict) and isinstance(cluster.get("cluster_id"), str) else None

    def _check_cluster(self, known: list[dict[str, Any]]) -> None:
        ids = {cluster["cluster_id"] for cluster in known}
        if self.cluster_id is not None:
            ids.add(self.cluster_id)
        self._fault = None
        if len(ids) > 1:
            self._fault = WrongCluster(f"the addresses belong to different clusters: {', '.join(sorted(ids))}")
        else:
            self.cluster_id = next(iter(ids), None)

    def _take(self, cluster: dict[str, Any]) -> None:
        if self._options.discover:
            for member in cluster.get("members", []):
                self._add_member(member)
        leaders = {
            group["database"]: group["leader"]
            for group in cluster.get("groups", [])
            if group.get("database") and group.get("leader")
        }
        self._leaders.update(leaders)

    def _add_member(self, member: dict[str, Any]) -> None:
        url = member.get("http")
        if not url:
            return
        try:
            node = parse_node(url)
        except InvalidUse:
            return  # a node that advertises an address of another kind is reached through the others
        known = self._pools.get(node.address)
        if known is not None:
            known.node.id = member.get("id")
        elif all(other.id != member.get("id") for other in self._nodes):
            node.id = member.get("id")
            self._add(node)

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
