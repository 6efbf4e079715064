"""Three real nodes: what is acknowledged is there, whoever dies."""

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


class Writers:
    """Keep writing documents through any node that answers, each under one idempotency key, until told to stop."""

    def __init__(self, cluster: Cluster, count: int, name: str = "w") -> None:
        self._cluster = cluster
        self._count = count
        self._name = name
        self._stopping = asyncio.Event()
        self.acknowledged: dict[str, str] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._count):
                tasks.create_task(self._write(number))

    def stop(self) -> None:
        self._stopping.set()

    async def reach(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.acknowledged) >= count

        await wait_until(f"{count} writes are acknowledged", enough, timeout_s=60)

    async def _write(self, number: int) -> None:
        sequence = 0
        while not self._stopping.is_set():
            sequence += 1
            id = f"{self._name}-{number}-{sequence}"
            self.acknowledged[id] = await self._put(number + sequence, id)

    async def _put(self, start: int, id: str) -> str:
        """Put one document, trying node after node with one key until one acknowledges; return its ETag."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        attempt = start
        while True:
            node = self._cluster.nodes[attempt % len(self._cluster.nodes)]
            attempt += 1
            try:
                status, answer, got = await self._cluster.request(
                    node, "PUT", f"{DOCS}/{id}", body={"n": 1}, headers={**headers, "Raftdoc-Timeout": "5s"}
                )
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0)
                continue
            if status == 201:
                return got["ETag"]
            assert status in (503, 504), (status, answer)


async def listed(cluster: Cluster, node: NodeProcess) -> set[str]:
    """Return the ids of all documents, as a linearizable list on that node has them."""
    found: set[str] = set()
    cursor = ""
    while True:
        status, page, _ = await cluster.request(node, "GET", f"{DOCS}?limit=1000{cursor}")
        assert status == 200, page
        for document in page["documents"]:
            assert document["_id"] not in found, "a document is listed twice"
            found.add(document["_id"])
        if page["cursor"] is None:
            return found
        cursor = f"&cursor={page['cursor']}"


async def etag(cluster: Cluster, node: NodeProcess, id: str) -> str:
    status, answer, headers = await cluster.request(node, "GET", f"{DOCS}/{id}")
    assert status == 200, answer
    return headers["ETag"]


async def test_leader_killed_under_load_loses_no_acknowledged_write_and_doubles_none(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        for number in range(5):
            await one_failover(cluster, f"round{number}")


async def one_failover(cluster: Cluster, name: str) -> None:
    writers = Writers(cluster, 16, name)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writers.run())
        await writers.reach(500)
        old = await cluster.leader("shop")
        old.kill()
        new = await cluster.leader("shop", [node for node in cluster.nodes if node is not old])
        assert new is not old
        await writers.reach(1000)
        writers.stop()
    old.start()
    await cluster.ready()
    for node in cluster.nodes:
        lost = set(writers.acknowledged) - await listed(cluster, node)
        assert not lost, f"{len(lost)} acknowledged writes are not on {node.id}"
    # A write that had been done twice under its key would have moved the document to another revision.
    for id, acknowledged in writers.acknowledged.items():
        assert await etag(cluster, new, id) == acknowledged, id


async def test_leader_paused_longer_than_its_lease_serves_no_stale_read_afterwards(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        status, answer, _ = await cluster.request(cluster.nodes[0], "PUT", f"{DOCS}/x", body={"v": 1})
        assert status == 201, answer
        old = await cluster.leader("shop")
        others = [node for node in cluster.nodes if node is not old]
        old.signal(signal.SIGSTOP)
        new = await cluster.leader("shop", others)
        status, answer, _ = await cluster.request(new, "PUT", f"{DOCS}/x", body={"v": 2})
        assert status == 200, answer
        reads = [asyncio.ensure_future(cluster.request(old, "GET", f"{DOCS}/x")) for _ in range(20)]
        await asyncio.sleep(0)
        old.signal(signal.SIGCONT)
        for status, document, _ in await asyncio.gather(*reads):
            assert status in (200, 503, 504), document
            if status == 200:
                assert document["v"] == 2


async def test_all_nodes_killed_at_once_come_back_with_everything(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        writers = Writers(cluster, 8)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(writers.run())
            await writers.reach(300)
            writers.stop()
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            node.start()
        await cluster.ready()
        for node in cluster.nodes:
            assert set(writers.acknowledged) <= await listed(cluster, node)


async def test_terminated_leader_hands_over_and_exits_cleanly(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        status, _, _ = await cluster.request(cluster.nodes[0], "PUT", f"{DOCS}/x", body={"v": 1})
        assert status == 201
        old = await cluster.leader("shop")
        assert old.stop() == 0
        new = await cluster.leader("shop", [node for node in cluster.nodes if node is not old])
        status, document, _ = await cluster.request(new, "GET", f"{DOCS}/x")
        assert (status, document) == (200, {"_id": "x", "v": 1})


async def test_any_node_answers_any_request(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        for number, node in enumerate(cluster.nodes):
            status, answer, _ = await cluster.request(node, "PUT", f"{DOCS}/d{number}", body={"v": number})
            assert status == 201, answer
            for other in cluster.nodes:
                status, document, _ = await cluster.request(other, "GET", f"{DOCS}/d{number}")
                assert (status, document) == (200, {"_id": f"d{number}", "v": number})
