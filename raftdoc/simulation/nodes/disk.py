"""One machine's disk: the real log over files in memory, an engine in memory, and the writer between node and log.

What is written is seen at once and durable when the disk has said so. A power cut leaves any prefix of what was on its
way and any sectors of the next write, and of the engine any prefix since its last flush.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from raftdoc.node.log_writer import Ticket
from raftdoc.simulation.nodes.event_loop import VirtualLoop
from raftdoc.simulation.nodes.plan import Plan
from raftdoc.storage.log.log import SharedLog
from raftdoc.storage.log.memory_files import MemoryFiles
from raftdoc.storage.memory import MemoryEngine

DIRECTORY: Final = Path("/memory")
RESERVE_BYTES: Final = 1
CAPACITY_BYTES: Final = 1 << 30


class SimulatedEngine(MemoryEngine):
    """Tells when it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.on_flushed: Callable[[], None] = _do_nothing

    def flush(self) -> None:
        super().flush()
        self.on_flushed()


class Disk:
    """Outlives the processes of its node."""

    def __init__(self, loop: VirtualLoop, plan: Plan, random: Random) -> None:
        self.files = MemoryFiles(capacity_bytes=CAPACITY_BYTES, auto_settle=False)
        self.engine = SimulatedEngine()
        self.slow_until_ns = 0
        self.crashes_on: set[str] = set()
        """What the machine is to lose power after, once: a write, a flush, an install."""
        self.is_failing = False
        """The next write fails; who uses it has to stop."""
        self._loop = loop
        self._plan = plan
        self._random = random
        self._life = 0

    def open_log(self) -> SharedLog:
        """Start on what is there."""
        self._life += 1
        log = SharedLog.open(
            DIRECTORY,
            segment_bytes=self._plan.segment_bytes,
            reserve_bytes=RESERVE_BYTES,
            log_bytes_max=self._plan.log_bytes_max,
            files=self.files,
            life=self._life,
        )
        # What recovery itself did - cutting a tear, making spares - is durable before anything rests on it.
        self.files.settle()
        return log

    def write_ns(self) -> int:
        """Return how long the next write takes."""
        stalled_ns = max(0, self.slow_until_ns - self._loop.now_ns)
        return stalled_ns + int(self._plan.persist_ns * (0.2 + self._random.random()))

    @property
    def is_quick(self) -> bool:
        """Return whether a node waits for it within its turn now, as a real one does for a write that takes no time."""
        return self._plan.has_quick_disks and self._loop.now_ns >= self.slow_until_ns

    @property
    def is_filled(self) -> bool:
        return self.files.capacity_bytes < CAPACITY_BYTES

    def fill(self, is_filled: bool) -> None:
        """Leave no space on the disk, or all of it again."""
        used = CAPACITY_BYTES - self.files.free_bytes() if not self.is_filled else 0
        self.files.capacity_bytes = used if is_filled else CAPACITY_BYTES

    def fail(self) -> None:
        """Let every write from now on end with EIO, until the process is gone."""
        self.is_failing = True
        self.files.fail()

    def heal(self) -> None:
        """End what is wrong with the disk, but for what it did to those who used it."""
        self.fill(False)
        self.engine.busy_writes = self.slow_until_ns = 0
        self.crashes_on.clear()

    def crash(self) -> None:
        """Lose power."""
        self.files.crash(self._random)
        self.engine.crash(self._random)
        self.engine.busy_writes = 0
        self.crashes_on.clear()
        self.is_failing = False


class SimulatedWriter:
    """The Persister of a node: group commits in the order of submission, as long as the disk takes for them."""

    def __init__(
        self,
        disk: Disk,
        log: SharedLog,
        loop: VirtualLoop,
        *,
        on_done: Callable[[list[Ticket]], None],
        on_failed: Callable[[OSError], None],
        on_written: Callable[[], None],
    ) -> None:
        """`on_written`: bytes were handed to the disk, and none of them is durable."""
        self._disk = disk
        self._log = log
        self._loop = loop
        self._on_done = on_done
        self._on_failed = on_failed
        self._on_written = on_written
        self._waiting: list[Ticket] = []
        self._unfinished: deque[Ticket] = deque()
        self._is_writing = False
        self._has_failed = False

    @property
    def is_idle(self) -> bool:
        return not self._unfinished

    def submit(self, ticket: Ticket) -> bool:
        self._unfinished.append(ticket)
        self._waiting.append(ticket)
        if self._disk.is_quick and not self._disk.is_failing and ticket is self._unfinished[0]:
            tickets, self._waiting = self._waiting, []
            self._log.write([ticket.pending])
            self._settle(tickets)
            return True
        if not self._is_writing:
            self._is_writing = True
            self._loop.call_soon(self._begin)
        return False

    def oldest_submitted_ns(self) -> int | None:
        return self._unfinished[0].submitted_ns if self._unfinished else None

    def close(self) -> None:
        """Write what waits, at once: the thread of a real one is waited for."""
        if self._waiting and not self._has_failed:
            self._log.write([ticket.pending for ticket in self._waiting])
            self._disk.files.settle()
            self._waiting = []

    def _begin(self) -> None:
        tickets, self._waiting = self._waiting, []
        if self._has_failed or not tickets:
            self._is_writing = False
            return
        try:
            self._log.write([ticket.pending for ticket in tickets])
        except OSError as error:
            self._has_failed = True
            self._loop.after_ns(self._disk.write_ns(), self._on_failed, error)
            return
        self._loop.after_ns(self._disk.write_ns(), self._finish, tickets)
        self._on_written()

    def _finish(self, tickets: list[Ticket]) -> None:
        self._settle(tickets)
        self._on_done(tickets)
        self._is_writing = bool(self._waiting)
        if self._waiting:
            self._loop.call_soon(self._begin)

    def _settle(self, tickets: list[Ticket]) -> None:
        self._disk.files.settle()
        for ticket in tickets:
            assert self._unfinished[0] is ticket, "completions come in the order of submission"
            self._unfinished.popleft()


def _do_nothing() -> None:
    pass
