"""The node processes of `raftdoc dev`: start, watch, merge their logs, stop."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

from raftdoc.cli.commands import EXIT_BAD_NEWS, complain
from raftdoc.cli.dev_place import NodePlace, Place
from raftdoc.client import control

READY_TIMEOUT_S = 30.0
READY_CALL_TIMEOUT_S = 2.0
READY_POLL_S = 0.05
STOP_TIMEOUT_S = 20.0
LOG_CHUNK_BYTES = 1 << 16
LOG_LINE_BYTES_MAX = 1 << 20


class DevCluster:
    """Runs every node of a place until a signal comes, or until none is left."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._processes: dict[NodePlace, asyncio.subprocess.Process] = {}
        self._ended = asyncio.Event()
        """A signal came, or a node ended before all were ready, or all have ended."""
        self._is_ready = False
        self._is_stopping = False
        self._signal_count = 0

    async def run(self) -> int:
        """Return the exit code: 0 when a signal stopped a cluster that had been ready."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop_asked)
        try:
            async with asyncio.TaskGroup() as tasks:
                for node in self._place.nodes:
                    self._processes[node] = process = await self._spawn(node)
                    tasks.create_task(self._follow(node, process))
                self._is_ready = await self._until_ready()
                if self._is_ready:
                    self._introduce()
                    await self._ended.wait()
                await self._stop_all()
        finally:
            self._kill_all()
        return 0 if self._is_ready and self._signal_count else EXIT_BAD_NEWS

    async def _spawn(self, node: NodePlace) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C in the terminal reaches this process only, which then stops the nodes in order.
        return await asyncio.create_subprocess_exec(
            *self._place.command(node),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    async def _follow(self, node: NodePlace, process: asyncio.subprocess.Process) -> None:
        """Copy the node's lines until it ends, and say how it ended where nobody asked it to."""
        assert process.stdout is not None, node
        rest = b""
        while chunk := await process.stdout.read(LOG_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LOG_LINE_BYTES_MAX:
                lines, rest = [*lines, rest], b""
            _write_lines(node.name, lines)
        _write_lines(node.name, [rest] if rest else [])
        code = await process.wait()
        if not self._is_stopping:
            self._report_end(node, process.pid, code)
            if not self._is_ready or not self._living():
                self._ended.set()

    def _report_end(self, node: NodePlace, pid: int, code: int) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        complain(
            f"node {node.name} (pid {pid}) {how}; it is not started again. By hand:", self._place.shell_command(node)
        )

    def _living(self) -> list[asyncio.subprocess.Process]:
        return [process for process in self._processes.values() if process.returncode is None]

    async def _until_ready(self) -> bool:
        """Return True once every node says that it is; False, having said why, at the deadline or an end before it."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not self._ended.is_set():
            missing = [reason for reason in await asyncio.gather(*map(_what_is_missing, self._place.nodes)) if reason]
            if not missing:
                return True
            if time.monotonic() > deadline:
                complain(f"not every node was ready within {READY_TIMEOUT_S:.0f} s:", *missing)
                return False
            await _either(self._ended, READY_POLL_S)
        return False

    def _introduce(self) -> None:
        first, last = self._place.nodes[0].url, self._place.nodes[-1].url
        count = len(self._place.nodes)
        print(
            f"\n{count} node{'s are' if count > 1 else ' is'} ready, data in {self._place.data}\n",
            *(f"  {node.name}  {node.url}  pid {self._processes[node].pid}" for node in self._place.nodes),
            "\nTry:",
            f"  curl -X PUT {first}/v1/dbs/shop",
            f"  curl -X PUT {first}/v1/dbs/shop/collections/orders/docs/42 --json '{{\"total\": 9.5}}'",
            f"  curl {last}/v1/dbs/shop/collections/orders/docs/42",
            "\nAdd a node, in another terminal, and let one go:",
            f"  {self._place.join_command()}",
            f"  raftdoc cluster remove {self._place.nodes[-1].name} --url {first}",
            "\nCtrl-C stops all.",
            sep="\n",
            flush=True,
        )

    def _stop_asked(self) -> None:
        self._signal_count += 1
        self._is_stopping = True
        self._ended.set()
        if self._signal_count > 1:
            self._kill_all()

    async def _stop_all(self) -> None:
        """Ask every node to stop, wait, and kill those that do not."""
        self._is_stopping = True
        living = self._living()
        for process in living:
            process.terminate()
        if living:
            complain(f"stopping {len(living)} nodes; again to stop at once")
            waits = [asyncio.ensure_future(process.wait()) for process in living]
            _, hanging = await asyncio.wait(waits, timeout=STOP_TIMEOUT_S)
            if hanging:
                complain(f"{len(hanging)} nodes did not stop within {STOP_TIMEOUT_S:.0f} s and are killed")
        self._kill_all()

    def _kill_all(self) -> None:
        for process in self._living():
            process.kill()


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Return when the event is set or the time is over."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


async def _what_is_missing(node: NodePlace) -> str:
    """Return why the node is not ready; an empty text: it is."""
    try:
        answer = await asyncio.to_thread(control.call, "GET", f"{node.url}/readyz", timeout_s=READY_CALL_TIMEOUT_S)
    except control.NodeUnreachable as error:
        return f"{node.name}: {error}"
    return "" if answer.status == 200 else f"{node.name}: {answer.body.decode(errors='replace').strip()}"


def _write_lines(name: str, lines: list[bytes]) -> None:
    prefix = f"{name} | ".encode()
    sys.stderr.buffer.write(b"".join(prefix + line + b"\n" for line in lines))
    sys.stderr.buffer.flush()
