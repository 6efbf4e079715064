"""Commands sent on to the leader of their group, and commands that peers sent on to this node.

One hop, batched: all commands of one turn for one group travel in one message. The answer is matched by a
request id that starts at a random number at each boot, so an answer to an earlier life matches nothing.
When the link breaks, what was sent is unknown at once; nobody waits for the deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from raftdoc.errors import (
    CATALOGUE,
    DeadlineExceeded,
    DiskFull,
    NotLeader,
    OutcomeUnknown,
    RaftdocError,
    Unavailable,
)
from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import NS_PER_MS
from raftdoc.node.admission import admit
from raftdoc.node.proposals import Proposal, Waiter, cut
from raftdoc.node.replica import Replica
from raftdoc.statemachine.commands import is_known
from raftdoc.statemachine.outcome import Outcome
from raftdoc.wire.messages import Forward, Forwarded

Answer = Callable[[NodeId, GroupId, Forwarded], None]


class Sent(NamedTuple):
    peer: NodeId
    group: GroupId
    proposals: list[Proposal]


class Forwarding:
    """The asking side: commands on their way to a leader elsewhere."""

    def __init__(self, first_request_id: int) -> None:
        self._next_id = first_request_id
        self._queued: dict[tuple[NodeId, GroupId], list[Proposal]] = {}
        self._sent: dict[int, Sent] = {}
        self.waiting_count = 0
        """Commands queued or sent that are not answered, timed out ones of a message that is still out included."""

    def add(self, peer: NodeId, group: GroupId, proposal: Proposal) -> None:
        """Queue a command for the leader; it leaves with the next turn."""
        self._queued.setdefault((peer, group), []).append(proposal)
        self.waiting_count += 1

    def take(self, now_ns: int) -> list[tuple[NodeId, GroupId, Forward]]:
        """Return the messages of this turn: one per leader and group, or more where their bytes are many."""
        if not self._queued:
            return []
        queued, self._queued = self._queued, {}
        return [
            (peer, group, self._message(peer, group, proposals, now_ns))
            for (peer, group), waiting in queued.items()
            for proposals in cut(waiting)
        ]

    def _message(self, peer: NodeId, group: GroupId, proposals: list[Proposal], now_ns: int) -> Forward:
        self._next_id += 1
        self._sent[self._next_id] = Sent(peer, group, proposals)
        timeout_ms = max(1, (max(proposal.deadline_ns for proposal in proposals) - now_ns) // NS_PER_MS)
        commands = tuple(proposal.command for proposal in proposals)
        return Forward(self._next_id, group, commands, timeout_ms)

    def answered(self, message: Forwarded) -> None:
        """Hand each outcome to its waiter; an answer that nobody waits for is dropped."""
        sent = self._sent.pop(message.request_id, None)
        if sent is None:
            return
        self.waiting_count -= len(sent.proposals)
        for proposal, answer in zip(sent.proposals, message.outcomes, strict=True):
            if proposal.waiter.done():
                continue
            if answer[0] == OUTCOME:
                proposal.waiter.set_result(Outcome(*answer[1]))
            else:
                proposal.waiter.set_exception(_decode_error(sent.group, *answer[1]))

    def unreachable(self, peer: NodeId) -> None:
        """Answer whose commands were sent to the peer: the link broke, nobody knows."""
        error = OutcomeUnknown(f"the link to {peer} broke while the write was there")
        for request_id in [key for key, sent in self._sent.items() if sent.peer == peer]:
            self._forget(request_id, error)

    def sweep(self, now_ns: int) -> None:
        """Answer those whose deadline has passed."""
        error = DeadlineExceeded("the leader did not answer in time", outcome="unknown")
        for request_id, sent in list(self._sent.items()):
            self._fail([p for p in sent.proposals if p.deadline_ns <= now_ns], error)
            if all(proposal.waiter.done() for proposal in sent.proposals):
                self._forget(request_id, error)

    def close(self, error: RaftdocError) -> None:
        for proposals in self._queued.values():
            self._fail(proposals, error)
        unknown = OutcomeUnknown("this node stopped before the leader answered")
        for sent in self._sent.values():
            self._fail(sent.proposals, unknown)
        self._queued, self._sent, self.waiting_count = {}, {}, 0

    def _forget(self, request_id: int, error: RaftdocError) -> None:
        proposals = self._sent.pop(request_id).proposals
        self.waiting_count -= len(proposals)
        self._fail(proposals, error)

    def _fail(self, proposals: list[Proposal], error: RaftdocError) -> None:
        for proposal in proposals:
            if not proposal.waiter.done():
                proposal.waiter.set_exception(error)


OUTCOME, ERROR = 0, 1


class Served:
    """The answering side: the commands of one Forward; the answer leaves when the last of them has an outcome."""

    __slots__ = ("_answer", "_answers", "_left", "_peer", "_request")

    def __init__(self, peer: NodeId, request: Forward, answer: Answer) -> None:
        self._peer = peer
        self._request = request
        self._answer = answer
        self._answers: list[tuple[int, tuple[object, ...]] | None] = [None] * len(request.commands)
        self._left = len(request.commands)

    def waiters(self) -> list[Waiter]:
        return [ServedWaiter(self, position) for position in range(self._left)]

    def refuse_all(self, error: RaftdocError) -> None:
        for waiter in self.waiters():
            waiter.set_exception(error)

    def propose(self, replica: Replica | None, now_ns: int, *, is_draining: bool) -> bool:
        """Queue the commands on the leader's replica; return whether that was done. A refusal answers all of them."""
        request = self._request
        try:
            if replica is None:
                raise NotLeader(request.group, None)
            admit(replica, is_draining=is_draining)
            if not all(map(is_known, request.commands)):
                # Safety: apply stops the node at a command it does not know; it must never enter the log.
                raise Unavailable("the leader does not know this command yet; finish the upgrade of the cluster")
        except (Unavailable, DiskFull) as error:
            self.refuse_all(error)
            return False
        deadline_ns = now_ns + request.timeout_ms * NS_PER_MS
        for command, waiter in zip(request.commands, self.waiters(), strict=True):
            replica.proposals.add(Proposal(command, waiter, deadline_ns))
        return True

    def is_answered(self, position: int) -> bool:
        return self._answers[position] is not None

    def put(self, position: int, answer: tuple[int, tuple[object, ...]]) -> None:
        assert self._answers[position] is None, (position, self._answers[position])
        self._answers[position] = answer
        self._left -= 1
        if self._left == 0:
            request = self._request
            self._answer(self._peer, request.group, Forwarded(request.request_id, tuple(filter(None, self._answers))))


