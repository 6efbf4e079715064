"""The consensus core of one group on one node: dispatches what happens to the handlers of the roles.

Pure and synchronous. The contract with the host is in the package's docstring.
"""

from __future__ import annotations

from typing import assert_never

from raftdoc.ids import Incarnation, Index, NodeId, Term
from raftdoc.raft.election import Election
from raftdoc.raft.follower import Follower
from raftdoc.raft.installation import Installation
from raftdoc.raft.leader import Leader
from raftdoc.raft.log import EntryReader, LogView
from raftdoc.raft.membership import CatchUp, MembershipChange
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    Entry,
    HeartbeatResponse,
    Message,
    ReadIndexRequest,
    ReadIndexResponse,
    TimeoutNow,
    VoteRequest,
    VoteResponse,
)
from raftdoc.raft.reads import Asker, FollowerReads, refuse
from raftdoc.raft.ready import LogMark, Ready, Rejection, RejectReason, Role
from raftdoc.raft.settings import Configuration, RaftSettings, Random, Restored
from raftdoc.raft.snapshots import SnapshotMeta, SnapshotOffer, SnapshotVerdict
from raftdoc.raft.state import State

NEVER_DUE_NS = 1 << 62
Response = VoteResponse | AppendResponse | HeartbeatResponse | ReadIndexResponse


