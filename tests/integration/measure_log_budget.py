"""Measure what the log takes on disk under a bulk load that never ends, with a small budget instead of a long hour:

    python tests/integration/measure_log_budget.py [--seconds 240] [--budget-mib 64] [--data DIR]

What an hour is to the default budget of 1 GiB, four minutes are to one of 64 MiB. Three nodes take bulks of documents
of 400 bytes; for the second quarter of the time one of them is stopped (SIGSTOP), so that the log has somebody to wait
for, and in the third it needs a snapshot while the load goes on. The size of each node's log directory is looked at
twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from measure_snapshot import load, say  # noqa: E402
from processes import Cluster, NodeProcess  # noqa: E402

LOADED_DOCUMENTS = 100_000
MIB = 1 << 20


def log_bytes(node: NodeProcess) -> int:
    """Return what the segments of a node's log take on disk, spare ones included."""
    return sum(file.stat().st_blocks * 512 for file in (node.data / "log").iterdir())


async def watch(cluster: Cluster, most: dict[str, int], is_over: asyncio.Event) -> None:
    """Note the most that each log takes, until it is over."""
    while not is_over.is_set():
        for node in cluster.nodes:
            most[node.id] = max(most[node.id], log_bytes(node))
        try:
            async with asyncio.timeout(0.5):
                await is_over.wait()
        except TimeoutError:
            continue


async def load_until(cluster: Cluster, leader: NodeProcess, deadline: float) -> int:
    """Load the same documents again and again; return how many were written."""
    written = 0
    while time.monotonic() < deadline:
        await cluster.request(leader, "DELETE", "/v1/dbs/shop/collections/orders")
        await load(cluster, leader, LOADED_DOCUMENTS)
        written += LOADED_DOCUMENTS
    return written


async def measure(seconds: float, budget_mib: int, directory: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        extra = ["--log-bytes-max", f"{budget_mib}MiB"]
        async with Cluster.plan(Path(place), extra=extra) as cluster:
            await cluster.create_database("shop")
            leader = await cluster.leader("shop")
            victim = next(node for node in cluster.nodes if node is not leader)
            most = dict.fromkeys((node.id for node in cluster.nodes), 0)
            is_over, quarter = asyncio.Event(), seconds / 4
            watcher = asyncio.create_task(watch(cluster, most, is_over))
            written = 0
            began = time.monotonic()
            for number, phase in enumerate(("all run", "one is stopped", "it goes on", "all run")):
                if number in (1, 2):
                    victim.signal(signal.SIGSTOP if number == 1 else signal.SIGCONT)
                written += await load_until(cluster, leader, began + quarter * (number + 1))
                sizes = " ".join(f"{node}={size // MIB}" for node, size in most.items())
                say(f"{time.monotonic() - began:5.0f} s, {phase}: {written} documents; most MiB so far: {sizes}")
            is_over.set()
            await watcher
            await cluster.ready([victim])
            bulk_mib = written * 400 // MIB
            say(f"budget {budget_mib} MiB; bulks of {bulk_mib} MiB, {bulk_mib / budget_mib:.0f} times as much")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--budget-mib", type=int, default=64)
    parser.add_argument("--data", type=Path, help="directory on the file system to measure (that of temporary files)")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.seconds, arguments.budget_mib, arguments.data))
