"""The leader of one term: proposals, commit, heartbeats, and the lease and reads that rest on them.

Source: dissertation 3.6.2 (commit), 6.2 (check-quorum), 6.4 (reads).
"""

from __future__ import annotations

from collections import deque

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.lease import Lease
from raftdoc.raft.membership import CatchUp, MembershipChange, encode_configuration
from raftdoc.raft.messages import AppendResponse, Entry, EntryKind, HeartbeatResponse, ReadIndexRequest
from raftdoc.raft.progress import Progress, ProgressState
from raftdoc.raft.quorum import has_quorum, quorum_value
from raftdoc.raft.reads import Asker, LeaderReads, answer, refuse
from raftdoc.raft.ready import Rejection, RejectReason
from raftdoc.raft.reconfiguration import Reconfiguration
from raftdoc.raft.replication import Replication
from raftdoc.raft.settings import Configuration
from raftdoc.raft.state import State
from raftdoc.raft.transfer import Transfer


class Leader:
    """Made when an election is won, dropped when the node steps down."""

    __slots__ = (
        "_last_time_ms",
        "_match_indexes",
        "_next_heartbeat_ns",
        "_progress",
        "_quorum_deadline_ns",
        "_reconfiguration",
        "_replication",
        "_state",
        "_uncommitted",
        "_uncommitted_bytes",
        "lease",
        "reads",
        "term_start_index",
        "transfer",
    )

    def __init__(self, state: State, now_ns: int) -> None:
        self._state = state
        log, settings = state.log, state.settings
        self.term_start_index = Index(log.last_index + 1)
        self._replication = Replication(state, now_ns)
        self._progress = self._replication.progress
        self._match_indexes: dict[NodeId, int] = {settings.node: state.durable_index}
        """Up to where each node holds this log durably; the own fsync counts like everybody's (P2)."""
        self.lease = Lease(state)
        self.reads = LeaderReads(state, self._replication, self.term_start_index)
        self.transfer = Transfer(state, self._progress, self.lease)
        self._reconfiguration = Reconfiguration(
            state, self._replication, self.lease, self.transfer, self._configure, now_ns
        )
        self._uncommitted: deque[tuple[Index, int]] = deque()
        self._uncommitted_bytes = 0
        self._inherit()
        self._last_time_ms = log.last_time_ms()
        self._next_heartbeat_ns = now_ns + settings.heartbeat_interval_ns
        self._quorum_deadline_ns = now_ns + settings.election_timeout_ns
        self._append(EntryKind.NOOP, b"", self._last_time_ms, now_ns)

    # What the host asks ---------------------------------------------------------------------------

    def propose(self, payload: bytes, time_ms: int, now_ns: int) -> tuple[Term, Index] | Rejection:
        state = self._state
        if self.transfer.target is not None or state.is_disk_full or state.is_disk_stalled:
            return self._refusal()
        budget = state.settings.uncommitted_bytes_max
        if self._uncommitted_bytes and self._uncommitted_bytes + len(payload) > budget:
            return Rejection(RejectReason.OVER_BUDGET, state.settings.node)
        return state.term, self._append(EntryKind.COMMANDS, payload, time_ms, now_ns)

    def change_membership(self, change: MembershipChange, now_ns: int) -> tuple[Term, Index] | Rejection:
        state = self._state
        if self.transfer.target is not None or state.is_disk_full or state.is_disk_stalled:
            return self._refusal()
        if not self._has_committed_own():
            return Rejection(RejectReason.NOT_READY, state.settings.node)
        reason = self._reconfiguration.refusal(change, now_ns)
        if reason is not None:
            return Rejection(reason, state.settings.node)
        return state.term, self._reconfiguration.begin(change, now_ns)

    def catch_up(self, node: NodeId) -> CatchUp:
        return self._reconfiguration.catch_up(node)

    def read(self, asker: Asker, now_ns: int) -> None:
        """Confirm a read: by the lease, else by the next round; not before an entry of this term is committed."""
        if self.reads.count >= self._state.settings.read_queue_max:
            refuse(self._state, asker)
        elif self.lease_valid(now_ns):
            answer(self._state, asker, self._state.commit_index)
        else:
            self.reads.ask(asker, now_ns)

    def lease_valid(self, now_ns: int) -> bool:
        return self.lease.is_valid(now_ns) and self._has_committed_own()

    def tick(self, now_ns: int) -> None:
        if now_ns >= self._quorum_deadline_ns and not self._check_quorum(now_ns):
            return
        if self._state.is_disk_full and not self._state.has_handed_over:
            self._state.has_handed_over = True
            self.transfer.begin(None, now_ns)
        if self._replication.is_holding:
            self._replication.release(now_ns)
        if now_ns >= self._next_heartbeat_ns:
            # All groups of a node beat at the same times, so that what they say leaves together.
            interval_ns = self._state.settings.heartbeat_interval_ns
            self._next_heartbeat_ns = now_ns - now_ns % interval_ns + interval_ns
            self._replication.beat(now_ns)
            if self.reads.count:
                self.reads.expire(now_ns)
            self._reconfiguration.tick(now_ns)
            if self._reconfiguration.is_busy and self._has_committed_own():
                self._reconfiguration.advance(now_ns)

    def due_ns(self) -> int:
        """Return until when a tick would do nothing."""
        if self._replication.is_holding or (self._state.is_disk_full and not self._state.has_handed_over):
            return 0
        due_ns = min(self._next_heartbeat_ns, self._quorum_deadline_ns)
        return due_ns if self.transfer.target is None else min(due_ns, self.transfer.deadline_ns)

    def close(self) -> None:
        self.reads.close()

    # What peers answer ----------------------------------------------------------------------------

    def on_append_response(self, sender: NodeId, message: AppendResponse, now_ns: int) -> None:
        progress = self._progress.get(sender)
        # Safety: who was removed and has come back may hold nothing of what it acknowledged before.
        if progress is None or not progress.is_answer(message.sent_ns):
            return
        self._heard(sender, progress, message.sent_ns, message.read_round, now_ns)
        if message.success:
            if progress.state is ProgressState.SNAPSHOT:
                self._replication.leave_snapshot(progress, message.match_index)
            progress.took(now_ns, message.sent_ns)
            if progress.matched(message.match_index, now_ns):
                self._match_indexes[sender] = message.match_index
                if self._reconfiguration.has_learners:
                    self._reconfiguration.on_matched(sender, message.match_index, now_ns)
                if message.match_index > self._state.commit_index:
                    self._advance_commit(now_ns)
            if self.transfer.target is not None:
                self.transfer.on_matched(sender)
        elif not self._replication.step_back(progress, message):
            return
        if progress.wants(self._state.log.last_index):
            self._replication.fill(sender, progress, now_ns)

    def note_late(self, sender: NodeId, message: AppendResponse, now_ns: int) -> bool:
        """Return whether an acknowledgement moves nothing on, so that it may wait for the next turn.

        How long it took is noted now: those who are held back shall not seem slow by how long their answers lie here.
        """
        progress = self._progress.get(sender)
        if (
            progress is None
            or not message.success
            or message.match_index > self._state.commit_index
            or message.read_round > progress.acked_round
            or progress.wants(self._state.log.last_index)
            or self.transfer.target is not None
            or self._reconfiguration.is_busy
        ):
            return False
        if progress.is_answer(message.sent_ns):
            progress.took(now_ns, message.sent_ns)
        return True

    def on_heartbeat_response(self, sender: NodeId, message: HeartbeatResponse, now_ns: int) -> None:
        progress = self._progress.get(sender)
        if progress is None or self.heard(sender, message, now_ns):
            return
        self._heard(sender, progress, message.sent_ns, message.read_round, now_ns)
        if progress.state is ProgressState.PROBE:
            progress.free_probe(message.sent_ns, self._state.settings.heartbeat_interval_ns)
        self._replication.fill(sender, progress, now_ns)

    def heard(self, sender: NodeId, message: HeartbeatResponse, now_ns: int) -> bool:
        """Take an answer that says only that the peer is there; return whether it does: nobody waits for it."""
        progress = self._progress.get(sender)
        if progress is None or progress.state is not ProgressState.REPLICATE:
            return False
        if message.read_round > progress.acked_round or progress.wants(self._state.log.last_index):
            return False
        self._heard(sender, progress, message.sent_ns, message.read_round, now_ns)
        return True

    def on_read_request(self, sender: NodeId, message: ReadIndexRequest, now_ns: int) -> None:
        """Answer a follower's read; a heartbeat beside the answer brings it the commit index that it has to reach."""
        self.read(Asker(sender, message.context, message.boot_id, now_ns), now_ns)
        progress = self._progress.get(sender)
        if progress is not None:
            if progress.is_held:
                self._replication.fill(sender, progress, now_ns)
            self._replication.heartbeat(sender, progress, now_ns)

    def on_unreachable(self, peer: NodeId) -> None:
        """Take what was on the way to a peer for lost."""
        progress = self._progress.get(peer)
        if progress is not None:
            progress.lost()

    def on_snapshot_status(self, peer: NodeId, *, ok: bool, now_ns: int) -> None:
        """Take how the stream of the state to a peer has ended."""
        progress = self._progress.get(peer)
        if progress is not None:
            self._replication.end_snapshot(progress, ok=ok, now_ns=now_ns)

    def on_clock_suspect(self, now_ns: int) -> None:
        """L4: no lease until a quorum has acknowledged what is sent from now on; what was due is due by the new clock.

        The clock may have gone either way. Rounds tell what was sent before from what is sent after; times do not.
        """
        self._replication.round += 1
        self.lease.suspect(self._replication.round, now_ns)
        self._reconfiguration.on_clock_suspect(now_ns)
        self.transfer.on_clock_suspect(now_ns)
        self.reads.on_clock_suspect(now_ns)
        self._next_heartbeat_ns = now_ns
        self._quorum_deadline_ns = now_ns + self._state.settings.election_timeout_ns
        for progress in self._progress.values():
            progress.heard_ns = progress.moved_ns = now_ns
            progress.since_ns = progress.born_ns = progress.timed_ns = 0
        # Who is a quorum alone has nobody to wait for: no answer would ever end this round.
        self.reads.confirm(now_ns)

    def on_persisted(self, now_ns: int) -> None:
        """Count the own log, now durable up to durable_index (P2)."""
        state = self._state
        self._match_indexes[state.settings.node] = state.durable_index
        if state.durable_index > state.commit_index:
            self._advance_commit(now_ns)

    # Inside ---------------------------------------------------------------------------------------

    def _append(self, kind: EntryKind, payload: bytes, time_ms: int, now_ns: int) -> Index:
        state = self._state
        # Log time never goes back, whatever the leader's clock does.
        self._last_time_ms = max(self._last_time_ms, time_ms)
        entry = Entry(Index(state.log.last_index + 1), state.term, kind, self._last_time_ms, payload)
        state.append(entry)
        if kind is EntryKind.CONFIGURATION:
            self._reconfiguration.configured(now_ns)
        is_lone = not self._uncommitted
        self._uncommitted.append((entry.index, len(payload)))
        self._uncommitted_bytes += len(payload)
        self._replication.send_entry(entry, now_ns, is_lone=is_lone)
        return entry.index

    def _configure(self, configuration: Configuration, now_ns: int) -> Index:
        """Append a configuration, which is in force from then on; its log time is that of the entry before."""
        payload = encode_configuration(configuration)
        index = self._append(EntryKind.CONFIGURATION, payload, self._last_time_ms, now_ns)
        # Who comes back is another than who left: what that one held counts no more.
        known = {peer: progress.match_index for peer, progress in self._progress.items()}
        self._match_indexes = {**known, self._state.settings.node: self._state.durable_index}
        # Reads that wait may have a quorum now which they did not have.
        self.reads.confirm(now_ns)
        return index

    def _refusal(self) -> Rejection:
        """Return why nothing can be appended now, although this node leads."""
        state = self._state
        reason = RejectReason.DISK if state.is_disk_full else RejectReason.DISK_STALLED
        if self.transfer.target is not None:
            reason = RejectReason.TRANSFERRING
        return Rejection(reason, state.settings.node)

    def _inherit(self) -> None:
        """Count what earlier leaders left uncommitted against the budget, as far as the budget goes."""
        state, budget = self._state, self._state.settings.uncommitted_bytes_max
        first, last = Index(state.commit_index + 1), state.log.last_index
        while first <= last and self._uncommitted_bytes <= budget:
            for entry in state.log.entries(first, last, state.settings.append_bytes_max):
                self._uncommitted.append((entry.index, len(entry.payload)))
                self._uncommitted_bytes += len(entry.payload)
                first = Index(entry.index + 1)

    def _heard(self, peer: NodeId, progress: Progress, sent_ns: int, read_round: int, now_ns: int) -> None:
        progress.heard_ns = now_ns
        self.lease.acked(peer, sent_ns, read_round)
        if read_round > progress.acked_round:
            progress.acked_round = read_round
            self.reads.confirm(now_ns)

    def _check_quorum(self, now_ns: int) -> bool:
        """Step down when no quorum was heard for an election timeout; return whether this node still leads."""
        state = self._state
        timeout_ns = state.settings.election_timeout_ns
        self._quorum_deadline_ns = now_ns + timeout_ns // 2
        heard = [peer for peer, progress in self._progress.items() if now_ns - progress.heard_ns < timeout_ns]
        if has_quorum(state.configuration, [*heard, state.settings.node]):
            return True
        state.become_follower(state.term, None)
        return False

    def _advance_commit(self, now_ns: int) -> None:
        """Commit what a quorum holds durably, if its last entry is of this term (dissertation 3.6.2)."""
        state = self._state
        index = Index(quorum_value(state.configuration, self._match_indexes))
        if index <= state.commit_index or index < self.term_start_index:
            return
        had_own = self._has_committed_own()
        state.commit(index)
        uncommitted = self._uncommitted
        while uncommitted and uncommitted[0][0] <= index:
            self._uncommitted_bytes -= uncommitted.popleft()[1]
        if not had_own:
            self.reads.advance(now_ns)
        if self._reconfiguration.is_busy:
            self._reconfiguration.advance(now_ns)

    def _has_committed_own(self) -> bool:
        return self._state.commit_index >= self.term_start_index

    # Views ----------------------------------------------------------------------------------------

    def min_match_index(self) -> Index:
        """Return up to where every member holds the log durably."""
        members = self._state.configuration.members()
        return Index(min(self._match_indexes.get(node, 0) for node in members))

    def match_indexes(self) -> list[tuple[NodeId, Index]]:
        return [(peer, progress.match_index) for peer, progress in self._progress.items()]