class Raft:
    """`now_ns` is the host's clock, read freshly before each call; it only rises."""

    __slots__ = ("_election", "_follower", "_follower_reads", "_installation", "_leader", "_state")

    def __init__(
        self, settings: RaftSettings, restored: Restored, storage: EntryReader, random: Random, now_ns: int
    ) -> None:
        state = State(settings, restored, storage, random, now_ns)
        self._state = state
        self._leader: Leader | None = None
        self._election = Election(state, self._won, self._commit, self._leads_by_lease)
        self._follower = Follower(state)
        self._follower_reads = FollowerReads(state)
        self._installation = Installation(state)

    # Events ---------------------------------------------------------------------------------------

    def step(self, sender: NodeId, message: Message, now_ns: int) -> None:
        """Take a message of a peer."""
        state = self._state
        if state.has_failed:
            return
        kind = type(message)
        if kind is AppendEntries:
            self._on_append(sender, message, now_ns)  # type: ignore[arg-type]
        elif kind is VoteRequest:
            self._election.on_request(sender, message, now_ns)  # type: ignore[arg-type]
        elif kind is TimeoutNow or kind is ReadIndexRequest:
            self._on_order(sender, message, now_ns)  # type: ignore[arg-type]
        else:
            self._on_response(sender, message, now_ns)  # type: ignore[arg-type]
        self._settle(now_ns)

    def hear(self, sender: NodeId, term: Term, commit_index: Index, now_ns: int) -> bool:
        """Take a heartbeat that says only that the leader is there; return whether it does.

        Then a HeartbeatResponse may leave at once, and Ready has nothing. Else nothing was done: step it.
        """
        return self._follower.hear(sender, term, commit_index, now_ns)

    def heard(self, sender: NodeId, response: HeartbeatResponse, now_ns: int) -> bool:
        """Take the answer to a heartbeat that says only that the peer is there; return whether it does.

        Then Ready has nothing. Else nothing was done: step it.
        """
        state, leader = self._state, self._leader
        if leader is None or state.has_failed or response.term != state.term:
            return False
        return response.boot_id == state.settings.boot_id and leader.heard(sender, response, now_ns)

    def tick(self, now_ns: int, *, may_campaign: bool = True) -> None:
        """Let time pass: elections, heartbeats, check-quorum, the deadline of a transfer.

        Who may not campaign by itself still does so by order, and goes on if it leads.
        """
        if self._state.has_failed:
            return
        leader = self._leader
        if leader is None:
            self._follower_reads.expire(now_ns)
            if may_campaign:
                self._election.tick(now_ns)
        else:
            leader.tick(now_ns)
            if self._state.role is Role.LEADER and leader.transfer.has_expired(now_ns):
                # L1: this term has no lease any more; a term of its own brings one back.
                self._state.become_follower(self._state.term, None)
                self._election.campaign_forced(now_ns)
        self._settle(now_ns)

    def propose(self, payload: bytes, time_ms: int, now_ns: int) -> tuple[Term, Index] | Rejection:
        """Append one entry of commands; return where it stands, or why it was not taken.

        Its log time is time_ms, or that of the entry before it if that is later.
        """
        if self._leader is None:
            return Rejection(RejectReason.NOT_LEADER, self._state.leader)
        return self._leader.propose(payload, time_ms, now_ns)

    def read(self, context: int, now_ns: int) -> None:
        """Ask for a read index; Ready.reads or Ready.failed_reads answers, unless a message is lost on the way."""
        if self._leader is not None:
            self._leader.read(Asker(None, context, self._state.settings.boot_id, now_ns), now_ns)
        else:
            self._follower_reads.ask(context, now_ns)

    def note_late(self, sender: NodeId, message: AppendResponse, now_ns: int) -> bool:
        """Take the time of an acknowledgement that moves nothing on; return whether it does: stepping it may wait."""
        leader, state = self._leader, self._state
        is_current = message.term == state.term and message.boot_id == state.settings.boot_id
        return is_current and leader is not None and leader.note_late(sender, message, now_ns)

    def lease_valid(self, now_ns: int) -> bool:
        """Return whether this node may answer a linearizable read now, if it has applied all that it committed."""
        leader = self._leader
        return leader is not None and leader.lease_valid(now_ns)

    def transfer(self, target: NodeId | None, now_ns: int) -> Rejection | None:
        """Begin to hand leadership over; None picks a living voter with the best log.

        No proposals are taken meanwhile. A transfer that has not succeeded within W ends in a new term of this node.
        """
        if self._leader is None:
            return Rejection(RejectReason.NOT_LEADER, self._state.leader)
        return self._leader.transfer.begin(target, now_ns)

    def change_membership(self, change: MembershipChange, now_ns: int) -> tuple[Term, Index] | Rejection:
        """Begin to make the group what change says; return where its first configuration stands, or why it is refused.

        The rest follows by itself, under whichever leader. Ready.membership tells when the last one is committed.
        """
        if self._leader is None:
            return Rejection(RejectReason.NOT_LEADER, self._state.leader)
        return self._leader.change_membership(change, now_ns)

    def catch_up(self, node: NodeId) -> CatchUp:
        """Return how fit a learner is to vote."""
        return CatchUp.UNKNOWN if self._leader is None else self._leader.catch_up(node)

    def on_snapshot_status(self, peer: NodeId, ok: bool, now_ns: int) -> None:
        """Take how a stream that Ready.snapshots asked for has ended: the peer has installed the state, or not."""
        if self._leader is not None:
            self._leader.on_snapshot_status(peer, ok=ok, now_ns=now_ns)

    def offer_snapshot(self, sender: NodeId, offer: SnapshotOffer, now_ns: int) -> SnapshotVerdict:
        """Say whether the state that a leader offers is wanted."""
        verdict = self._installation.offer(sender, offer, now_ns)
        self._settle(now_ns)
        return verdict

    def install_snapshot(self, meta: SnapshotMeta, incarnation: Incarnation, now_ns: int) -> bool:
        """Switch to a state that is complete and durable in incarnation; False: it is not wanted any more.

        Ready.installed tells when it has happened.
        """
        is_wanted = self._installation.install(meta, incarnation)
        self._settle(now_ns)
        return is_wanted

    def campaign(self, now_ns: int) -> None:
        """Campaign now, if allowed, instead of waiting for the timeout."""
        if self._leader is None:
            self._election.campaign(now_ns)
            self._settle(now_ns)

    def on_persisted(self, mark: LogMark, now_ns: int) -> None:
        """Take that the oldest outstanding persist task is durable.

        An AssertionError is the host's bug: tasks complete in the order they were handed out.
        """
        if self._state.has_failed:
            return
        self._state.on_persisted(mark)
        if self._leader is not None:
            self._leader.on_persisted(now_ns)
        else:
            self._election.on_persisted(now_ns)
        self._settle(now_ns)

    def on_persist_failed(self) -> None:
        """Stop for good: what the disk holds is not known any more (P9)."""
        state = self._state
        state.has_failed = True
        if self._leader is not None:
            state.become_follower(state.term, None)
            self._close_leader()

    def on_applied(self, index: Index, now_ns: int) -> None:
        """Take that the entries up to index are in the state machine."""
        state = self._state
        assert state.applied_index <= index <= state.emitted_index, (state.applied_index, index, state.emitted_index)
        state.applied_index = index

    def on_disk_stalled(self, stalled: bool, now_ns: int) -> None:
        """L8: while the disk does not answer nothing is sent to followers, and there is no lease."""
        self._state.is_disk_stalled = stalled

    def on_disk_full(self, full: bool, now_ns: int) -> None:
        """Refuse proposals and entries, hand leadership over once with the next tick, still vote.

        A full node leads where nobody else can: it serves reads until there is space.
        """
        self._state.is_disk_full = full
        self._state.has_handed_over = False

    def on_clock_suspect(self, now_ns: int) -> None:
        """L4: a leader has no lease until a quorum has acknowledged a round sent from now on.

        A follower promises anew: its clock may have run past the promise that some leader's lease rests on.
        """
        if self._leader is not None:
            self._leader.on_clock_suspect(now_ns)
        else:
            self._state.promise_anew(now_ns)
            self._follower_reads.on_clock_suspect(now_ns)

    def on_unreachable(self, peer: NodeId, now_ns: int) -> None:
        if self._leader is not None:
            self._leader.on_unreachable(peer)

    def compact(self, index: Index) -> None:
        """Let go of the log up to and including index, which is applied and durably so."""
        assert index <= self._state.applied_index, (index, self._state.applied_index)
        self._state.log.compact(index)
        self._state.configurations.compact(index)

    def shrink_log(self, bytes_max: int) -> None:
        """Hold no more of the log in memory than bytes_max, but for what is not committed or not durable."""
        state = self._state
        state.log.shrink(state.applicable_index(), bytes_max)

    def may_compact(self, now_ns: int) -> bool:
        """Return whether the log may be let go of now.

        Safety: a node that has just become the only voter may owe its leader a promise still. As long as it does, its
        log has to show that it was not alone all the time: one that was waits for nobody when it starts (L3).
        """
        state = self._state
        return state.configuration.all_voters() != (state.settings.node,) or not state.hears_leader(now_ns)

    def due_ns(self) -> int:
        """Return until when a tick would do nothing, as things stand; what happens meanwhile may make it sooner."""
        state, leader = self._state, self._leader
        if state.has_failed:
            return NEVER_DUE_NS
        if leader is not None:
            # Who has stepped down settles with the next tick at the latest.
            return leader.due_ns() if state.role is Role.LEADER else 0
        return 0 if self._follower_reads.is_asking else state.election_deadline_ns

    def has_ready(self) -> bool:
        return self._state.has_ready()

    def ready(self) -> Ready:
        """Return what is to be done; each thing is handed out once."""
        return self._state.take_ready()

    # Views ----------------------------------------------------------------------------------------

    @property
    def node(self) -> NodeId:
        return self._state.settings.node

    @property
    def role(self) -> Role:
        return self._state.role

    @property
    def term(self) -> Term:
        return self._state.term

    @property
    def vote(self) -> NodeId | None:
        return self._state.vote

    @property
    def leader(self) -> NodeId | None:
        return self._state.leader

    @property
    def commit_index(self) -> Index:
        return self._state.commit_index

    @property
    def applied_index(self) -> Index:
        return self._state.applied_index

    @property
    def durable_index(self) -> Index:
        return self._state.durable_index

    @property
    def last_index(self) -> Index:
        return self._state.log.last_index

    @property
    def log(self) -> LogView:
        return self._state.log

    @property
    def is_installing(self) -> bool:
        """Whether the log begins anew after a snapshot already, but Ready.installed has not been handed out yet."""
        return self._state.installing is not None

    @property
    def configuration(self) -> Configuration:
        return self._state.configuration

    @property
    def is_configuration_committed(self) -> bool:
        """Return whether the configuration in force is known here to be committed."""
        return self._state.is_configuration_committed

    def configuration_at(self, index: Index) -> Configuration:
        """Return the configuration in force where the log ends at index, which is not below its compaction point.

        It belongs into a snapshot at index, and into the record that compacts the log up to there.
        """
        return self._state.configurations.at(index)

    def uncommitted_entry(self) -> Entry | None:
        """Return the first entry that is not committed, if there is one and it is in memory."""
        return self._state.log.cached_at(Index(self._state.commit_index + 1))

    @property
    def term_start_index(self) -> Index:
        """Of the no-op of this node's term of leadership; 0 for others."""
        return Index(0) if self._leader is None else self._leader.term_start_index

    @property
    def lease_until_ns(self) -> int:
        return 0 if self._leader is None else self._leader.lease.until_ns

    def min_match_index(self) -> Index:
        """Return up to where every member is known to hold the log durably; 0 when this node does not lead."""
        return Index(0) if self._leader is None else self._leader.min_match_index()

    def match_indexes(self) -> list[tuple[NodeId, Index]]:
        """Return up to where each peer is known to hold this leader's log durably; nothing when this node is none."""
        return [] if self._leader is None else self._leader.match_indexes()

    # Inside ---------------------------------------------------------------------------------------

    def _on_append(self, sender: NodeId, message: AppendEntries, now_ns: int) -> None:
        state = self._state
        if message.term < state.term:
            self._follower.refuse_old_term(sender, message)
            return
        if not message.entries and self._follower.hear(sender, message.term, message.commit_index, now_ns):
            state.send(sender, HeartbeatResponse(message.term, message.sent_ns, message.read_round, message.boot_id))
            return
        assert message.term > state.term or self._leader is None, (sender, message.term, "two leaders in one term")
        self._follower.on_append(sender, message, now_ns)

    def _on_order(self, sender: NodeId, message: TimeoutNow | ReadIndexRequest, now_ns: int) -> None:
        state = self._state
        if message.term > state.term:
            state.become_follower(message.term, None)
            self._settle(now_ns)
        if isinstance(message, ReadIndexRequest):
            if self._leader is not None:
                self._leader.on_read_request(sender, message, now_ns)
            else:
                refuse(state, Asker(sender, message.context, message.boot_id, now_ns))
        elif message.term == state.term and state.leader == sender:
            self._election.campaign_forced(now_ns)

    def _on_response(self, sender: NodeId, message: Response, now_ns: int) -> None:
        state = self._state
        if message.boot_id != state.settings.boot_id:
            return  # the answer to an earlier life of this node
        if message.term > state.term and not _is_pre_vote(message):
            state.become_follower(message.term, None)
            return
        leader = self._leader
        match message:
            case AppendResponse():
                if leader is not None and message.term == state.term:
                    leader.on_append_response(sender, message, now_ns)
            case HeartbeatResponse():
                if leader is not None and message.term == state.term:
                    leader.on_heartbeat_response(sender, message, now_ns)
            case VoteResponse():
                self._election.on_response(sender, message, now_ns)
            case ReadIndexResponse():
                if message.term == state.term:
                    self._follower_reads.on_response(message)
            case _:
                assert_never(message)

    def _won(self, now_ns: int) -> None:
        state = self._state
        state.become(Role.LEADER, state.settings.node)
        self._leader = Leader(state, now_ns)

    def _commit(self, index: Index) -> None:
        """Take a commit index that a vote has shown."""
        if self._leader is None:
            self._state.commit(index)

    def _leads_by_lease(self, now_ns: int) -> bool:
        """L6: a leader does not vote inside its own lease."""
        return self._leader is not None and self._leader.lease.covers(now_ns)

    def _settle(self, now_ns: int) -> None:
        """Follow a change of role or leader: a leader that stepped down fails its reads, and so does its follower."""
        state = self._state
        if self._leader is not None and state.role is not Role.LEADER:
            self._close_leader()
            state.reset_election_deadline(now_ns)
        self._follower_reads.follow()

    def _close_leader(self) -> None:
        if self._leader is not None:
            self._leader.close()
            self._leader = None
            self._state.forget_snapshots()


def _is_pre_vote(message: Response) -> bool:
    """Return whether it grants a pre-vote: its term is the one that was asked about, and nobody's yet."""
    return isinstance(message, VoteResponse) and message.pre and message.granted
