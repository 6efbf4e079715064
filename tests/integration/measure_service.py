"""Measure queries and index builds on a real cluster, as its users see them:

    python tests/integration/measure_service.py [--documents 1000000] [--data DIR]

Three nodes on this machine, asked over HTTP. Documents have 400 bytes. Printed are what the server says of each query
(`time_ms` in its stats, the median of several), rates from its counters, and builds of an index: with nothing else to
do, then under 64 writing clients, whose latency `raftdoc bench` tells with and without the build.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from measure_snapshot import bench, say  # noqa: E402
from processes import Cluster, NodeProcess, wait_until  # noqa: E402

BATCH_DOCUMENTS = 10_000
SMALL_COUNT = 10_000
MATCHES = 20
REPEATS = 50


def document(number: int, of: int) -> str:
    """Return a document of 400 bytes; MATCHES of `of` have one `user`, a thousandth of them one `kind`."""
    head = f'{{"_id":"d{number:09d}","user":{number % (of // MATCHES)},"kind":"k{number % 1000}","n":{number},"text":"'
    return head + "x" * (398 - len(head)) + '"}'


class Service:
    """The cluster under test, asked by its leader's address."""

    def __init__(self, cluster: Cluster, leader: NodeProcess) -> None:
        self.leader = leader
        self._cluster = cluster

    async def load(self, collection: str, count: int) -> None:
        began = time.monotonic()
        url = f"{self.leader.url}/v1/dbs/shop/collections/{collection}/docs"
        headers = {"Content-Type": "application/x-ndjson"}
        for start in range(0, count, BATCH_DOCUMENTS):
            lines = (document(number, count) for number in range(start, min(start + BATCH_DOCUMENTS, count)))
            body = io.BytesIO("\n".join(lines).encode())
            async with self._cluster.session.post(url, data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
        say(f"{count} documents loaded in {time.monotonic() - began:.1f} s")

    async def post(self, collection: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        path = f"/v1/dbs/shop/collections/{collection}/{what}"
        status, answer, _ = await self._cluster.request(self.leader, "POST", path, body=body)
        assert status in (200, 201), answer
        return dict(answer)

    async def median_ms(self, collection: str, what: str, body: dict[str, Any], repeats: int) -> tuple[float, Any]:
        """Return the median of what the server took, and its counters of the last time."""
        stats = [(await self.post(collection, what, body))["stats"] for _ in range(repeats)]
        return statistics.median(each["time_ms"] for each in stats), stats[-1]

    async def build_s(self, collection: str, name: str, fields: dict[str, int]) -> float:
        """Build an index; return how many seconds that took."""
        began = time.monotonic()
        await self.post(collection, "indexes", {"name": name, "fields": fields})

        async def is_ready() -> bool:
            path = f"/v1/dbs/shop/collections/{collection}/indexes/{name}"
            _, index, _ = await self._cluster.request(self.leader, "GET", path)
            assert index["state"] in ("building", "ready"), index
            return bool(index["state"] == "ready")

        await wait_until(f"index {name} is ready", is_ready, 600.0)
        return time.monotonic() - began


async def measure_builds(service: Service, count: int) -> None:
    for collection in ("large", "small"):
        took_s = await service.build_s(collection, "by_user", {"user": 1})
    say(f"index of {SMALL_COUNT} documents built in {took_s:.2f} s")
    took_s = await service.build_s("large", "by_n", {"n": 1})
    say(f"index of {count} documents built in {took_s:.1f} s, {count / took_s:,.0f} documents/s, nothing else to do")
    say("64 writing clients alone:\n" + await bench(service.leader))
    load = asyncio.create_task(bench(service.leader))
    took_s = await service.build_s("large", "by_kind", {"kind": 1})
    share = "as long as the clients wrote" if not load.done() else "longer than the clients wrote"
    say(f"index of {count} documents built in {took_s:.1f} s, {count / took_s:,.0f} documents/s, under load, {share}")
    say("64 writing clients beside the build:\n" + await load)


async def measure_queries(service: Service, count: int) -> None:
    body: dict[str, Any] = {"filter": {"user": 7}, "limit": MATCHES}
    few_ms, _ = await service.median_ms("small", "query", body, REPEATS)
    many_ms, _ = await service.median_ms("large", "query", body, REPEATS)
    say(f"by index, {MATCHES} of {SMALL_COUNT}: {few_ms:.2f} ms; of {count}: {many_ms:.2f} ms")
    body = {"filter": {"text": "nothing"}, "max_time_ms": 60_000}
    scan_ms, stats = await service.median_ms("large", "query", body, 3)
    say(f"without an index, nothing matches: {stats['docs_examined'] / scan_ms * 1000:,.0f} documents/s")
    for condition in ({}, {"n": {"$gte": count // 2}}):
        count_ms, stats = await service.median_ms("large", "count", {"filter": condition}, 3)
        say(f"count of {json.dumps(condition)}: {count_ms:.2f} ms, {stats['docs_examined']} documents read")
    body = {"pipeline": [{"$group": {"_id": "$kind", "n": {"$sum": "$n"}}}], "max_time_ms": 60_000}
    group_ms, stats = await service.median_ms("large", "aggregate", body, 3)
    say(f"group by one field: {stats['docs_examined'] / group_ms * 1000:,.0f} documents/s")


async def measure(count: int, directory: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        async with Cluster.plan(Path(place)) as cluster:
            await cluster.create_database("shop")
            service = Service(cluster, await cluster.leader("shop"))
            await service.load("small", SMALL_COUNT)
            await service.load("large", count)
            await measure_builds(service, count)
            await measure_queries(service, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="directory on the file system to measure (that of temporary files)")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.documents, arguments.data))
