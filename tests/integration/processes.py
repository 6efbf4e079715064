"""Real nodes for tests: started, killed, paused and restarted by their process ids."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from multidict import CIMultiDictProxy

from raftdoc.api.openapi import describe_api
from tests.api.contract import Contract
from tests.api.wire import Answer

READY_TIMEOUT_S = 30.0
CONTRACT = Contract(json.loads(orjson.dumps(describe_api())))
"""Every exchange with a real node is held against the description that it gives of itself."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def wait_until(what: str, condition: Callable[[], Awaitable[Any]], timeout_s: float = READY_TIMEOUT_S) -> Any:
    """Return the first truthy result of condition, asked again and again until the deadline."""
    deadline = time.monotonic() + timeout_s
    last: BaseException | None = None
    while time.monotonic() < deadline:
        try:
            result = await condition()
            if result:
                return result
        except (aiohttp.ClientError, OSError, AssertionError, TimeoutError) as error:
            last = error
        await asyncio.sleep(0)
        await asyncio.to_thread(time.sleep, 0.02)
    raise AssertionError(f"not within {timeout_s} s: {what} (last: {last!r})")


@dataclass
class NodeProcess:
    id: str
    http_port: int
    peer_port: int
    data: Path
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def log_path(self) -> Path:
        return self.data.parent / f"{self.id}.log"

    def start(self) -> None:
        assert self.process is None, f"{self.id} runs"
        with self.log_path.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "raftdoc", "serve", *self.arguments], stdout=output, stderr=output
            )

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self) -> int:
        assert self.process is not None
        code = self.process.wait(timeout=30)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9 and wait for the end."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM and wait for the end."""
        self.signal(signal.SIGTERM)
        return self.wait()


@dataclass
class Cluster:
    nodes: list[NodeProcess]
    session: aiohttp.ClientSession = field(init=False)

    @classmethod
    def plan(cls, directory: Path, count: int = 3, extra: list[str] | None = None) -> Cluster:
        """Lay out nodes on free ports; nothing is started."""
        ids = [f"n{number}" for number in range(1, count + 1)]
        ports = {node: (free_port(), free_port()) for node in ids}
        peers = ",".join(f"{node}=127.0.0.1:{ports[node][1]}" for node in ids)
        nodes = []
        for node in ids:
            http_port, peer_port = ports[node]
            data = directory / node
            arguments = [
                "--node",
                node,
                "--cluster-id",
                "test",
                "--secret",
                "of the tests",
                "--data",
                str(data),
                "--peers",
                peers,
            ]
            arguments += ["--http", f"127.0.0.1:{http_port}", "--peer", f"127.0.0.1:{peer_port}", *(extra or [])]
            nodes.append(NodeProcess(node, http_port, peer_port, data, arguments))
        return cls(nodes)

    async def __aenter__(self) -> Cluster:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        for node in self.nodes:
            node.start()
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        for node in self.nodes:
            if node.process is not None:
                node.signal(signal.SIGCONT)
                node.kill()

    def newcomer(
        self, via: NodeProcess, *, extra: list[str] | None = None, id: str = "", data: Path | None = None
    ) -> NodeProcess:
        """Lay out one more node, which will ask another one to join; nothing is started."""
        id = id or f"n{1 + max(int(node.id[1:]) for node in self.nodes)}"
        http_port, peer_port = free_port(), free_port()
        data = data or via.data.parent / id
        arguments = ["--node", id, "--cluster-id", "test", "--secret", "of the tests", "--data", str(data)]
        arguments += ["--http", f"127.0.0.1:{http_port}", "--peer", f"127.0.0.1:{peer_port}", "--join", via.url]
        return NodeProcess(id, http_port, peer_port, data, [*arguments, *(extra or [])])

    def node(self, id: str) -> NodeProcess:
        return next(node for node in self.nodes if node.id == id)

    async def ready(self, nodes: list[NodeProcess] | None = None) -> None:
        for node in nodes or self.nodes:
            await wait_until(f"{node.id} is ready", lambda node=node: self._is_ready(node))

    async def _is_ready(self, node: NodeProcess) -> bool:
        assert node.process is not None
        code = node.process.poll()
        if code is not None:
            raise RuntimeError(f"{node.id} ended with {code}:\n{node.log_path.read_text()[-3000:]}")
        async with self.session.get(f"{node.url}/readyz") as answer:
            return answer.status == 200

    async def request(
        self, node: NodeProcess, method: str, path: str, *, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, CIMultiDictProxy[str]]:
        """Return status, decoded body (None when empty) and headers."""
        data = None if body is None else json.dumps(body).encode()
        all_headers = {"Content-Type": "application/json", **(headers or {})} if data is not None else headers
        async with self.session.request(method, node.url + path, data=data, headers=all_headers) as answer:
            text = await answer.read()
            heard = Answer(answer.status, [(name.decode(), value.decode()) for name, value in answer.raw_headers], text)
            CONTRACT.check(method, path, data, dict(all_headers or {}), heard)
            return answer.status, json.loads(text) if text else None, answer.headers

    async def create_database(self, name: str) -> None:
        status, answer, _ = await self.request(self.nodes[0], "PUT", f"/v1/dbs/{name}", body={})
        assert status in (200, 201), answer

    async def leader(self, database: str, among: list[NodeProcess] | None = None) -> NodeProcess:
        """Return the leader of a database's group that a live node names and that answers for itself."""

        async def find() -> NodeProcess | None:
            for node in among or self.nodes:
                if node.process is None:
                    continue
                _, cluster, _ = await self.request(node, "GET", "/v1/cluster")
                for group in cluster["groups"]:
                    if group["database"] == database and group["leader"] == node.id:
                        return node
            return None

        found = await wait_until(f"{database} has a leader", find)
        assert isinstance(found, NodeProcess)
        return found
