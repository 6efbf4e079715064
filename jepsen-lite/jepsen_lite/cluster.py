"""The nodes of a run: real processes on free ports, whose peers they dial through the proxies."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from jepsen_lite.faults.disk_library import Disk
from jepsen_lite.links import LOOPBACK, Links

READY_TIMEOUT_S = 45.0
POLL_S = 0.06
ASK_TIMEOUT_S = 2.0
ENDED = (0, -int(signal.SIGKILL), -int(signal.SIGTERM))
"""How a node ends that was told to; by SIGTERM itself before it has come so far as to handle it."""


class NotReady(RuntimeError):
    """A node does not come up within the time."""


class Exit(NamedTuple):
    node: str
    code: int
    is_ordered: bool
    """Whether the harness ended the process; else it ended by itself."""


@dataclass(slots=True)
class Node:
    id: str
    http_port: int
    peer_port: int
    process: subprocess.Popen[bytes] | None = None
    is_paused: bool = False
    is_ending: bool = False
    """The harness has told it to end."""
    may_end_with: set[int] = field(default_factory=set)
    """Exit codes with which this node answers a fault that it has met: a failing disk, a damaged file."""
    life_count: int = 0
    flags: dict[str, str] = field(default_factory=dict)
    """Of this node alone, over those of the cluster."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"

    def preload(self, library: str) -> None:
        """Put one more library before the C library."""
        self.environment["LD_PRELOAD"] = " ".join([*self.environment.get("LD_PRELOAD", "").split(), library])


