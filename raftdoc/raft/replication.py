"""How a leader brings its log to its peers: what is sent, sent again, and where two logs part.

Source: dissertation 3.5, 5.3 (fast backtracking), 10.2.1 (pipelining, entries before the own fsync).
"""

from __future__ import annotations

from raftdoc.errors import Compacted
from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.messages import AppendEntries, AppendResponse, Entry
from raftdoc.raft.progress import Progress, ProgressState
from raftdoc.raft.state import State
from raftdoc.raft.thrift import Thrift, may_wait

RESEND_HEARTBEATS = 5
"""An append that is not acknowledged for so many heartbeat intervals is taken for lost."""


class Replication:
    """Of one term of leadership. While the own disk stalls nothing leaves: followers have to be free to elect (L8)."""

    __slots__ = ("_state", "_thrift", "is_holding", "progress", "round")

    def __init__(self, state: State, now_ns: int) -> None:
        self._state = state
        self.round = 0
        """The newest round of ReadIndex; every message says which one it may confirm."""
        next_index = Index(state.log.last_index + 1)
        self.progress: dict[NodeId, Progress] = {}
        """Of every member, and of those that a configuration leaves out which is not committed yet."""
        self._thrift = Thrift(state, self.progress)
        self.is_holding = False
        """Something is held back until the next tick at the latest."""
        self._add_members(next_index, now_ns)

    def follow_members(self, now_ns: int) -> None:
        """Bring the log, from its newest entry back, to those whom that entry has made members.

        Whom it left out still gets it, so that they may learn that they have no part any more.
        """
        self._thrift.forget()
        known = set(self.progress)
        self._add_members(self._state.log.last_index, now_ns)
        for peer in self.progress.keys() - known:
            self.progress[peer].born_ns = now_ns

    def dismiss_strangers(self, now_ns: int) -> None:
        """Leave alone who is no member any more, after a last word about what is committed."""
        self._thrift.forget()
        members = self._state.configuration.members()
        for peer in [peer for peer in self.progress if peer not in members]:
            self.heartbeat(peer, self.progress.pop(peer), now_ns)

    def _add_members(self, next_index: Index, now_ns: int) -> None:
        for peer in sorted(self._state.configuration.members()):
            if peer != self._state.settings.node and peer not in self.progress:
                self.progress[peer] = Progress(next_index, now_ns)

    def send_entry(self, entry: Entry, now_ns: int, *, is_lone: bool) -> None:
        """Send the entry that was just appended; those who are not up to it get what they lack (P4)."""
        state = self._state
        settings = state.settings
        message: AppendEntries | None = None
        quick = self._thrift.quick(entry) if is_lone else ()
        for peer, progress in self.progress.items():
            if quick and peer not in quick and may_wait(progress, entry):
                progress.is_held = self.is_holding = True
            elif progress.next_index != entry.index:
                self.fill(peer, progress, now_ns)
            elif not (
                state.is_disk_stalled or progress.is_full(settings.inflight_messages_max, settings.inflight_bytes_max)
            ):
                if message is None:
                    message = self._append(entry.index, (entry,), now_ns)
                state.send(peer, message)
                progress.sent(entry.index, len(entry.payload), now_ns)

    def fill(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send what the peer lacks, as far as its window goes."""
        state = self._state
        settings, log = state.settings, state.log
        if state.is_disk_stalled:
            return
        progress.is_held = False
        while progress.next_index <= log.last_index:
            if progress.is_full(settings.inflight_messages_max, settings.inflight_bytes_max):
                return
            if progress.next_index <= log.compacted_index:
                progress.await_snapshot()
                state.ask_for_snapshot(peer)
                return
            entries = tuple(log.entries(progress.next_index, log.last_index, settings.append_bytes_max))
            state.send(peer, self._append(progress.next_index, entries, now_ns))
            progress.sent(entries[-1].index, sum([len(entry.payload) for entry in entries]), now_ns)

    def release(self, now_ns: int) -> None:
        """Send what was held back."""
        self.is_holding = self._state.is_disk_stalled
        for peer, progress in self.progress.items():
            if progress.is_held:
                self.fill(peer, progress, now_ns)

    def step_back(self, progress: Progress, message: AppendResponse) -> bool:
        """Find where the logs may agree, skipping whole terms; return whether to send from there.

        Below the follower's hint its terms are no more than conflict_term, so that where this log has higher ones the
        two cannot agree either.
        """
        if not message.prev_index:
            return False  # of an older term: it says no more than the term
        if progress.state is ProgressState.REPLICATE:
            if message.prev_index <= progress.match_index or message.sent_ns < progress.since_ns:
                return False  # of something that was acknowledged meanwhile, or of an earlier stream
        elif progress.state is ProgressState.SNAPSHOT or message.prev_index != progress.next_index - 1:
            return False  # not of the probe that is out
        hint = min(message.conflict_index, Index(message.prev_index - 1))
        progress.probe(Index(self._state.log.last_at_most(hint, message.conflict_term) + 1))
        return True

    def leave_snapshot(self, progress: Progress, match_index: Index) -> None:
        """Go on with entries, where the peer says that it lacks none that this leader has not."""
        if match_index >= self._state.log.compacted_index:
            progress.probe(Index(match_index + 1))

    def end_snapshot(self, progress: Progress, *, ok: bool, now_ns: int) -> None:
        """Take how a stream of the state ended: probe after what it brought, or again from what is certain."""
        if progress.state is ProgressState.SNAPSHOT:
            brought = self._state.log.compacted_index if ok else progress.match_index
            progress.after_snapshot(Index(brought + 1), now_ns)

    def resend(self, now_ns: int) -> None:
        """Probe the peers that have not acknowledged anything for long although something is out."""
        patience_ns = RESEND_HEARTBEATS * self._state.settings.heartbeat_interval_ns
        for peer, progress in self.progress.items():
            if progress.is_stuck(now_ns, patience_ns):
                progress.probe(Index(progress.match_index + 1))
                self.fill(peer, progress, now_ns)

    def beat(self, now_ns: int) -> None:
        """Do what a leader does at every heartbeat interval."""
        self._thrift.renew()
        self.heartbeat_all(now_ns)
        self.resend(now_ns)

    def heartbeat_all(self, now_ns: int) -> None:
        for peer, progress in self.progress.items():
            self.heartbeat(peer, progress, now_ns)

    def heartbeat(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send an append without entries at match_index, which always agrees, however frames are reordered.

        It commits no more than match_index: what is beyond is not verified yet on that peer.
        """
        state = self._state
        if state.is_disk_stalled:
            return
        prev_index = progress.match_index
        try:
            prev_term = state.log.term_at(prev_index)
        except Compacted:
            prev_index, prev_term = Index(0), Term(0)
        commit_index = min(state.commit_index, prev_index)
        message = AppendEntries(
            state.term, prev_index, prev_term, commit_index, (), now_ns, self.round, state.settings.boot_id
        )
        state.send(peer, message)

    def _append(self, first: Index, entries: tuple[Entry, ...], now_ns: int) -> AppendEntries:
        state = self._state
        prev_index = Index(first - 1)
        return AppendEntries(
            state.term,
            prev_index,
            state.log.term_at(prev_index),
            state.commit_index,
            entries,
            now_ns,
            self.round,
            state.settings.boot_id,
        )
