"""Real nodes come and go under load: what was acknowledged is there, whoever left."""

from __future__ import annotations

import asyncio
import signal
import uuid
from pathlib import Path

import aiohttp
import pytest
from processes import Cluster, NodeProcess, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FAST = ["--election-timeout-ms", "400", "--heartbeat-interval-ms", "50"]
DOCS = "/v1/dbs/shop/collections/orders/docs"
MEMBERS = "/v1/cluster/members"
REMOVED = 78


class Writers:
    """Keep writing documents through any node that runs, each under one key, until told to stop."""

    def __init__(self, cluster: Cluster, count: int = 4) -> None:
        self._cluster = cluster
        self._count = count
        self._is_stopping = False
        self.acknowledged: dict[str, str] = {}

    async def __aenter__(self) -> Writers:
        self._tasks = [asyncio.ensure_future(self._write(number)) for number in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        target = len(self.acknowledged) + count

        async def enough() -> bool:
            return len(self.acknowledged) >= target

        await wait_until(f"{count} more writes are acknowledged", enough, timeout_s=60)

    async def _write(self, number: int) -> None:
        sequence = 0
        while not self._is_stopping:
            sequence += 1
            id = f"w-{number}-{sequence}"
            headers = {"Idempotency-Key": str(uuid.uuid4()), "Raftdoc-Timeout": "5s"}
            attempt = sequence
            while id not in self.acknowledged and not self._is_stopping:
                attempt += 1
                node = self._cluster.nodes[attempt % len(self._cluster.nodes)]
                try:
                    status, _, got = await self._cluster.request(
                        node, "PUT", f"{DOCS}/{id}", body={"n": 1}, headers=headers
                    )
                except (aiohttp.ClientError, OSError, TimeoutError):
                    await asyncio.sleep(0.01)
                else:
                    if status in (200, 201):
                        self.acknowledged[id] = got["ETag"]


async def state_of(cluster: Cluster, on: NodeProcess, node: str) -> str:
    status, answer, _ = await cluster.request(on, "GET", f"{MEMBERS}/{node}")
    return str(answer["state"]) if status == 200 else "none"


async def join(cluster: Cluster, via: NodeProcess) -> NodeProcess:
    """Start one more node that joins, and wait until it is a member and ready."""
    node = cluster.newcomer(via, extra=FAST)
    node.start()
    cluster.nodes.append(node)
    await cluster.ready([node])
    await until_state(cluster, via, node.id, "member")
    return node


async def until_state(cluster: Cluster, on: NodeProcess, node: str, state: str) -> None:
    async def reached() -> bool:
        return await state_of(cluster, on, node) == state

    await wait_until(f"{node} is {state}", reached, timeout_s=60)


async def remove(cluster: Cluster, via: NodeProcess, node: str) -> None:
    status, answer, _ = await cluster.request(via, "DELETE", f"{MEMBERS}/{node}")
    assert status == 202, answer
    await until_state(cluster, via, node, "removed")


async def check_documents(cluster: Cluster, acknowledged: dict[str, str]) -> None:
    """Every node answers for every acknowledged document."""
    for number, (id, tag) in enumerate(sorted(acknowledged.items())):
        node = cluster.nodes[number % len(cluster.nodes)]
        status, answer, headers = await cluster.request(node, "GET", f"{DOCS}/{id}")
        assert (status, headers.get("ETag")) == (200, tag), (node.id, id, answer)


async def replicas(cluster: Cluster, on: NodeProcess) -> list[str]:
    _, database, _ = await cluster.request(on, "GET", "/v1/dbs/shop")
    return list(database["replicas"])


async def test_a_fourth_node_joins_and_the_leader_is_removed_under_load(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        async with Writers(cluster) as writers:
            await writers.more(100)
            await join(cluster, cluster.nodes[0])
            await writers.more(100)
            leader = await cluster.leader("shop")
            other = next(node for node in cluster.nodes if node is not leader)
            await remove(cluster, other, leader.id)
            assert leader.wait() == REMOVED
            cluster.nodes.remove(leader)
            await writers.more(100)
        assert leader.id not in await replicas(cluster, other)
        assert len(await replicas(cluster, other)) == 3
        await check_documents(cluster, writers.acknowledged)
        leader.start()
        assert leader.wait() == REMOVED
        assert "was removed" in leader.log_path.read_text()


async def test_a_killed_node_is_replaced_under_load(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        async with Writers(cluster) as writers:
            await writers.more(100)
            dead = await cluster.leader("shop")
            dead.kill()
            cluster.nodes.remove(dead)
            via = cluster.nodes[0]
            newcomer = await join(cluster, via)
            await remove(cluster, via, dead.id)
            await writers.more(100)
        assert newcomer.id in await replicas(cluster, via)
        await check_documents(cluster, writers.acknowledged)


async def test_a_node_that_joins_may_be_killed_and_started_again(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        newcomer = await join(cluster, cluster.nodes[0])
        newcomer.kill()
        newcomer.start()
        await cluster.ready([newcomer])
        newcomer.signal(signal.SIGTERM)
        assert newcomer.wait() == 0
        stranger = cluster.newcomer(cluster.nodes[0], extra=FAST, id=newcomer.id, data=tmp_path / "another")
        stranger.start()
        assert stranger.wait() == REMOVED
        assert "ids are never used again" in stranger.log_path.read_text()
