"""ReadIndex: what a linearizable read has to wait for, when no lease answers at once.

A read attaches to the *next* round of heartbeats, never to one in flight; one round confirms all that wait.

Source: dissertation 6.4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from raftdoc.ids import BootId, Index, NodeId
from raftdoc.raft.messages import ReadIndexRequest, ReadIndexResponse
from raftdoc.raft.progress import Progress
from raftdoc.raft.quorum import has_quorum
from raftdoc.raft.state import State


class Asker(NamedTuple):
    """Who waits: a caller of this node (`peer` None), or a follower."""

    peer: NodeId | None
    context: int
    boot_id: BootId


class LeaderReads:
    """Of one term of leadership. `start_round` sends a heartbeat to everybody, carrying the round's number."""

    __slots__ = ("_askers", "_confirmed", "_index", "_progress", "_start_round", "_state", "_waiting", "round")

    def __init__(self, state: State, progress: Mapping[NodeId, Progress], start_round: Callable[[int], None]) -> None:
        self._state = state
        self._progress = progress
        self._start_round = start_round
        self.round = 0
        """The newest round that was sent."""
        self._confirmed = 0
        self._index = Index(0)
        self._askers: list[Asker] = []
        """Those of the round in flight."""
        self._waiting: list[Asker] = []
        """Those of the next."""

    @property
    def count(self) -> int:
        return len(self._askers) + len(self._waiting)

    def ask(self, asker: Asker, now_ns: int, *, may_start: bool) -> None:
        """Have a read confirmed by the next round, which begins now if none is in flight."""
        self._waiting.append(asker)
        if may_start:
            self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Begin the next round, if somebody waits and none is in flight."""
        if not self._waiting or self._confirmed < self.round:
            return
        self._askers, self._waiting = self._waiting, []
        self._index = self._state.commit_index
        self.round += 1
        self._start_round(now_ns)
        self.confirm(now_ns)

    def confirm(self, now_ns: int) -> None:
        """Look whether a quorum has acknowledged the round in flight."""
        if self._confirmed >= self.round:
            return
        agreed = [node for node, progress in self._progress.items() if progress.acked_round >= self.round]
        agreed.append(self._state.settings.node)
        if has_quorum(self._state.configuration, agreed):
            self._confirmed = self.round
            askers, self._askers = self._askers, []
            for asker in askers:
                answer(self._state, asker, self._index)
            self.advance(now_ns)

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

    __slots__ = ("_asked", "_state")

    def __init__(self, state: State) -> None:
        self._state = state
        self._asked: set[int] = set()

    def ask(self, context: int) -> None:
        state = self._state
        if state.leader is None or len(self._asked) >= state.settings.read_queue_max:
            state.fail_read(context)
            return
        self._asked.add(context)
        state.send(state.leader, ReadIndexRequest(state.term, context, state.settings.boot_id))

    def on_response(self, message: ReadIndexResponse) -> None:
        if message.context not in self._asked:
            return
        self._asked.remove(message.context)
        if message.read_index:
            self._state.answer_read(message.context, message.read_index)
        else:
            self._state.fail_read(message.context)

    def close(self) -> None:
        """Fail what was asked of a leader that is none any more."""
        for context in sorted(self._asked):
            self._state.fail_read(context)
        self._asked.clear()
