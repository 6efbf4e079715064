"""The leader of one term: replication, commit, heartbeats, and the lease and reads that rest on them.

Source: dissertation 3.5, 3.6.2 (commit), 6.2 (check-quorum), 6.4 (reads), 10.2.1 (pipelining, own fsync).
"""

from __future__ import annotations

from collections import deque

from raftdoc.errors import Compacted
from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.lease import Lease
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    Entry,
    EntryKind,
    HeartbeatResponse,
    ReadIndexRequest,
)
from raftdoc.raft.progress import Progress, ProgressState
from raftdoc.raft.quorum import has_quorum, quorum_value
from raftdoc.raft.reads import Asker, LeaderReads, answer, refuse
from raftdoc.raft.ready import Rejection, RejectReason
from raftdoc.raft.state import State
from raftdoc.raft.transfer import Transfer

RESEND_HEARTBEATS = 5
"""An append that is not acknowledged for so many heartbeat intervals is taken for lost."""


class Leader:
    """Made when an election is won, dropped when the node steps down."""

    __slots__ = (
        "_last_time_ms",
        "_next_heartbeat_ns",
        "_quorum_deadline_ns",
        "_state",
        "_uncommitted",
        "_uncommitted_bytes",
        "lease",
        "progress",
        "reads",
        "term_start_index",
        "transfer",
    )

    def __init__(self, state: State, last_time_ms: int, now_ns: int) -> None:
        self._state = state
        log, settings = state.log, state.settings
        next_index = Index(log.last_index + 1)
        self.progress = {
            peer: Progress(next_index, now_ns)
            for peer in sorted(state.configuration.members())
            if peer != settings.node
        }
        self.term_start_index = next_index
        self.lease = Lease(state, self.progress)
        self.reads = LeaderReads(state, self.progress, self._heartbeat_all)
        self.transfer = Transfer(state, self.progress, self.lease)
        self._uncommitted: deque[tuple[Index, int]] = deque()
        self._uncommitted_bytes = 0
        self._last_time_ms = last_time_ms
        self._next_heartbeat_ns = now_ns + settings.heartbeat_interval_ns
        self._quorum_deadline_ns = now_ns + settings.election_timeout_ns
        self._append(EntryKind.NOOP, b"", last_time_ms, now_ns)

    # What the host asks ---------------------------------------------------------------------------

    def propose(self, payload: bytes, time_ms: int, now_ns: int) -> tuple[Term, Index] | Rejection:
        state = self._state
        if self.transfer.target is not None:
            return Rejection(RejectReason.TRANSFERRING, self.transfer.target)
        if state.is_disk_full:
            return Rejection(RejectReason.DISK, None)
        budget = state.settings.uncommitted_bytes_max
        if self._uncommitted_bytes and self._uncommitted_bytes + len(payload) > budget:
            return Rejection(RejectReason.OVER_BUDGET, state.settings.node)
        return state.term, self._append(EntryKind.COMMANDS, payload, time_ms, now_ns)

    def read(self, asker: Asker, now_ns: int) -> None:
        """Confirm a read: by the lease, else by the next round; not before an entry of this term is committed."""
        if self.reads.count >= self._state.settings.read_queue_max:
            refuse(self._state, asker)
        elif self.lease_valid(now_ns):
            answer(self._state, asker, self._state.commit_index)
        else:
            self.reads.ask(asker, now_ns, may_start=self._has_committed_own())

    def lease_valid(self, now_ns: int) -> bool:
        lease = self.lease
        return now_ns < lease.until_ns and not (lease.is_off or lease.is_stalled) and self._has_committed_own()

    def tick(self, now_ns: int) -> None:
        if now_ns >= self._quorum_deadline_ns and not self._check_quorum(now_ns):
            return
        if self.transfer.has_expired(now_ns):
            return
        if self.lease.is_stalled:
            return
        if now_ns >= self._next_heartbeat_ns:
            self._next_heartbeat_ns = now_ns + self._state.settings.heartbeat_interval_ns
            self._heartbeat_all(now_ns)
            self._resend(now_ns)

    def close(self) -> None:
        self.reads.close()

    # What peers answer ----------------------------------------------------------------------------

    def on_append_response(self, sender: NodeId, message: AppendResponse, now_ns: int) -> None:
        progress = self.progress.get(sender)
        if progress is None:
            return
        self._heard(progress, message.sent_ns, message.read_round, now_ns)
        if message.success:
            if progress.matched(message.match_index, now_ns):
                self._advance_commit(now_ns)
            self.transfer.on_matched(sender, now_ns)
            self._fill(sender, progress, now_ns)
        elif self._step_back(progress, message):
            self._fill(sender, progress, now_ns)

    def on_heartbeat_response(self, sender: NodeId, message: HeartbeatResponse, now_ns: int) -> None:
        progress = self.progress.get(sender)
        if progress is None:
            return
        self._heard(progress, message.sent_ns, message.read_round, now_ns)
        if progress.state is ProgressState.PROBE:
            # A probe may have been lost; the peer lives, so ask again.
            progress.is_paused = False
        self._fill(sender, progress, now_ns)

    def on_read_request(self, sender: NodeId, message: ReadIndexRequest, now_ns: int) -> None:
        """Answer a follower's read; a heartbeat beside the answer brings it the commit index that it has to reach."""
        self.read(Asker(sender, message.context, message.boot_id), now_ns)
        progress = self.progress.get(sender)
        if progress is not None:
            self._heartbeat(sender, progress, now_ns)

    def on_unreachable(self, peer: NodeId) -> None:
        """Take what was on the way to a peer for lost."""
        progress = self.progress.get(peer)
        if progress is not None:
            progress.probe(Index(progress.match_index + 1))

    def on_persisted(self, now_ns: int) -> None:
        """Count the own log, now durable up to durable_index (P2)."""
        self._advance_commit(now_ns)

    # Replication ----------------------------------------------------------------------------------

    def _append(self, kind: EntryKind, payload: bytes, time_ms: int, now_ns: int) -> Index:
        state = self._state
        index = Index(state.log.last_index + 1)
        # Log time never goes back, whatever the leader's clock does.
        self._last_time_ms = max(self._last_time_ms, time_ms)
        state.append(Entry(index, state.term, kind, self._last_time_ms, payload))
        self._uncommitted.append((index, len(payload)))
        self._uncommitted_bytes += len(payload)
        for peer, progress in self.progress.items():
            self._fill(peer, progress, now_ns)
        return index

    def _fill(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send what the peer lacks, as far as its window goes. Entries may leave before the own fsync (P4)."""
        state = self._state
        settings, log = state.settings, state.log
        while progress.next_index <= log.last_index and not progress.is_full(
            settings.inflight_messages_max, settings.inflight_bytes_max
        ):
            prev_index = Index(progress.next_index - 1)
            try:
                prev_term = log.term_at(prev_index)
            except Compacted:
                # The peer needs a snapshot: heartbeats go on, entries cannot.
                return
            entries = tuple(log.entries(progress.next_index, log.last_index, settings.append_bytes_max))
            message = AppendEntries(
                state.term,
                prev_index,
                prev_term,
                state.commit_index,
                entries,
                now_ns,
                self.reads.round,
                settings.boot_id,
            )
            state.send(peer, message)
            progress.sent(entries[-1].index, sum(len(entry.payload) for entry in entries), now_ns)

    def _step_back(self, progress: Progress, message: AppendResponse) -> bool:
        """Find where the logs may agree, a term at a time (dissertation 5.3); return whether to send from there."""
        if progress.state is ProgressState.REPLICATE:
            if message.prev_index <= progress.match_index:
                return False  # an old refusal
        elif message.prev_index != progress.next_index - 1:
            return False  # not of the probe that is out
        hint = message.conflict_index
        if message.conflict_term:
            last = self._state.log.last_of_term(message.conflict_term)
            if last is not None:
                hint = Index(last + 1)
        progress.probe(min(hint, message.prev_index))
        return True

    def _heartbeat_all(self, now_ns: int) -> None:
        for peer, progress in self.progress.items():
            self._heartbeat(peer, progress, now_ns)

    def _heartbeat(self, peer: NodeId, progress: Progress, now_ns: int) -> None:
        """Send an append without entries at match_index, which always agrees, however frames are reordered."""
        state = self._state
        prev_index = progress.match_index
        if prev_index < state.log.compacted_index:
            prev_index = Index(0)
        prev_term = state.log.term_at(prev_index) if prev_index else Term(0)
        commit_index = min(state.commit_index, prev_index)
        message = AppendEntries(
            state.term, prev_index, prev_term, commit_index, (), now_ns, self.reads.round, state.settings.boot_id
        )
        state.send(peer, message)

    def _resend(self, now_ns: int) -> None:
        """Probe the peers that have not acknowledged anything for long although something is out."""
        patience_ns = RESEND_HEARTBEATS * self._state.settings.heartbeat_interval_ns
        for peer, progress in self.progress.items():
            if progress.inflight and now_ns - progress.moved_ns >= patience_ns:
                progress.probe(Index(progress.match_index + 1))
                self._fill(peer, progress, now_ns)

    def _heard(self, progress: Progress, sent_ns: int, read_round: int, now_ns: int) -> None:
        progress.heard_ns = now_ns
        self.lease.acked(progress, sent_ns)
        if read_round > progress.acked_round:
            progress.acked_round = read_round
            self.reads.confirm(now_ns)

    def _check_quorum(self, now_ns: int) -> bool:
        """Step down when no quorum was heard for an election timeout; return whether this node still leads."""
        state = self._state
        timeout_ns = state.settings.election_timeout_ns
        self._quorum_deadline_ns = now_ns + timeout_ns // 2
        heard = [peer for peer, progress in self.progress.items() if now_ns - progress.heard_ns < timeout_ns]
        if has_quorum(state.configuration, [*heard, state.settings.node]):
            return True
        state.become_follower(state.term, None)
        return False

    # Commit ---------------------------------------------------------------------------------------

    def _advance_commit(self, now_ns: int) -> None:
        """Commit what a quorum holds durably, if its last entry is of this term (dissertation 3.6.2)."""
        state = self._state
        index = Index(quorum_value(state.configuration, self._match_index))
        if index <= state.commit_index or index < self.term_start_index:
            return
        had_own = self._has_committed_own()
        state.commit(index)
        while self._uncommitted and self._uncommitted[0][0] <= index:
            self._uncommitted_bytes -= self._uncommitted.popleft()[1]
        if not had_own:
            self.reads.advance(now_ns)

    def _match_index(self, node: NodeId) -> int:
        if node == self._state.settings.node:
            return self._state.durable_index
        progress = self.progress.get(node)
        return 0 if progress is None else progress.match_index

    def _has_committed_own(self) -> bool:
        return self._state.commit_index >= self.term_start_index

    def min_match_index(self) -> Index:
        """Return up to where every member holds the log durably."""
        members = self._state.configuration.members()
        return Index(min(self._match_index(node) for node in members))

    def match_indexes(self) -> list[tuple[NodeId, Index]]:
        return [(peer, progress.match_index) for peer, progress in self.progress.items()]
