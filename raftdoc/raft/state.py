"""What every role of the core shares: term, vote, log, commit, and what is waiting to be done.

The persistence rules that concern all roles live here: what may leave at once and what only after the disk
(P1, P3), what is durable (the LogMark), and what may be applied (P7).
"""

from __future__ import annotations

from collections import deque

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.log import EntryReader, LogView
from raftdoc.raft.messages import Entry, HardState, Message
from raftdoc.raft.ready import LogMark, PersistTask, Ready, Role, RoleChange
from raftdoc.raft.settings import Configuration, RaftSettings, Random, Restored

APPLY_BYTES_MAX = 1 << 20
NEVER_NS = -(1 << 62)


class Outstanding:
    """A persist task that is not durable yet."""

    __slots__ = ("hard_state", "mark", "safe_index")

    def __init__(self, mark: LogMark, hard_state: HardState) -> None:
        self.mark = mark
        self.hard_state = hard_state
        self.safe_index = mark.last_index
        """The last index that its completion makes durable: a later truncation lowers it."""


class State:
    """Changed by the handlers of the roles; handed out by `take_ready`."""

    __slots__ = (
        "_entries",
        "_failed_reads",
        "_handed_index",
        "_hard_state",
        "_messages",
        "_messages_after",
        "_outstanding",
        "_reads",
        "_role_event",
        "_truncate_from",
        "_truncated_event",
        "applied_index",
        "commit_index",
        "configuration",
        "durable_hard_state",
        "durable_index",
        "election_deadline_ns",
        "emitted_index",
        "has_failed",
        "has_handed_over",
        "heard_ns",
        "is_disk_full",
        "is_disk_stalled",
        "leader",
        "log",
        "random",
        "refuse_votes_until_ns",
        "role",
        "settings",
        "term",
        "vote",
    )

    def __init__(
        self, settings: RaftSettings, restored: Restored, storage: EntryReader, random: Random, now_ns: int
    ) -> None:
        self.settings = settings
        self.random = random
        self.log = LogView(restored, storage, settings.cache_bytes_max)
        self.configuration: Configuration = restored.configuration
        self.term = restored.hard_state.term
        self.vote = restored.hard_state.vote
        self.durable_hard_state = restored.hard_state
        self._hard_state = restored.hard_state
        """As of the newest persist task."""
        self.role = Role.FOLLOWER
        self.leader: NodeId | None = None
        self.heard_ns = NEVER_NS
        """When a leader was last heard, by a clock read after its frame came."""
        self.durable_index = restored.last_index
        self.applied_index = restored.applied_index
        self.emitted_index = restored.applied_index
        """Handed out to be applied."""
        # P11: the commit index on disk is a hint. It is not trusted beyond the log, nor below what was applied.
        self.commit_index = Index(max(restored.applied_index, min(restored.hard_state.commit, restored.last_index)))
        self.refuse_votes_until_ns = now_ns
        self.election_deadline_ns = 0
        self.is_disk_full = False
        self.has_handed_over = False
        """Leadership was handed over once since the disk is full: not again, others may be no better off."""
        self.is_disk_stalled = False
        self.has_failed = False
        self._outstanding: deque[Outstanding] = deque()
        self._entries: list[Entry] = []
        self._truncate_from: Index | None = None
        self._handed_index = restored.last_index
        """The log on disk ends here, once all that was handed out is durable and truncated."""
        self._truncated_event: Index | None = None
        self._messages: list[tuple[NodeId, Message]] = []
        self._messages_after: list[tuple[NodeId, Message]] = []
        self._reads: list[tuple[int, Index]] = []
        self._failed_reads: list[int] = []
        self._role_event = False
        self._begin(now_ns)

    # Terms and roles ------------------------------------------------------------------------------

    def become_follower(self, term: Term, leader: NodeId | None) -> None:
        """Follow in a term that is not older than the present one."""
        assert term >= self.term, (term, self.term)
        if term > self.term:
            self.term, self.vote = term, None
            # Safety: what waits to be said of an older term may be untrue of the disk when it leaves, if a leader of
            # the new term replaces entries that were not handed out yet. The network may lose messages anyway.
            self._messages_after.clear()
        elif self.role is Role.FOLLOWER and self.leader == leader:
            return
        self.role, self.leader = Role.FOLLOWER, leader
        self._role_event = True

    def become(self, role: Role, leader: NodeId | None) -> None:
        self.role, self.leader = role, leader
        self._role_event = True

    def reset_election_deadline(self, now_ns: int) -> None:
        """Draw a timeout from [W, 2W); priority shortens its random part."""
        base_ns = self.settings.election_timeout_ns
        spread_ns = int(self.random.random() * base_ns) // (1 + self.settings.priority)
        self.election_deadline_ns = now_ns + base_ns + spread_ns

    def hears_leader(self, now_ns: int) -> bool:
        """Return whether a promise to a living leader, or to one of an earlier life, forbids a vote now."""
        return now_ns < self.refuse_votes_until_ns or now_ns < self.heard_ns + self.settings.election_timeout_ns

    def is_up_to_date(self, last_index: Index, last_term: Term) -> bool:
        """Return whether a log that ends so is at least as up to date as this one (dissertation 3.6.1)."""
        return (last_term, last_index) >= (self.log.last_term, self.log.last_index)

    def promise_anew(self, now_ns: int) -> None:
        """Refuse votes for W from now, whatever the clock read before: it jumped (L4), or this life is new (L3).

        No promise that was given lasts longer than that from now.
        """
        self.refuse_votes_until_ns = now_ns + self.settings.election_timeout_ns
        self.heard_ns = NEVER_NS
        self.reset_election_deadline(now_ns)

    def _begin(self, now_ns: int) -> None:
        """Set the first deadlines of this life."""
        self.reset_election_deadline(now_ns)
        if self.configuration.all_voters() == (self.settings.node,):
            # Nobody else can lead: no promise can have been given, and none is worth waiting for.
            self.election_deadline_ns = now_ns
        elif self.settings.refuse_votes_after_boot:
            # L3: the life before this one may have promised a leader not to vote.
            self.promise_anew(now_ns)

    # The log --------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        self.log.append(entry)
        self._entries.append(entry)

    def truncate(self, index: Index) -> None:
        """Discard the entries from index on, which nobody has committed."""
        assert index > self.commit_index, (index, self.commit_index)
        self.log.truncate(index)
        kept = Index(index - 1)
        self._entries = [entry for entry in self._entries if entry.index < index]
        if index <= self._handed_index:
            # Of what the disk was never given it has nothing to discard.
            self._truncate_from, self._handed_index = index, kept
        if self._truncated_event is None or index < self._truncated_event:
            self._truncated_event = index
        # Safety: what is on its way to the disk no longer vouches for indexes that will hold other entries.
        self.durable_index = min(self.durable_index, kept)
        for task in self._outstanding:
            task.safe_index = min(task.safe_index, kept)

    def commit(self, index: Index) -> bool:
        """Raise the commit index; return whether it rose."""
        assert index <= self.log.last_index, (index, self.log.last_index)
        if index <= self.commit_index:
            return False
        self.commit_index = index
        return True

    # Messages -------------------------------------------------------------------------------------

    def send(self, peer: NodeId, message: Message) -> None:
        """Let a message leave with the next Ready."""
        self._messages.append((peer, message))

    def send_durable(self, peer: NodeId, message: Message) -> None:
        """Let a message leave once everything decided so far is durable."""
        self._messages_after.append((peer, message))

    def send_known(self, peer: NodeId, message: Message) -> None:
        """Let a message that says only the present term leave as soon as the disk knows that term and the vote."""
        if self.is_hard_state_durable:
            self._messages.append((peer, message))
        else:
            self._messages_after.append((peer, message))

    @property
    def is_hard_state_durable(self) -> bool:
        """Return whether the disk knows the present term and vote."""
        durable = self.durable_hard_state
        return durable.term == self.term and durable.vote == self.vote

    def answer_read(self, context: int, index: Index) -> None:
        self._reads.append((context, index))

    def fail_read(self, context: int) -> None:
        self._failed_reads.append(context)

    # Ready ----------------------------------------------------------------------------------------

    def on_persisted(self, mark: LogMark) -> None:
        """Take the completion of the oldest outstanding task."""
        assert self._outstanding, f"nothing is outstanding: {mark}"
        task = self._outstanding.popleft()
        assert task.mark == mark, (task.mark, mark)
        self.durable_hard_state = task.hard_state
        # A mark of an earlier term says nothing about the present log; the task of the term change marks it again.
        if mark.term == self.term and task.safe_index > self.durable_index:
            self.durable_index = task.safe_index

    def has_ready(self) -> bool:
        return bool(
            self._messages
            or self._messages_after
            or self._entries
            or self._reads
            or self._failed_reads
            or self._role_event
            or self._truncate_from is not None
            or self._needs_hard_state()
            or self.emitted_index < min(self.commit_index, self.durable_index)
        )

    def take_ready(self) -> Ready:
        """Return what is to be done since the last call."""
        if self.has_failed:
            self._stop()
        ready = Ready()
        persist = self._take_persist()
        ready.persist = persist
        ready.messages, self._messages = self._messages, []
        if persist is None and self._messages_after:
            # Nothing is on its way to the disk, and nothing has to go there: these wait for nothing.
            ready.messages += self._messages_after
            self._messages_after = []
        ready.entries = self._take_committed()
        if self._reads or self._failed_reads:
            ready.reads, self._reads = self._reads, []
            ready.failed_reads, self._failed_reads = self._failed_reads, []
        ready.truncated_from, self._truncated_event = self._truncated_event, None
        if self._role_event:
            self._role_event = False
            ready.role = RoleChange(self.role, self.term, self.leader)
        return ready

    def _stop(self) -> None:
        """P9: nothing more is written, acknowledged, sent or applied; callers only learn that they failed."""
        self._messages, self._messages_after = [], []
        self._entries, self._truncate_from = [], None
        self._hard_state = HardState(self.term, self.vote, self.commit_index)
        self.emitted_index = self.commit_index

    def _needs_hard_state(self) -> bool:
        return self._hard_state.term != self.term or self._hard_state.vote != self.vote

    def _take_persist(self) -> PersistTask | None:
        needs_hard_state = self._needs_hard_state()
        is_waiting = bool(self._messages_after and self._outstanding)
        if not (needs_hard_state or self._entries or self._truncate_from is not None or is_waiting):
            return None
        hard_state = None
        if needs_hard_state or self._entries:
            hard_state = self._hard_state = HardState(self.term, self.vote, self.commit_index)
        mark = LogMark(self.term, self.log.last_index)
        self._handed_index = mark.last_index
        self._outstanding.append(Outstanding(mark, self._hard_state))
        task = PersistTask(hard_state, self._truncate_from, tuple(self._entries), self._messages_after, mark)
        self._truncate_from = None
        self._entries = []
        self._messages_after = []
        return task

    def _take_committed(self) -> list[Entry]:
        # P7: applied <= durable, always.
        last = min(self.commit_index, self.durable_index)
        if self.emitted_index >= last:
            return []
        entries = self.log.entries(Index(self.emitted_index + 1), last, APPLY_BYTES_MAX)
        self.emitted_index = entries[-1].index
        return entries
