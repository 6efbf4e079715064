"""A node that was away for longer than the log is kept gets the state: real processes, real RocksDB, kill -9."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import Cluster, NodeProcess, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

MIB = 1 << 20
SMALL_LOG = ["--log-segment-bytes", "4MiB", "--log-bytes-max", "16MiB"]
FAST = ["--election-timeout-ms", "400", "--heartbeat-interval-ms", "50"]
DOCS = "/v1/dbs/shop/collections/orders/docs"


async def write(cluster: Cluster, node: NodeProcess, first: int, stop: int) -> None:
    """Create documents of 100 kB."""
    for start in range(first, stop, 80):
        lines = [json.dumps({"_id": f"d{n}", "pad": f"{n:06d}" * 16_000}) for n in range(start, min(start + 80, stop))]
        headers = {"Content-Type": "application/x-ndjson"}
        body = io.BytesIO("\n".join(lines).encode())
        async with cluster.session.post(node.url + DOCS, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert json.loads((await answer.text()).splitlines()[-1]).get("failed", 0) == 0


async def applied(cluster: Cluster, asked: NodeProcess) -> dict[str, int]:
    """Return the applied index per node of the shop's group, and as `commit` the leader's commit index."""
    _, status, _ = await cluster.request(asked, "GET", "/v1/cluster")
    group = next(group for group in status["groups"] if group["database"] == "shop")
    indexes = {replica["node"]: replica["applied_index"] or 0 for replica in group["replicas"]}
    return {**indexes, "commit": group["commit_index"]}


async def metric(cluster: Cluster, node: NodeProcess, name: str) -> float:
    async with cluster.session.get(node.url + "/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


def inspect(node: NodeProcess) -> dict[str, Any]:
    """Return what a stopped node holds of the shop's group, every digest recomputed from its disk."""
    command = [sys.executable, "-m", "raftdoc", "inspect", str(node.data), "--digest", "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    group = next(group for group in report["groups"] if "orders" in group["digest"])
    assert group["differing"] == []
    return group  # type: ignore[no-any-return]


async def leave_behind(cluster: Cluster) -> tuple[NodeProcess, NodeProcess]:
    """Kill a follower, write past the log's budget, and return it and the leader."""
    await cluster.create_database("shop")
    leader = await cluster.leader("shop")
    victim = next(node for node in cluster.nodes if node is not leader)
    await write(cluster, leader, 0, 10)
    victim.kill()
    await write(cluster, leader, 10, 900)

    async def is_within_budget() -> bool:
        return await metric(cluster, leader, "raftdoc_log_bytes") <= 48 * MIB

    await wait_until("the log has let go", is_within_budget)
    return victim, leader


async def wait_equal(cluster: Cluster, victim: NodeProcess, leader: NodeProcess) -> None:
    async def is_equal() -> bool:
        indexes = await applied(cluster, leader)
        return indexes[victim.id] >= indexes["commit"]

    await wait_until("it has caught up", is_equal, 60.0)


def check_disks(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.stop()
    found = [inspect(node)["digest"]["orders"] for node in cluster.nodes]
    assert len(set(found)) == 1, found


async def test_node_that_was_away_past_the_budget_of_the_log_becomes_equal(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=[*FAST, *SMALL_LOG]) as cluster:
        victim, leader = await leave_behind(cluster)
        victim.start()
        await cluster.ready([victim])
        await write(cluster, leader, 900, 950)
        await wait_equal(cluster, victim, leader)
        assert await metric(cluster, victim, "raftdoc_snapshots_installed_total") >= 1
        assert "snapshot begins" in leader.log_path.read_text()
        assert "snapshot installed" in victim.log_path.read_text()
        check_disks(cluster)


async def test_kill_9_in_the_middle_of_an_install_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=[*FAST, *SMALL_LOG]) as cluster:
        victim, leader = await leave_behind(cluster)

        async def has_said(line: str) -> bool:
            return line in victim.log_path.read_text()

        async def has_received() -> bool:
            return await metric(cluster, victim, "raftdoc_snapshot_received_raw_bytes_total") > 20 * MIB

        for what in ("snapshot comes", "half of it", "snapshot installed"):
            victim.log_path.write_text("")
            victim.start()
            await wait_until(what, has_received if what == "half of it" else lambda what=what: has_said(what))
            victim.kill()
        victim.start()
        await cluster.ready([victim])
        await wait_equal(cluster, victim, leader)
        check_disks(cluster)
