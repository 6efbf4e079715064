"""`raftdoc cluster`, run as an operator runs it: on a cluster that lives, and on one that has lost its majority."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from processes import Cluster, NodeProcess

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FAST = ["--election-timeout-ms", "400", "--heartbeat-interval-ms", "50"]
DOCS = "/v1/dbs/shop/collections/orders/docs"
RUN_TIMEOUT_S = 120


async def raftdoc(*arguments: str) -> tuple[int, str]:
    """Run `raftdoc cluster ...`; return its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "raftdoc", "cluster", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(RUN_TIMEOUT_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def start_newcomer(cluster: Cluster, via: NodeProcess, id: str = "") -> NodeProcess:
    node = cluster.newcomer(via, extra=FAST, id=id)
    node.start()
    cluster.nodes.append(node)
    return node


async def test_the_commands_say_what_they_do_and_when_it_is_done(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        first = cluster.nodes[0]
        url = ["--url", first.url]
        newcomer = await start_newcomer(cluster, first)
        code, text = await raftdoc("add", newcomer.id, *url)
        assert (code, text.splitlines()[-1]) == (0, "node n4 is member")
        cluster.node("n3").kill()
        code, text = await raftdoc("remove", "n2", *url)
        assert code == 0, text
        assert "node n2 is removed; 0 replicas are left on it" in text
        code, text = await raftdoc("remove", "n4", *url)
        assert code == 1, text
        assert "quorum_at_risk" in text or "no_leader" in text
        code, text = await raftdoc("replace", "n3", "n9", "--wait", "1", *url)
        assert code == 1
        assert "n9 is not known yet" in text
        code, text = await raftdoc("status", *url)
        assert code == 0
        assert "removed: n2" in text


async def test_one_survivor_of_three_goes_on_with_all_that_it_has(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        survivor, *lost = cluster.nodes
        for number in range(20):
            status, _, _ = await cluster.request(survivor, "PUT", f"{DOCS}/{number}", body={"n": number})
            assert status == 201
        directory = ["recover", str(survivor.data), "--survivors", survivor.id]
        code, text = await raftdoc(*directory)
        assert (code, "in use by another process" in text) == (78, True), text
        survivor.kill()
        code, text = await raftdoc(*directory, "--accept-data-loss")
        assert code == 1
        assert "answers: the cluster is not lost" in text
        for node in lost:
            node.kill()
        code, text = await raftdoc(*directory)
        assert (code, "--accept-data-loss" in text) == (1, True), text
        code, text = await raftdoc(*directory, "--accept-data-loss")
        assert code == 0, text
        cluster.nodes[:] = [survivor]
        survivor.start()
        await cluster.ready()
        for number in range(20):
            status, answer, _ = await cluster.request(survivor, "GET", f"{DOCS}/{number}")
            assert (status, answer) == (200, {"_id": str(number), "n": number})
        for node in lost:
            code, text = await raftdoc("remove", node.id, "--url", survivor.url)
            assert code == 0, text
        newcomer = await start_newcomer(cluster, survivor, "n4")
        code, text = await raftdoc("add", newcomer.id, "--url", survivor.url)
        assert code == 0, text
        status, _, _ = await cluster.request(newcomer, "PUT", f"{DOCS}/new", body={})
        assert status == 201