class Cluster:
    """Starts, ends, pauses and asks nodes. All waiting is asynchronous."""

    def __init__(self, directory: Path, count: int, links: Links, settings: Mapping[str, str]) -> None:
        self.directory = directory
        self.links = links
        self.exits: list[Exit] = []
        self.disks: dict[str, Disk] = {}
        self._settings = dict(settings)
        self._secret = secrets.token_hex(16)
        ports = free_ports(2 * count)
        self.nodes = {f"n{k + 1}": Node(f"n{k + 1}", ports[2 * k], ports[2 * k + 1]) for k in range(count)}
        self.founders = tuple(self.nodes)
        self._dials: dict[str, dict[str, int]] = {node: {} for node in self.nodes}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Put the proxies between the nodes, start all and wait until they are ready."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_TIMEOUT_S))
        (self.directory / "nodes").mkdir(parents=True, exist_ok=True)
        for source in self.founders:
            for target in self.founders:
                if source != target:
                    port = self.nodes[target].peer_port
                    self._dials[source][target] = await self.links.open(source, target, port)
        for node in self.founders:
            self.start(node)
        await self.wait_ready(self.founders)

    async def close(self) -> None:
        """Kill what still runs."""
        for node in self.nodes:
            await self.kill(node)
        if self._session is not None:
            await self._session.close()

    # Paths ----------------------------------------------------------------------------------------

    def data(self, node: str) -> Path:
        return self.directory / "data" / node

    def log_path(self, node: str) -> Path:
        return self.directory / "nodes" / f"{node}.log"

    def log(self, node: str) -> str:
        path = self.log_path(node)
        return path.read_text(errors="replace") if path.exists() else ""

    # Life -----------------------------------------------------------------------------------------

    def start(self, node: str) -> None:
        """Start a node that is not running; one that runs is left alone."""
        one = self.nodes[node]
        if self.is_running(node):
            return
        if node in self.disks:
            self.disks[node].forget()
        self.data(node).parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **one.environment}
        with self.log_path(node).open("ab") as output:
            one.process = subprocess.Popen(self._command(one), stdout=output, stderr=output, env=environment)
        one.life_count += 1
        one.is_paused = False

    async def kill(self, node: str) -> None:
        """kill -9, and wait for the end."""
        await self._end(node, signal.SIGKILL)

    async def stop(self, node: str) -> None:
        """SIGTERM, and wait for the end."""
        await self._end(node, signal.SIGTERM)

    def pause(self, node: str) -> None:
        if self.is_running(node):
            self._signal(node, signal.SIGSTOP)
            self.nodes[node].is_paused = True

    def resume(self, node: str) -> None:
        if self.is_running(node):
            self._signal(node, signal.SIGCONT)
            self.nodes[node].is_paused = False

    def is_running(self, node: str) -> bool:
        """Return whether its process lives; an end that nobody ordered is noted."""
        one = self.nodes[node]
        if one.process is None:
            return False
        code = one.process.poll()
        if code is None:
            return True
        one.process = None
        is_ordered = code in one.may_end_with or (one.is_ending and code in ENDED)
        self.exits.append(Exit(node, code, is_ordered=is_ordered))
        return False

    def pid(self, node: str) -> int | None:
        process = self.nodes[node].process
        return process.pid if process is not None and self.is_running(node) else None

    def sockets(self, node: str) -> int:
        """Return how many sockets a node has open; 0 where it does not run, or the system does not say."""
        pid = self.pid(node)
        place = Path(f"/proc/{pid}/fd")
        if pid is None or not place.exists():
            return 0
        return sum(_is_socket(link) for link in place.iterdir())

    def running(self) -> list[str]:
        return [node for node in self.nodes if self.is_running(node)]

    async def wait_ready(self, nodes: Iterable[str], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until each says that it is ready.

        The time is counted in questions: a busy machine that gives the harness nothing gives nothing to nodes either.

        Raises:
            NotReady: one ended, or is not ready in time.
        """
        left = int(timeout_s / POLL_S)
        for node in nodes:
            while not await self.is_ready(node):
                left -= 1
                if not self.is_running(node):
                    raise NotReady(f"{node} ended: {self.exits[-1:]}\n{self.log(node)[-2000:]}")
                if left <= 0:
                    raise NotReady(f"{node} is not ready in {timeout_s} s:\n{self.log(node)[-2000:]}")
                await asyncio.sleep(POLL_S)

    # Questions ------------------------------------------------------------------------------------

    async def is_ready(self, node: str) -> bool:
        return (await self.ask(node, "/readyz"))[0] == 200

    async def ask(self, node: str, path: str, *, method: str = "GET", body: Any = None) -> tuple[int, str]:
        """Ask a node past all proxies. Return status and text; status 0 where nothing answers."""
        assert self._session is not None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = None if body is None else json.dumps(body).encode()
        try:
            url = self.nodes[node].url + path
            async with self._session.request(method, url, data=data, headers=headers) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, ""

    async def view(self, node: str) -> dict[str, Any] | None:
        """Return what a node says of the cluster, None where it says nothing."""
        status, text = await self.ask(node, "/v1/cluster")
        if status != 200:
            return None
        view: dict[str, Any] = json.loads(text)
        return view

    # Inside ---------------------------------------------------------------------------------------

    def _command(self, node: Node) -> list[str]:
        options = {
            "node": node.id,
            "cluster-id": "jepsen",
            "secret": self._secret,
            "data": str(self.data(node.id)),
            "http": f"{LOOPBACK}:{node.http_port}",
            "peer": f"{LOOPBACK}:{node.peer_port}",
            "peers": ",".join(f"{one}={LOOPBACK}:{self.nodes[one].peer_port}" for one in self.founders),
            "dial": ",".join(f"{to}={LOOPBACK}:{port}" for to, port in self._dials.get(node.id, {}).items()),
            **self._settings,
            **node.flags,
        }
        flags = [part for name, value in options.items() if value for part in (f"--{name}", value)]
        return [sys.executable, "-m", "raftdoc", "serve", *flags]

    def add(self, node: str, via: str) -> None:
        """Lay out one more node, which asks `via` to join; it is not started."""
        http_port, peer_port = free_ports(2)
        flags = {"join": self.nodes[via].url, "peers": ""}
        self.nodes[node] = Node(node, http_port, peer_port, flags=flags)

    def _signal(self, node: str, number: signal.Signals) -> None:
        process = self.nodes[node].process
        assert process is not None, node
        process.send_signal(number)

    async def _end(self, node: str, number: signal.Signals) -> None:
        if not self.is_running(node):
            return
        one = self.nodes[node]
        process = one.process
        assert process is not None, node
        process.send_signal(number)
        # A paused process takes no signal but SIGKILL before it goes on.
        process.send_signal(signal.SIGCONT)
        one.is_ending = True
        await asyncio.to_thread(process.wait)
        self.is_running(node)
        one.is_ending = False


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:
        # Closed since it was listed.
        return False


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; they are held together, so that no two are the same."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
