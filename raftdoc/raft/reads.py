"""ReadIndex: what a linearizable read has to wait for, when no lease answers at once.

A read attaches to the *next* round of heartbeats, never to one in flight; one round confirms all that wait.

Source: dissertation 6.4.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from raftdoc.ids import BootId, Index, NodeId
from raftdoc.raft.messages import ReadIndexRequest, ReadIndexResponse
from raftdoc.raft.quorum import has_quorum
from raftdoc.raft.replication import Replication
from raftdoc.raft.state import State


class Asker(NamedTuple):
    """Who waits: a caller of this node (`peer` None), or a follower."""

    peer: NodeId | None
    context: int
    boot_id: BootId
    asked_ns: int


class LeaderReads:
    """Of one term of leadership."""

    __slots__ = ("_askers", "_confirmed", "_index", "_replication", "_state", "_term_start_index", "_waiting")

    def __init__(self, state: State, replication: Replication, term_start_index: Index) -> None:
        self._state = state
        self._term_start_index = term_start_index
        self._replication = replication
        self._confirmed = 0
        """The newest round that a quorum has acknowledged."""
        self._index = Index(0)
        """The commit index as it stood when the round in flight began."""
        self._askers: list[Asker] = []
        """Those of the round in flight."""
        self._waiting: list[Asker] = []
        """Those of the next."""

    @property
    def count(self) -> int:
        return len(self._askers) + len(self._waiting)

    def ask(self, asker: Asker, now_ns: int) -> None:
        """Have a read confirmed by the next round, which begins now if none is in flight."""
        self._waiting.append(asker)
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Begin the next round, if somebody waits and none is in flight.

        Safety: not before an entry of this term is committed; until then this node does not know what else is.
        """
        replication, state = self._replication, self._state
        if not self._waiting or self._confirmed < replication.round or state.commit_index < self._term_start_index:
            return
        self._askers, self._waiting = self._waiting, []
        self._index = state.commit_index
        # A lost heartbeat does no harm: every later message says the round, too.
        replication.round += 1
        replication.heartbeat_all(now_ns)
        self.confirm(now_ns)

    def confirm(self, now_ns: int) -> None:
        """Look whether a quorum has acknowledged the round in flight."""
        number, state = self._replication.round, self._state
        if self._confirmed >= number:
            return
        agreed = {peer for peer, progress in self._replication.progress.items() if progress.acked_round >= number}
        agreed.add(state.settings.node)
        if has_quorum(state.configuration, agreed):
            self._confirmed = number
            askers, self._askers = self._askers, []
            for asker in askers:
                answer(state, asker, self._index)
            self.advance(now_ns)

    def expire(self, now_ns: int) -> None:
        """Fail who has waited an election timeout: a leader that hears a quorum, and confirms nothing, is of no use."""
        deadline_ns = now_ns - self._state.settings.election_timeout_ns
        for askers in (self._askers, self._waiting):
            # They are in the order in which they asked.
            count = bisect_right(askers, deadline_ns, key=lambda asker: asker.asked_ns)
            for asker in askers[:count]:
                refuse(self._state, asker)
            del askers[:count]

    def on_clock_suspect(self, now_ns: int) -> None:
        """Take all that wait as asked now: their times are of another clock."""
        self._askers = [asker._replace(asked_ns=now_ns) for asker in self._askers]
        self._waiting = [asker._replace(asked_ns=now_ns) for asker in self._waiting]

    def close(self) -> None:
        """Fail all that wait: this node leads no more."""
        for asker in (*self._askers, *self._waiting):
            refuse(self._state, asker)
        self._askers, self._waiting = [], []


def answer(state: State, asker: Asker, index: Index) -> None:
    if asker.peer is None:
        state.answer_read(asker.context, index)
    else:
        state.send(asker.peer, ReadIndexResponse(state.term, asker.context, index, asker.boot_id))


def refuse(state: State, asker: Asker) -> None:
    if asker.peer is None:
        state.fail_read(asker.context)
    else:
        state.send(asker.peer, ReadIndexResponse(state.term, asker.context, Index(0), asker.boot_id))


class FollowerReads:
    """Reads of this node's callers that the leader is asked about."""

    __slots__ = ("_asked", "_leader", "_state", "_term")

    def __init__(self, state: State) -> None:
        self._state = state
        self._asked: dict[int, int] = {}
        """context -> when it was asked, oldest first."""
        self._term = state.term
        self._leader = state.leader

    @property
    def is_asking(self) -> bool:
        return bool(self._asked)

    def ask(self, context: int, now_ns: int) -> None:
        state = self._state
        if state.leader is None or len(self._asked) >= state.settings.read_queue_max:
            state.fail_read(context)
            return
        self._asked[context] = now_ns
        state.send(state.leader, ReadIndexRequest(state.term, context, state.settings.boot_id))

    def on_response(self, message: ReadIndexResponse) -> None:
        if self._asked.pop(message.context, None) is None:
            return
        if message.read_index:
            self._state.answer_read(message.context, message.read_index)
        else:
            self._state.fail_read(message.context)

    def expire(self, now_ns: int) -> None:
        """Fail what was asked an election timeout ago: question or answer is lost."""
        deadline_ns = now_ns - self._state.settings.election_timeout_ns
        while self._asked:
            context = next(iter(self._asked))
            if self._asked[context] > deadline_ns:
                return
            del self._asked[context]
            self._state.fail_read(context)

    def on_clock_suspect(self, now_ns: int) -> None:
        """Take all that was asked as asked now: its times are of another clock."""
        self._asked = dict.fromkeys(self._asked, now_ns)

    def follow(self) -> None:
        """Fail what was asked of a leader that is none any more, or leads another term."""
        state = self._state
        if state.leader == self._leader and state.term == self._term:
            return
        self._leader, self._term = state.leader, state.term
        for context in self._asked:
            state.fail_read(context)
        self._asked.clear()
