"""Measure the longest gap between write acknowledgements while nodes come and go under load, on this machine:

    python tests/integration/measure_membership.py [--writers 16]

Three nodes with the default timeouts; a fourth joins, a follower of the database's group is removed, another node
joins, the group's leader is removed. Every writer has one write at a time under an idempotency key, at any node that
runs, and repeats it until it is acknowledged. Printed per phase: acknowledged writes, the longest time without one of
any writer, and the longest that a single write took.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import uuid
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from processes import Cluster, NodeProcess, wait_until  # noqa: E402

DOCS = "/v1/dbs/shop/collections/orders/docs"
MEMBERS = "/v1/cluster/members"
CALM_S = 3.0


class Acknowledged(NamedTuple):
    at: float
    took_s: float


class Load:
    def __init__(self, cluster: Cluster) -> None:
        self.acknowledged: list[Acknowledged] = []
        self.is_over = False
        self._cluster = cluster

    async def write(self, number: int) -> None:
        sequence = 0
        while not self.is_over:
            sequence += 1
            began = time.monotonic()
            await self._put(f"w-{number}-{sequence}", number)
            now = time.monotonic()
            self.acknowledged.append(Acknowledged(now, now - began))

    async def _put(self, id: str, attempt: int) -> None:
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Raftdoc-Timeout": "5s"}
        while not self.is_over:
            node = self._cluster.nodes[attempt % len(self._cluster.nodes)]
            attempt += 1
            try:
                status, _, _ = await self._cluster.request(node, "PUT", f"{DOCS}/{id}", body={"n": 1}, headers=headers)
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(0)
            else:
                if status in (200, 201):
                    return


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def report(what: str, acknowledged: list[Acknowledged], began: float, ended: float) -> None:
    times = [began, *(ack.at for ack in acknowledged if began <= ack.at <= ended), ended]
    gap_s = max(after - before for before, after in pairwise(times))
    slowest_s = max((ack.took_s for ack in acknowledged if began <= ack.at <= ended), default=0.0)
    say(
        f"{what:32} {ended - began:6.1f} s  {len(times) - 2:6d} writes  "
        f"longest gap {gap_s * 1000:6.0f} ms  slowest write {slowest_s * 1000:6.0f} ms"
    )


async def until_state(cluster: Cluster, on: NodeProcess, node: str, state: str) -> None:
    async def reached() -> bool:
        status, answer, _ = await cluster.request(on, "GET", f"{MEMBERS}/{node}")
        return status == 200 and answer["state"] == state

    await wait_until(f"{node} is {state}", reached, timeout_s=60)


async def calm() -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CALM_S):
            await asyncio.Event().wait()


async def join(cluster: Cluster) -> None:
    via = cluster.nodes[0]
    node = cluster.newcomer(via)
    node.start()
    await until_state(cluster, via, node.id, "member")
    await cluster.ready([node])
    cluster.nodes.append(node)


async def remove(cluster: Cluster, *, leader: bool) -> None:
    """Remove the leader of the database's group, or one of its followers."""
    leading = await cluster.leader("shop")
    _, database, _ = await cluster.request(leading, "GET", "/v1/dbs/shop")
    follower = next(node for node in cluster.nodes if node is not leading and node.id in database["replicas"])
    leaving = leading if leader else follower
    via = next(node for node in cluster.nodes if node is not leaving)
    status, answer, _ = await cluster.request(via, "DELETE", f"{MEMBERS}/{leaving.id}")
    assert status == 202, answer
    await until_state(cluster, via, leaving.id, "removed")
    cluster.nodes.remove(leaving)


async def measure(writers: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT.parent / "tmp" if (ROOT.parent / "tmp").is_dir() else None) as place:
        async with Cluster.plan(Path(place)) as cluster:
            await cluster.create_database("shop")
            load = Load(cluster)
            tasks = [asyncio.ensure_future(load.write(number)) for number in range(writers)]
            steps = {
                "nothing happens": calm,
                "a node joins": lambda: join(cluster),
                "a follower is removed": lambda: remove(cluster, leader=False),
                "another node joins": lambda: join(cluster),
                "the leader is removed": lambda: remove(cluster, leader=True),
                "nothing happens again": calm,
            }
            for what, step in steps.items():
                began = time.monotonic()
                await step()
                report(what, load.acknowledged, began, time.monotonic())
            load.is_over = True
            await asyncio.gather(*tasks)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=16)
    asyncio.run(measure(parser.parse_args().writers))