class ServedWaiter:
    """A Waiter whose answer goes back over the wire."""

    __slots__ = ("_position", "_served")

    def __init__(self, served: Served, position: int) -> None:
        self._served = served
        self._position = position

    def done(self) -> bool:
        return self._served.is_answered(self._position)

    def set_result(self, result: Outcome, /) -> None:
        self._served.put(self._position, (OUTCOME, tuple(result)))

    def set_exception(self, exception: BaseException, /) -> None:
        assert isinstance(exception, RaftdocError), exception
        self._served.put(self._position, (ERROR, _encode_error(exception)))


def _encode_error(error: RaftdocError) -> tuple[object, ...]:
    """Return (code, detail, outcome, hint): the hint is the leader of NotLeader, else None."""
    hint = error.leader if isinstance(error, NotLeader) else None
    return (error.code, error.detail, error.outcome, hint)


def _decode_error(group: GroupId, code: str, detail: str, outcome: str, hint: str | None) -> RaftdocError:
    """Rebuild the error that the leader answered. One that this version does not know stays what it says."""
    if code == NotLeader.code:
        return NotLeader(group, NodeId(hint) if hint else None)
    if code == DeadlineExceeded.code:
        return DeadlineExceeded(detail, outcome="unknown" if outcome == "unknown" else "not_applied")
    cls = CATALOGUE.get(code)
    if outcome == "not_applied" and cls is not None and issubclass(cls, Unavailable | DiskFull):
        return cls(detail)
    if outcome == "not_applied":
        return Unavailable(f"{code}: {detail}")
    return OutcomeUnknown(f"{code}: {detail}")
