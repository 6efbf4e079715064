"""What operators do to nodes, and what befalls their disks: real processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Cluster, NodeProcess, free_port, wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

FAST = ["--election-timeout-ms", "400", "--heartbeat-interval-ms", "50"]
DOCS = "/v1/dbs/shop/collections/orders/docs"
EXIT_SETTINGS = 78
MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 320 MiB."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small file system takes root and mount(8)")
    directory = tmp_path / "small"
    directory.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no small file system here: {made.stderr.strip()}")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


async def test_a_node_whose_disk_is_full_refuses_writes_and_comes_back_when_there_is_space(
    tmp_path: Path, small_disk: Path
) -> None:
    cluster = Cluster.plan(tmp_path, extra=[*FAST, "--log-segment-bytes", "4MiB"])
    victim = cluster.nodes[0]
    position = victim.arguments.index("--data")
    victim.arguments[position + 1] = str(small_disk / "n1")
    async with cluster:
        await cluster.create_database("shop")
        await make_leader(cluster, victim)
        filler = small_disk / "filler"
        fill(filler, small_disk, leave_bytes=16 * MIB)
        # It hands over: the others go on taking writes, and it answers by them.
        leader = await cluster.leader("shop", [node for node in cluster.nodes if node is not victim])
        assert leader is not victim
        for node in cluster.nodes:
            status, answer, _ = await put_until_acknowledged(cluster, node, f"by-{node.id}")
            assert status in (200, 201), answer
        filler.unlink()

        async def has_caught_up() -> bool:
            _, status, _ = await cluster.request(victim, "GET", "/v1/cluster")
            group = next(group for group in status["groups"] if group["database"] == "shop")
            applied = {replica["node"]: replica["applied_index"] for replica in group["replicas"]}
            return applied["n1"] is not None and applied["n1"] >= group["commit_index"] > 0

        await wait_until("the node takes entries again", has_caught_up)
        status, document, _ = await cluster.request(victim, "GET", f"{DOCS}/by-n2")
        assert status == 200, document


async def make_leader(cluster: Cluster, node: NodeProcess) -> None:
    async def leads() -> bool:
        leader = await cluster.leader("shop")
        if leader is node:
            return True
        _, status, _ = await cluster.request(leader, "GET", "/v1/cluster")
        group = next(group["id"] for group in status["groups"] if group["database"] == "shop")
        await cluster.request(leader, "POST", "/v1/cluster/transfer-leader", body={"group": group, "target": node.id})
        return False

    await wait_until(f"{node.id} leads", leads)


async def put_until_acknowledged(cluster: Cluster, node: NodeProcess, id: str) -> tuple[int, object, object]:
    async def put() -> tuple[int, object, object] | None:
        answered = await cluster.request(node, "PUT", f"{DOCS}/{id}", body={"v": 1})
        return answered if answered[0] in (200, 201) else None

    found = await wait_until(f"{id} is acknowledged", put)
    assert isinstance(found, tuple)
    return found


def fill(filler: Path, directory: Path, *, leave_bytes: int) -> None:
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - leave_bytes))


async def test_a_node_that_lost_its_data_is_refused_under_its_old_id(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        victim = cluster.nodes[2]
        victim.kill()
        shutil.rmtree(victim.data)
        victim.start()
        assert victim.wait() == EXIT_SETTINGS
        assert "raftdoc cluster replace n3" in victim.log_path.read_text()
        await cluster.create_database("shop")


async def test_a_second_process_on_a_data_directory_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        first = cluster.nodes[0]
        second = NodeProcess(first.id, 0, 0, first.data, list(first.arguments))
        second.start()
        assert second.wait() == EXIT_SETTINGS
        assert "in use by another process" in first.log_path.read_text()
        status, answer, _ = await cluster.request(first, "PUT", f"{DOCS}/x", body={})
        assert status == 201, answer


async def test_garbage_on_the_ports_is_refused_and_the_node_serves_on(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        node = cluster.nodes[0]
        for port in (node.peer_port, node.http_port):
            for garbage in (b"\x00" * 64, b"\xff" * 70_000, b"GET / HTTP/9.9\r\n\r\n", os.urandom(4096)):
                send(port, garbage)
        status, answer, _ = await cluster.request(node, "PUT", f"{DOCS}/x", body={})
        assert status == 201, answer
        assert "Traceback" not in node.log_path.read_text()


def send(port: int, data: bytes) -> None:
    """Send data and read until the other side has had enough."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except ConnectionError:
            return


async def test_a_node_that_moved_to_another_port_is_found_again(tmp_path: Path) -> None:
    async with Cluster.plan(tmp_path, extra=FAST) as cluster:
        await cluster.create_database("shop")
        moved = cluster.nodes[1]
        moved.stop()
        old, moved.peer_port = moved.peer_port, free_port()
        moved.arguments = [
            argument.replace(f"127.0.0.1:{old}", f"127.0.0.1:{moved.peer_port}") for argument in moved.arguments
        ]
        moved.start()
        await cluster.ready()
        other = cluster.nodes[0]
        other.stop()

        async def writes() -> bool:
            status, _, _ = await cluster.request(moved, "PUT", f"{DOCS}/x", body={})
            return status in (200, 201)

        await wait_until("the moved node and the third one are a quorum", writes)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/v1/cluster"])
async def test_a_node_tells_about_itself(tmp_path: Path, path: str) -> None:
    async with Cluster.plan(tmp_path, count=1, extra=FAST) as cluster:
        answer = await cluster.session.get(cluster.nodes[0].url + path)
        assert answer.status == 200
        assert await answer.read()
