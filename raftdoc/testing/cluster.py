"""The processes of a cluster: started, killed, paused and started again."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from raftdoc.client.control import NodeUnreachable, call

LOOPBACK: Final = "127.0.0.1"
POLL_S: Final = 0.02
LOG_BYTES_SHOWN: Final = 4000
STOP_TIMEOUT_S: Final = 15.0


class CannotStart(RuntimeError):
    """A node did not become ready; the message has the end of its log."""


class _Node(NamedTuple):
    id: str
    http_port: int
    peer_port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"


class LocalCluster:
    """`nodes` processes of `raftdoc serve` with data in a temporary directory."""

    def __init__(
        self, nodes: int = 3, *, settings: dict[str, str] | None = None, ready_timeout_s: float = 30.0
    ) -> None:
        """`settings` are flags of `raftdoc serve`: {"reads": "readindex"}. Nothing is started yet."""
        if nodes < 1:
            raise ValueError("a cluster has at least one node")
        self._settings = dict(settings or {})
        self._ready_timeout_s = ready_timeout_s
        self._directory = tempfile.TemporaryDirectory(prefix="raftdoc-")
        self._secret = secrets.token_hex(16)
        ports = _free_ports(2 * nodes)
        self._nodes = {f"n{k + 1}": _Node(f"n{k + 1}", ports[2 * k], ports[2 * k + 1]) for k in range(nodes)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def nodes(self) -> tuple[str, ...]:
        """The ids of the nodes."""
        return tuple(self._nodes)

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes, running or not: what a client is given."""
        return [node.url for node in self._nodes.values()]

    def url(self, node: str) -> str:
        return self._nodes[node].url

    def pid(self, node: str) -> int:
        """Return the process id of a running node."""
        return self._running(node).pid

    def log(self, node: str) -> str:
        """Return what a node has logged so far, over all its lives."""
        path = self._log_path(node)
        return path.read_text(errors="replace") if path.exists() else ""

    def data(self, node: str) -> Path:
        """Return the data directory of a node."""
        return Path(self._directory.name) / node

    # Life -----------------------------------------------------------------------------------------

    def __enter__(self) -> LocalCluster:
        try:
            for node in self._nodes:
                self._launch(node)
            self.wait_ready()
        except CannotStart:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, node: str) -> None:
        """Start a node that is not running, on the data it has, and wait until it is ready."""
        if node in self._processes:
            raise ValueError(f"{node} is running")
        self._launch(node)
        self.wait_ready(node)

    def kill(self, node: str) -> None:
        """End a node as `kill -9` does."""
        self._end(node, signal.SIGKILL)

    def stop(self, node: str) -> None:
        """End a node as `kill` does: it hands leadership over first."""
        self._end(node, signal.SIGTERM)

    def pause(self, node: str) -> None:
        """Stop a node in its tracks; `resume` lets it go on."""
        os.kill(self._running(node).pid, signal.SIGSTOP)

    def resume(self, node: str) -> None:
        os.kill(self._running(node).pid, signal.SIGCONT)

    def wait_ready(self, *nodes: str) -> None:
        """Wait until these nodes, or all that run, are ready.

        Raises:
            CannotStart: one of them is not within the time, or has ended.
        """
        deadline_s = time.monotonic() + self._ready_timeout_s
        for node in nodes or tuple(self._processes):
            while not self._is_ready(node):
                if self._processes[node].poll() is not None:
                    raise CannotStart(f"{node} ended with {self._processes[node].returncode}:\n{self._log_end(node)}")
                if time.monotonic() > deadline_s:
                    raise CannotStart(f"{node} is not ready in {self._ready_timeout_s} s:\n{self._log_end(node)}")
                time.sleep(POLL_S)

    def close(self) -> None:
        """End all nodes and delete their data. A second call does nothing."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._directory.cleanup()

    # Inside ---------------------------------------------------------------------------------------

    def _launch(self, node: str) -> None:
        with self._log_path(node).open("ab") as output:
            self._processes[node] = subprocess.Popen(self._command(node), stdout=output, stderr=output)

    def _command(self, node: str) -> list[str]:
        me = self._nodes[node]
        options = {
            "node": node,
            "cluster-id": "local",
            "secret": self._secret,
            "data": str(self.data(node)),
            "http": f"{LOOPBACK}:{me.http_port}",
            "peer": f"{LOOPBACK}:{me.peer_port}",
            "peers": ",".join(f"{each.id}={LOOPBACK}:{each.peer_port}" for each in self._nodes.values()),
            **self._settings,
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [sys.executable, "-m", "raftdoc", "serve", *flags]

    def _is_ready(self, node: str) -> bool:
        try:
            return call("GET", self.url(node) + "/readyz", timeout_s=2.0).status == 200
        except NodeUnreachable:
            return False

    def _end(self, node: str, number: signal.Signals) -> None:
        process = self._running(node)
        process.send_signal(number)
        # A paused process takes no signal but SIGKILL before it goes on.
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=STOP_TIMEOUT_S)
        del self._processes[node]

    def _running(self, node: str) -> subprocess.Popen[bytes]:
        process = self._processes.get(node)
        if process is None or process.poll() is not None:
            raise ValueError(f"{node} is not running")
        return process

    def _log_path(self, node: str) -> Path:
        return Path(self._directory.name) / f"{node}.log"

    def _log_end(self, node: str) -> str:
        return self.log(node)[-LOG_BYTES_SHOWN:]


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; they are held together, so that no two are the same."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind((LOOPBACK, 0))
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
