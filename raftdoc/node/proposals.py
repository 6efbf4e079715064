"""Commands that wait on this node: queued for the next turn, then in flight until their entry is applied.

A waiter is answered once: with the Outcome of its command, or with an error that says truly what became
of it. Stepping down answers nobody. An entry of the same term applied at the index is a result; an entry
of another term applied there proves that the command never will be; a truncation proves nothing, because
with five nodes the entry can still win elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from raftdoc.errors import DeadlineExceeded, NotLeader, OutcomeUnknown, RaftdocError
from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.limits import ENTRY_BYTES_MAX, ENTRY_COMMANDS_MAX
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.outcome import Outcome


class Waiter(Protocol):
    """The part of asyncio.Future that a waiting call needs; a command forwarded by a peer has one of its own."""

    def done(self) -> bool: ...

    def set_result(self, result: Outcome, /) -> None: ...

    def set_exception(self, exception: BaseException, /) -> None: ...


class Proposal(NamedTuple):
    command: bytes
    waiter: Waiter
    deadline_ns: int


class Batch(NamedTuple):
    """The proposals of one entry."""

    term: Term
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    proposals: list[Proposal]
    deadline_ns: int
    """The earliest of them."""
    byte_count: int


@dataclass(slots=True)
class Proposals:
    """Of one group."""

    group: GroupId
    queued: list[Proposal] = field(default_factory=list)
    is_due: bool = False
    """The next turn takes what is queued."""
    in_flight: deque[Batch] = field(default_factory=deque)
    waiting_count: int = 0
    in_flight_bytes: int = 0
    added_count: int = 0
    """Since this replica came into being."""

    def add(self, proposal: Proposal) -> None:
        self.add_patient(proposal)
        self.is_due = True

    def add_patient(self, proposal: Proposal) -> None:
        """Queue a command that no turn is begun for."""
        self.queued.append(proposal)
        self.waiting_count += 1
        self.added_count += 1

    def take(self, weigh: Callable[[bytes], int] = len) -> list[list[Proposal]]:
        """Take what is queued, cut into the proposals of one entry each."""
        queued, self.queued = self.queued, []
        self.is_due = False
        return cut(queued, weigh)

    def sent(self, term: Term, index: Index, proposals: list[Proposal], byte_count: int) -> None:
        """File the proposals of one entry that the core has taken."""
        deadline_ns = min(proposal.deadline_ns for proposal in proposals)
        self.in_flight.append(Batch(term, index, proposals, deadline_ns, byte_count))
        self.in_flight_bytes += byte_count

    def refuse(self, proposals: list[Proposal], error: RaftdocError) -> None:
        """Answer proposals that never reached the log."""
        self.waiting_count -= len(proposals)
        for proposal in proposals:
            if not proposal.waiter.done():
                proposal.waiter.set_exception(error)

    def applied(self, entry: Entry, outcomes: list[Outcome], leader: NodeId | None) -> None:
        """Answer whom the applied entry answers."""
        in_flight = self.in_flight
        while in_flight and in_flight[0].index <= entry.index:
            batch = in_flight.popleft()
            self._forget(batch)
            if batch.index == entry.index and batch.term == entry.term:
                assert len(outcomes) == len(batch.proposals), (entry.index, len(outcomes), len(batch.proposals))
                for proposal, outcome in zip(batch.proposals, outcomes, strict=True):
                    if not proposal.waiter.done():
                        # The index of a write that has no revision, a deletion above all, is told by nothing else.
                        told = outcome if outcome.revision else outcome._replace(entry_index=entry.index)
                        proposal.waiter.set_result(told)
            else:
                self._fail(batch, NotLeader(self.group, leader))

    def truncated(self, index: Index) -> None:
        """Answer whose entries at and after index were discarded here: they may still win elsewhere."""
        while self.in_flight and self.in_flight[-1].index >= index:
            batch = self.in_flight.pop()
            self._forget(batch)
            self._fail(batch, OutcomeUnknown("a new leader replaced the entry; another node may still hold it"))

    def covered(self, index: Index) -> None:
        """Answer whose entries up to index a snapshot has taken the place of: it does not tell them apart."""
        while self.in_flight and self.in_flight[0].index <= index:
            batch = self.in_flight.popleft()
            self._forget(batch)
            self._fail(batch, OutcomeUnknown("a snapshot took the place of the entry; it may be part of it"))

    def expire(self, now_ns: int) -> None:
        """Answer those whose deadline has passed."""
        if self.queued:
            self._expire_queued(now_ns)
        for batch in self.in_flight:
            if batch.deadline_ns <= now_ns:
                for proposal in batch.proposals:
                    if proposal.deadline_ns <= now_ns and not proposal.waiter.done():
                        error = DeadlineExceeded("the write was not committed in time", outcome="unknown")
                        proposal.waiter.set_exception(error)

    def close(self, error: RaftdocError) -> None:
        """Answer everybody: this node stops, or the group is gone."""
        self.refuse(self.queued, error)
        self.queued = []
        self.is_due = False
        while self.in_flight:
            batch = self.in_flight.popleft()
            self._forget(batch)
            self._fail(batch, OutcomeUnknown(f"the write was in flight when it was given up: {error.detail}"))

    def _expire_queued(self, now_ns: int) -> None:
        expired = [proposal for proposal in self.queued if proposal.deadline_ns <= now_ns]
        if expired:
            self.queued = [proposal for proposal in self.queued if proposal.deadline_ns > now_ns]
            self.is_due = self.is_due and bool(self.queued)
            self.refuse(expired, DeadlineExceeded("the write was not proposed in time"))

    def _forget(self, batch: Batch) -> None:
        self.waiting_count -= len(batch.proposals)
        self.in_flight_bytes -= batch.byte_count

    def _fail(self, batch: Batch, error: RaftdocError) -> None:
        for proposal in batch.proposals:
            if not proposal.waiter.done():
                proposal.waiter.set_exception(error)


def cut(proposals: list[Proposal], weigh: Callable[[bytes], int] = len) -> list[list[Proposal]]:
    """Cut proposals, at least one, where an entry ends: by their count or by what they weigh, in bytes."""
    if len(proposals) == 1:
        return [proposals]
    cuts: list[list[Proposal]] = []
    start = byte_count = 0
    for position, proposal in enumerate(proposals):
        size = weigh(proposal.command)
        if position > start and (position - start >= ENTRY_COMMANDS_MAX or byte_count + size > ENTRY_BYTES_MAX):
            cuts.append(proposals[start:position])
            start, byte_count = position, 0
        byte_count += size
    cuts.append(proposals[start:])
    return cuts
