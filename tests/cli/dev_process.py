"""A cluster run by `raftdoc dev`, for tests that look at it from outside."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from raftdoc.cli.dev_place import open_place, taken_ports

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
POLL_S = 0.05
PORTS_TRIED_MAX = 100


def free_port(node_count: int = 3) -> int:
    """Return a port from which on there is place for the nodes of a cluster, and for their peers below."""
    for _ in range(PORTS_TRIED_MAX):
        port = random.randrange(12_000, 30_000)
        with tempfile.TemporaryDirectory() as data:
            if not taken_ports(open_place(Path(data), node_count=node_count, http_port=port, peer_offset=1000)):
                return port
    raise AssertionError("no free ports")


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return once the condition holds; fail, saying what was waited for, at the deadline."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for: {what}"
        pause.wait(POLL_S)


class DevProcess:
    """`raftdoc dev` as a child; its output is collected while it runs."""

    def __init__(self, *arguments: str, node_count: int = 3, port: int | None = None) -> None:
        self.port = port or free_port(node_count)
        self.urls = [f"http://127.0.0.1:{self.port + number}" for number in range(node_count)]
        command = [sys.executable, "-m", "raftdoc", "dev", "--nodes", str(node_count), "--port", str(self.port)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAFTDOC_")}
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=inherited
        )
        self._outputs: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._threads = [
            threading.Thread(target=self._collect, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self.process.stdout), ("stderr", self.process.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def _collect(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            self._outputs[name].append(line)
        stream.close()

    @property
    def stdout(self) -> str:
        return "".join(self._outputs["stdout"])

    @property
    def stderr(self) -> str:
        return "".join(self._outputs["stderr"])

    def until_ready(self) -> Self:
        wait_until(lambda: "Ctrl-C stops all" in self.stdout or self.process.poll() is not None, "a ready cluster")
        assert self.process.poll() is None, self.stderr
        return self

    def pids(self) -> dict[str, int]:
        """Return the process id of each node, by its name."""
        return {name: int(pid) for name, pid in re.findall(r"^  (n\d)  \S+  pid (\d+)$", self.stdout, re.MULTILINE)}

    def stop(self) -> int:
        """Stop as Ctrl-C does, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
