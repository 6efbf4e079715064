"""What a call of the Python client costs: rate and processor time, from one process.

    python tests/client/measure_client.py [--tasks 64] [--seconds 5]

Starts three nodes with data in the temporary directory, and measures `get`, `put`, and `bulk_write` beside the same
operations sent as NDJSON that was made before.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import uvloop

from raftdoc import AsyncClient
from raftdoc.client.call import NDJSON
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.operations import InsertOne
from raftdoc.client.options import CallOptions
from raftdoc.client.values import Document, encode
from raftdoc.testing import LocalCluster

DOCUMENT: Document = {"a": 1, "b": "x" * 380}
BULK_DOCUMENTS = 10_000
BULK_ROUNDS = 9


async def repeat(name: str, call: Callable[[int], Awaitable[object]], tasks: int, seconds: float) -> None:
    """Call from many tasks until the time is over, and print what a call costs."""
    count = 0
    until_s, cpu_s = time.perf_counter() + seconds, time.process_time()

    async def one(number: int) -> None:
        nonlocal count
        while time.perf_counter() < until_s:
            await call(number * 1009 + count % 1000)
            count += 1

    await asyncio.gather(*[one(number) for number in range(tasks)])
    cpu_us = (time.process_time() - cpu_s) / count * 1e6
    print(f"{name:12} {count / seconds:8.0f} calls/s  {cpu_us:6.0f} us of processor time each")


async def seconds_of(call: Awaitable[object]) -> float:
    started_s = time.perf_counter()
    await call
    return time.perf_counter() - started_s


async def bulks(client: AsyncClient, docs: AsyncCollection[Document]) -> None:
    """Write the same operations by `bulk_write` and as a body made before, in turns; medians of all rounds."""
    by_client_s: list[float] = []
    by_hand_s: list[float] = []
    options = CallOptions(timeout_s=60)
    body = b"\n".join([encode({"insert": DOCUMENT})] * BULK_DOCUMENTS)
    details = {"database": "m", "body": body, "media": NDJSON, "accept": NDJSON}
    path = "/v1/dbs/m/collections/c/bulk"
    cpu_s = 0.0
    for _ in range(BULK_ROUNDS):
        operations = [InsertOne(DOCUMENT)] * BULK_DOCUMENTS
        before_s = time.process_time()
        by_client_s.append(await seconds_of(docs.with_options(timeout_s=60).bulk_write(operations)))
        cpu_s += time.process_time() - before_s
        by_hand_s.append(await seconds_of(client.call("POST", path, options, is_write=True, **details)))
    client_s, hand_s = statistics.median(by_client_s), statistics.median(by_hand_s)
    cpu_us = cpu_s / BULK_ROUNDS / BULK_DOCUMENTS * 1e6
    print(
        f"bulk_write   {BULK_DOCUMENTS / client_s:8.0f} documents/s, {client_s / hand_s:.2f} times the raw request,"
        f" {cpu_us:.1f} us of processor time each"
    )


async def measure(urls: list[str], tasks: int, seconds: float) -> None:
    async with AsyncClient(urls) as client:
        docs = (await client.create_database("m")).collection("c")
        await docs.put("a", DOCUMENT)
        await repeat("get", lambda number: docs.get("a"), tasks, seconds)
        await repeat("put", lambda number: docs.put(f"k{number}", DOCUMENT), tasks, seconds)
        await bulks(client, docs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    with LocalCluster(nodes=3) as cluster:
        uvloop.run(measure(cluster.urls, arguments.tasks, arguments.seconds))


if __name__ == "__main__":
    main()
