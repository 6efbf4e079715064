"""The thread that makes the log durable: one blocking call per group commit, whatever waits goes together.

The loop hands over frames and goes on. While the disk works, further frames queue up; the next call
takes them all. Completions come back to the loop in order.

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
from raftdoc.raft import PersistTask
from raftdoc.storage.log.log import LogRecord, PendingWrite, SharedLog, log_record


class Ticket(NamedTuple):
    """One turn's frame on its way to the disk, and what to tell whom once it is there."""

    pending: PendingWrite
    notes: Sequence[Any]
    submitted_ns: int


class Persister(Protocol):
    """What the turn needs of it; the simulated world has one without a thread."""

    def submit(self, ticket: Ticket) -> None: ...

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
    """Writes tickets in a thread, in the order of `submit`.

    `on_done` is called on the loop with the tickets that became durable together; `on_failed` with the
    error of the disk, once, after which nothing more is written (P9: a failed fsync is never retried).
    """

    def __init__(
        self,
        log: SharedLog,
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
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def submit(self, ticket: Ticket) -> None:
        """Queue a frame. Called on the loop."""
        self._unfinished.append(ticket)
        self._queue.put(ticket)

    def oldest_submitted_ns(self) -> int | None:
        """Return when the oldest frame that is not durable yet was handed over; None when there is none."""
        return self._unfinished[0].submitted_ns if self._unfinished else None

    def close(self) -> None:
        """Write what is queued and end the thread. Blocks until then."""
        self._queue.put(None)
        self._thread.join()

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
        for ticket in tickets:
            assert self._unfinished[0] is ticket, "completions come in the order of submission"
            self._unfinished.popleft()
        self._on_done(tickets)
