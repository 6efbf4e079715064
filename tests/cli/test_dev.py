"""`raftdoc dev` with real processes: ready means ready, stopped means stopped, the data is there again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raftdoc.client.control import call
from tests.cli.dev_process import DevProcess, is_alive, wait_until

pytestmark = pytest.mark.processes
DOCUMENT = "/v1/dbs/shop/collections/orders/docs/42"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    with DevProcess("--data", str(tmp_path_factory.mktemp("dev"))) as dev:
        yield dev.until_ready()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "raftdoc", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_every_node_answers_when_dev_says_so(cluster: DevProcess) -> None:
    assert [call("GET", f"{url}/readyz").status for url in cluster.urls] == [200, 200, 200]
    assert list(cluster.pids()) == ["n1", "n2", "n3"]
    assert all(url in cluster.stdout for url in cluster.urls)
    assert "curl -X PUT" in cluster.stdout


def test_status_shows_every_node_and_a_leader_of_every_group(cluster: DevProcess) -> None:
    call("PUT", f"{cluster.urls[0]}/v1/dbs/shop")
    ended = command("status", "--url", cluster.urls[1])
    assert ended.returncode == 0, ended.stderr
    for word in ("n1", "n2", "n3", *cluster.urls, "(catalog)", "shop"):
        assert word in ended.stdout
    assert "NONE" not in ended.stdout


@pytest.mark.parametrize("workload", ["put", "get", "mixed", "bulk"])
def test_bench_reports_rate_latency_fsyncs_and_file_system(cluster: DevProcess, workload: str) -> None:
    ended = command(
        *("bench", "--url", cluster.urls[2], "--workload", workload, "--seconds", "1"),
        *("--connections", "4", "--keys", "100", "--batch", "50"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "errors     none" in ended.stdout
    assert "not told by the node" not in ended.stdout
    assert ended.stderr.count("/s  p50") == 1


def test_bench_tells_reads_with_and_without_scans_of_one_run(cluster: DevProcess) -> None:
    ended = command(
        *("bench", "--url", cluster.urls[2], "--workload", "mixed-scan", "--seconds", "2"),
        *("--connections", "4", "--keys", "500", "--scans", "2"),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "errors     none" in ended.stdout
    assert "p99 of reads with / without: " in ended.stdout
    assert " 0 ended" not in ended.stdout


def test_taken_port_is_told_before_anything_starts(cluster: DevProcess, tmp_path: Path) -> None:
    with DevProcess("--data", str(tmp_path), port=cluster.port + 2) as second:
        assert second.process.wait(30) == 1
    assert f"port {cluster.port + 2} of 127.0.0.1 (HTTP of n1) cannot be used" in second.stderr
    assert not (tmp_path / "n1").exists()


def test_ended_node_is_reported_and_the_others_go_on_and_all_come_back(tmp_path: Path) -> None:
    with DevProcess("--data", str(tmp_path)) as first:
        first.until_ready()
        assert call("PUT", f"{first.urls[0]}/v1/dbs/shop").status == 201
        written = call("PUT", first.urls[0] + DOCUMENT, b'{"total": 9.5}', content_type="application/json")
        assert written.status == 201, written
        pids = first.pids()
        os.kill(pids["n2"], signal.SIGKILL)
        wait_until(lambda: f"node n2 (pid {pids['n2']}) was ended by SIGKILL" in first.stderr, "the report of the end")
        wait_until(lambda: call("GET", first.urls[2] + DOCUMENT).status == 200, "the others to go on")
        assert first.stop() == 0
    assert not any(map(is_alive, pids.values()))

    with DevProcess("--data", str(tmp_path), port=first.port) as again:
        again.until_ready()
        assert [call("GET", url + DOCUMENT).json() for url in again.urls] == [{"_id": "42", "total": 9.5}] * 3
        assert again.stop() == 0


def test_ephemeral_cluster_leaves_nothing() -> None:
    with DevProcess("--ephemeral", node_count=1) as dev:
        dev.until_ready()
        place = Path(dev.stdout.split("data in ")[1].split("\n")[0])
        assert place.is_dir()
        assert dev.stop() == 0
    assert not place.exists()


def test_node_that_cannot_start_ends_dev_with_its_words(tmp_path: Path) -> None:
    with DevProcess("--data", str(tmp_path), node_count=1) as dev:
        dev.until_ready()
        assert dev.stop() == 0
    (tmp_path / "n1/format.json").write_text('{"format": 99}')
    with DevProcess("--data", str(tmp_path), node_count=1) as dev:
        assert dev.process.wait(60) == 1
    assert "format 99" in dev.stderr
    assert "ended with exit code 78" in dev.stderr


def test_peer_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] + 1000
        if port > 65_000:
            pytest.skip("the system gave a port that leaves no room above")
        with DevProcess("--data", str(tmp_path), node_count=1, port=port) as dev:
            assert dev.process.wait(30) == 1
    assert f"port {port - 1000} of 127.0.0.1 (peers of n1) cannot be used" in dev.stderr
