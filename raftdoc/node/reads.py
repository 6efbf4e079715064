"""Reads that wait: for a read index from the leader, then for this node to have applied that much.

All reads that arrive in one turn share one context, hence one ReadIndex round or one question to the leader.
A lease read that is served at once never comes here.

Source: dissertation 6.4.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from raftdoc.errors import DeadlineExceeded, RaftdocError
from raftdoc.ids import Index
from raftdoc.limits import HEARTBEAT_INTERVAL_MS, NS_PER_MS

REISSUE_AFTER_NS = 3 * HEARTBEAT_INTERVAL_MS * NS_PER_MS
"""A question to the leader may be lost on the way: it is asked again after this long."""


class ReadWaiter(NamedTuple):
    future: asyncio.Future[None]
    deadline_ns: int


class Issued(NamedTuple):
    waiters: list[ReadWaiter]
    issued_ns: int


@dataclass(slots=True)
class Reads:
    """Of one group."""

    asking: list[ReadWaiter] = field(default_factory=list)
    issued: dict[int, Issued] = field(default_factory=dict)
    applying: list[tuple[Index, int, ReadWaiter]] = field(default_factory=list)
    """A heap by index."""
    sequence: int = 0
    waiting_count: int = 0

    def ask(self, waiter: ReadWaiter) -> None:
        """Have the waiter's read confirmed in the next turn."""
        self.asking.append(waiter)
        self.waiting_count += 1

    def wait_applied(self, index: Index, waiter: ReadWaiter) -> None:
        """Wake the waiter once index is applied."""
        self.waiting_count += 1
        self._push(index, waiter)

    def issue(self, context: int, now_ns: int) -> None:
        """Note that all who ask now share this context."""
        self.issued[context] = Issued(self.asking, now_ns)
        self.asking = []

    def confirmed(self, context: int, index: Index) -> None:
        """The reads of this context may be served once index is applied."""
        issued = self.issued.pop(context, None)
        for waiter in issued.waiters if issued else ():
            self._push(index, waiter)

    def failed(self, context: int, error: RaftdocError) -> None:
        issued = self.issued.pop(context, None)
        for waiter in issued.waiters if issued else ():
            self._fail(waiter, error)

    def applied(self, index: Index) -> None:
        """Wake those who waited for index or less."""
        while self.applying and self.applying[0][0] <= index:
            waiter = heapq.heappop(self.applying)[2]
            self.waiting_count -= 1
            if not waiter.future.done():
                waiter.future.set_result(None)

    def sweep(self, now_ns: int) -> None:
        """Answer those whose deadline has passed, and have unanswered questions asked again."""
        for context, issued in list(self.issued.items()):
            if now_ns - issued.issued_ns >= REISSUE_AFTER_NS:
                del self.issued[context]
                self.asking.extend(issued.waiters)
        self.asking = [waiter for waiter in self.asking if not self._expired(waiter, now_ns)]
        if any(entry[2].deadline_ns <= now_ns or entry[2].future.cancelled() for entry in self.applying):
            self.applying = [entry for entry in self.applying if not self._expired(entry[2], now_ns)]
            heapq.heapify(self.applying)

    def close(self, error: RaftdocError) -> None:
        waiters = [*self.asking, *(entry[2] for entry in self.applying)]
        waiters += [waiter for issued in self.issued.values() for waiter in issued.waiters]
        self.asking, self.issued, self.applying = [], {}, []
        for waiter in waiters:
            self._fail(waiter, error)

    def _push(self, index: Index, waiter: ReadWaiter) -> None:
        self.sequence += 1
        heapq.heappush(self.applying, (index, self.sequence, waiter))

    def _expired(self, waiter: ReadWaiter, now_ns: int) -> bool:
        if waiter.deadline_ns > now_ns and not waiter.future.cancelled():
            return False
        self._fail(waiter, DeadlineExceeded("the read could not be confirmed by a quorum in time"))
        return True

    def _fail(self, waiter: ReadWaiter, error: RaftdocError) -> None:
        self.waiting_count -= 1
        if not waiter.future.done():
            waiter.future.set_exception(error)
