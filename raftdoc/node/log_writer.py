"""Makes the log durable: one blocking call per group commit, whatever waits goes together.

As a rule a thread does it. The loop hands over frames and goes on; while the disk works, further frames queue up, and
the next call takes them all. Completions come back to the loop in order.

Giving work to a thread and taking it back wakes two threads that then fight over Python's global lock: measured, more
than half of the processor time of a lone write, and a third of its latency. So where nothing is under way, the frame is
small and the disk is quick, the loop waits for the disk itself, 0.2 to 0.5 ms. Quick is a disk whose small writes have
taken no more than LOG_LOOP_WRITE_MEAN_US_MAX of late, in the mean. And a write that takes longer than
LOG_LOOP_WRITE_US_MAX, whoever made it, has the thread do the next ones, LOG_LOOP_WRITE_PAUSE times as long as it took:
a disk that stays slow does not hold the loop again, one with hiccups never for more than that share of its time. One
write in some hundred is slow on any disk; the pause is no longer than what it is to make up for.

Source: dissertation 10.2.1; the FIFO of persist tasks of docs/consensus.md.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from raftdoc.ids import GroupId
from raftdoc.limits import (
    LOG_LOOP_WRITE_BYTES_MAX,
    LOG_LOOP_WRITE_MEAN_US_MAX,
    LOG_LOOP_WRITE_PAUSE,
    LOG_LOOP_WRITE_US_MAX,
    NS_PER_US,
)
from raftdoc.raft import PersistTask
from raftdoc.storage.log.log import LogRecord, PendingWrite, log_record

WRITES_OF_MEAN = 8
"""Over how many small writes, about, the mean is taken."""


class Ticket(NamedTuple):
    """One turn's frame on its way to the disk, and what to tell whom once it is there."""

    pending: PendingWrite
    notes: Sequence[Any]
    submitted_ns: int

    @property
    def byte_count(self) -> int:
        return self.pending.stop - self.pending.offset


class WritableLog(Protocol):
    """The part of SharedLog that makes frames durable."""

    @property
    def fsync_ns_total(self) -> int: ...

    def write(self, pending: Sequence[PendingWrite]) -> None: ...


class Persister(Protocol):
    """What the turn needs of it; the simulated world has one without a thread."""

    def submit(self, ticket: Ticket) -> bool:
        """Take a frame; True: it is durable already, and nobody will be told again."""

    def oldest_submitted_ns(self) -> int | None: ...

    def close(self) -> None: ...


def persist_record(group: GroupId, task: PersistTask) -> LogRecord:
    """Return the record of the log that makes a task of the core durable, all of it or nothing (P6)."""
    reset = task.reset
    return log_record(
        group,
        truncate_from=task.truncate_from,
        compacted=None if reset is None else (reset.index, reset.index_term),
        entries=task.entries,
        hard_state=task.hard_state,
        configuration=None if reset is None else reset.configuration,
        incarnation=None if reset is None else reset.incarnation,
    )


class LogWriter:
    """Writes tickets in the order of `submit`: small ones to a quick disk at once, others in a thread.

    `on_done` is called on the loop with the tickets that became durable together, but for those of which `submit` has
    told already; `on_failed` with the error of the disk, once, after which nothing more is written (P9: a failed fsync
    is never retried).
    """

    def __init__(
        self,
        log: WritableLog,
        loop: asyncio.AbstractEventLoop,
        *,
        on_done: Callable[[list[Ticket]], None],
        on_failed: Callable[[OSError], None],
    ) -> None:
        self._log = log
        self._loop = loop
        self._on_done = on_done
        self._on_failed = on_failed
        self._queue: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._unfinished: deque[Ticket] = deque()
        self._fsync_ns = log.fsync_ns_total
        self._mean_ns = 0
        """Of what small writes took of late, whoever made them."""
        self._quick_from_ns = 0
        """The disk was slow; from this time of submission on it may be waited for again."""
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> bool:
        """Write a frame, or queue it. Called on the loop."""
        is_first = not self._unfinished
        self._unfinished.append(ticket)
        if is_first and self._is_quick(ticket):
            return self._write_here(ticket)
        self._queue.put(ticket)
        return False

    def oldest_submitted_ns(self) -> int | None:
        """Return when the oldest frame that is not durable yet was handed over; None when there is none."""
        return self._unfinished[0].submitted_ns if self._unfinished else None

    def close(self) -> None:
        """Write what is queued and end the thread. Blocks until then."""
        self._queue.put(None)
        self._thread.join()

    def _is_quick(self, ticket: Ticket) -> bool:
        """Return whether writing this frame, with nothing before it, keeps the loop for a moment only."""
        return (
            ticket.submitted_ns >= self._quick_from_ns
            and self._mean_ns <= LOG_LOOP_WRITE_MEAN_US_MAX * NS_PER_US
            and ticket.pending.roll is None
            and ticket.byte_count <= LOG_LOOP_WRITE_BYTES_MAX
        )

    def _write_here(self, ticket: Ticket) -> bool:
        try:
            self._log.write([ticket.pending])
        except OSError as error:
            # The ticket stays unfinished: what is submitted now is queued behind it, for a thread that ends.
            self._queue.put(None)
            self._loop.call_soon(self._on_failed, error)
            return False
        self._settle([ticket])
        return True

    def _run(self) -> None:
        while True:
            tickets, is_last = self._take()
            if tickets:
                try:
                    self._log.write([ticket.pending for ticket in tickets])
                except OSError as error:
                    self._loop.call_soon_threadsafe(self._on_failed, error)
                    return
                self._loop.call_soon_threadsafe(self._finished, tickets)
            if is_last:
                return

    def _take(self) -> tuple[list[Ticket], bool]:
        """Wait for one ticket and take all that are queued behind it; True: nothing comes after them."""
        tickets: list[Ticket] = []
        ticket = self._queue.get()
        while ticket is not None:
            tickets.append(ticket)
            try:
                ticket = self._queue.get_nowait()
            except queue.Empty:
                return tickets, False
        return tickets, True

    def _finished(self, tickets: list[Ticket]) -> None:
        self._settle(tickets)
        self._on_done(tickets)

    def _settle(self, tickets: list[Ticket]) -> None:
        """Take note that tickets are durable, and of how long the disk took."""
        took_ns, self._fsync_ns = self._log.fsync_ns_total - self._fsync_ns, self._log.fsync_ns_total
        if sum([ticket.byte_count for ticket in tickets]) <= LOG_LOOP_WRITE_BYTES_MAX:
            self._mean_ns += (took_ns - self._mean_ns) // WRITES_OF_MEAN
        if took_ns > LOG_LOOP_WRITE_US_MAX * NS_PER_US:
            pause_until_ns = tickets[-1].submitted_ns + took_ns * LOG_LOOP_WRITE_PAUSE
            self._quick_from_ns = max(self._quick_from_ns, pause_until_ns)
        for ticket in tickets:
            assert self._unfinished[0] is ticket, "completions come in the order of submission"
            self._unfinished.popleft()
