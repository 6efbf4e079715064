"""What every role of the core shares: term, vote, log, commit, and what is waiting to be done.

The persistence rules that concern all roles live here: what may leave at once and what only after the disk
(P1, P3), what is durable (the LogMark), and what may be applied (P7).
"""

from __future__ import annotations

from collections import deque

from raftdoc.ids import Incarnation, Index, NodeId, Term
from raftdoc.raft.log import EntryReader, LogView
from raftdoc.raft.membership import ConfigurationHistory, decode_configuration
from raftdoc.raft.messages import Entry, EntryKind, HardState, Message
from raftdoc.raft.ready import LogMark, MembershipEvent, PersistTask, Ready, Role, RoleChange
from raftdoc.raft.settings import Configuration, RaftSettings, Random, Restored
from raftdoc.raft.snapshots import LogReset, SnapshotMeta

APPLY_BYTES_MAX = 1 << 20
"""Of payload, that one Ready hands out to be applied; two such hand-outs wait at most."""
NEVER_NS = -(1 << 62)
NO_CONFIGURATION = 1 << 62
CONFIGURATION = int(EntryKind.CONFIGURATION)


class Outstanding:
    """A persist task that is not durable yet."""

    __slots__ = ("hard_state", "has_reset", "mark", "safe_index")

    def __init__(self, mark: LogMark, hard_state: HardState, *, has_reset: bool) -> None:
        self.mark = mark
        self.hard_state = hard_state
        self.has_reset = has_reset
        self.safe_index = mark.last_index
        """The last index that its completion makes durable: a later truncation lowers it."""


class State:
    """Changed by the handlers of the roles; handed out by `take_ready`."""

    __slots__ = (
        "_emitted_before",
        "_entries",
        "_failed_reads",
        "_handed_index",
        "_hard_state",
        "_has_events",
        "_is_installed",
        "_membership_event",
        "_messages",
        "_messages_after",
        "_outstanding",
        "_reads",
        "_reset",
        "_role_event",
        "_snapshots",
        "_truncate_from",
        "_truncated_event",
        "_uncommitted_configuration",
        "applied_index",
        "commit_index",
        "configuration",
        "configurations",
        "durable_hard_state",
        "durable_index",
        "election_deadline_ns",
        "emitted_index",
        "floor",
        "has_failed",
        "has_handed_over",
        "heard_ns",
        "installing",
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
        # Where the log of an earlier replica ended whose place this one takes.
        self.floor = restored.floor
        self.configurations = ConfigurationHistory(
            (restored.compacted_index, restored.configuration), restored.configurations
        )
        self.configuration: Configuration = self.configurations.configuration
        """In force: the newest of the log, committed or not."""
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
        self.emitted_index = self._emitted_before = restored.applied_index
        """Handed out to be applied; and what that was before the last hand-out: the next waits until it is applied."""
        # P11: the commit index on disk is a hint. It is not trusted beyond the log, nor below what was applied.
        self.commit_index = Index(max(restored.applied_index, min(restored.hard_state.commit, restored.last_index)))
        self._uncommitted_configuration = self._find_uncommitted_configuration()
        """The index of the configuration in force, or NO_CONFIGURATION where it is committed."""
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
        self._reset: LogReset | None = None
        self.installing: SnapshotMeta | None = None
        """A snapshot whose switch is not durable yet, or not known to the host as such."""
        self._has_events = False
        """There are some of those below, which are rare."""
        self._role_event = False
        self._membership_event = False
        self._snapshots: list[NodeId] = []
        self._is_installed = False
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
        self.become(Role.FOLLOWER, leader)

    def become(self, role: Role, leader: NodeId | None) -> None:
        self.role, self.leader = role, leader
        self._role_event = self._has_events = True

    def reset_election_deadline(self, now_ns: int) -> None:
        """Draw a timeout from [W, 2W); priority shortens its random part."""
        base_ns = self.settings.election_timeout_ns
        spread_ns = int(self.random.random() * base_ns) // (1 + self.settings.priority)
        self.election_deadline_ns = now_ns + base_ns + spread_ns

    def hears_leader(self, now_ns: int) -> bool:
        """Return whether a promise to a living leader, or to one of an earlier life, forbids a vote now."""
        return now_ns < self.refuse_votes_until_ns or now_ns < self.heard_ns + self.settings.election_timeout_ns

    def is_up_to_date(self, last_index: Index, last_term: Term) -> bool:
        """Return whether a log that ends so is at least as up to date as this one (dissertation 3.6.1).

        Safety: what an earlier replica here acknowledged counts like what is in this log. A candidate that never heard
        of that one's removal could else win with its successor's vote, and lose what is committed.
        """
        if (last_term, last_index) < self.floor:
            return False
        return (last_term, last_index) >= (self.log.last_term, self.log.last_index)

    @property
    def has_reached_floor(self) -> bool:
        """Return whether this log holds again what an earlier replica acknowledged: only then may it stand."""
        return (self.log.last_term, self.log.last_index) >= self.floor

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
        if self._was_alone():
            self.election_deadline_ns = now_ns
        elif self.settings.refuse_votes_after_boot:
            # L3: the life before this one may have promised a leader not to vote.
            self.promise_anew(now_ns)

    def _was_alone(self) -> bool:
        """Return whether nobody else can have led of late: then no promise was given, and none is worth waiting for.

        Not so a node that has just become the only voter: the leader that made it so, and is to go, may hold a lease.
        """
        node, configurations = self.settings.node, self.configurations.since(self.log.compacted_index)
        is_alone = all(configuration.all_voters() == (node,) for configuration in configurations)
        return is_alone and (self.vote == node or not self.term)

    # The log --------------------------------------------------------------------------------------

    def append(self, entry: Entry) -> None:
        self.log.append(entry)
        self._entries.append(entry)
        if entry.kind == CONFIGURATION:
            # It takes effect now, not when it is committed (dissertation 4.1).
            self.configurations.append(entry.index, decode_configuration(entry.payload))
            self._configured()

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
        if index <= self.configurations.index:
            self.configurations.truncate(index)
            self._configured()

    def commit(self, index: Index) -> bool:
        """Raise the commit index; return whether it rose."""
        assert index <= self.log.last_index, (index, self.log.last_index)
        if index <= self.commit_index:
            return False
        self.commit_index = index
        if index >= self._uncommitted_configuration:
            self._configured()
        return True

    def reset(self, meta: SnapshotMeta, incarnation: Incarnation) -> None:
        """Begin the log anew after a snapshot that goes beyond what is committed here.

        Nothing more is handed out to be applied until the switch is durable.
        """
        kept = self.commit_index
        assert meta.index > kept, (meta, kept)
        assert self.installing is None, (meta, self.installing)
        if self.log.last_index > kept:
            self._truncated_event = min(self._truncated_event or self.log.last_index, Index(kept + 1))
        if self._handed_index > kept:
            self._truncate_from = Index(kept + 1)
        self._entries = []
        # Safety: what is on its way to the disk vouches for no more than what is the same before and after.
        self.durable_index = min(self.durable_index, kept)
        for task in self._outstanding:
            task.safe_index = min(task.safe_index, kept)
        self.log.reset(meta.index, meta.index_term, meta.time_ms)
        self.commit_index = self.emitted_index = meta.index
        self._emitted_before = self.applied_index
        self.configurations.reset(meta.index, meta.configuration)
        self._configured()
        self.installing = meta
        self._reset = LogReset(meta.index, meta.index_term, meta.configuration, incarnation)

    def _configured(self) -> None:
        """Take note that the configuration in force, or whether it is committed, may be another."""
        self.configuration = self.configurations.configuration
        self._uncommitted_configuration = self._find_uncommitted_configuration()
        self._membership_event = self._has_events = True

    def _find_uncommitted_configuration(self) -> int:
        index = self.configurations.index
        return index if index > self.commit_index else NO_CONFIGURATION

    @property
    def is_configuration_committed(self) -> bool:
        return self._uncommitted_configuration == NO_CONFIGURATION

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

    def ask_for_snapshot(self, peer: NodeId) -> None:
        """Have the host stream the state to a peer."""
        self._snapshots.append(peer)
        self._has_events = True

    def forget_snapshots(self) -> None:
        """Ask for none that was not handed out yet: this node leads no more."""
        self._snapshots = []

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
        if task.has_reset:
            assert self.installing is not None
            # What a snapshot contains is committed: it is durable whatever the term is now.
            self.durable_index = max(self.durable_index, self.installing.index)
            self._is_installed = self._has_events = True
        # What is committed is never truncated, and what is durable can be read again: it need not be applied.
        self.log.evict(self.applicable_index())

    def has_ready(self) -> bool:
        return bool(
            self._messages
            or self._messages_after
            or self._entries
            or (self.emitted_index < self.commit_index and self._may_emit())
            or self._reads
            or self._failed_reads
            or self._has_events
            or self._truncate_from is not None
            or self._needs_hard_state()
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
        if self.emitted_index < self.commit_index:
            ready.entries = self._take_committed()
        if self._reads or self._failed_reads:
            ready.reads, self._reads = self._reads, []
            ready.failed_reads, self._failed_reads = self._failed_reads, []
        ready.truncated_from, self._truncated_event = self._truncated_event, None
        if self._has_events:
            self._take_events(ready)
        return ready

    def _take_events(self, ready: Ready) -> None:
        self._has_events = False
        if self._role_event:
            self._role_event = False
            ready.role = RoleChange(self.role, self.term, self.leader)
        if self._membership_event:
            self._membership_event = False
            index, configuration = self.configurations.index, self.configuration
            ready.membership = MembershipEvent(configuration, index, self.is_configuration_committed)
        if self._snapshots:
            ready.snapshots, self._snapshots = self._snapshots, []
        if self._is_installed:
            assert self.installing is not None
            self._is_installed = False
            ready.installed, self.installing = self.installing, None
            self.applied_index = ready.installed.index

    def _stop(self) -> None:
        """P9: nothing more is written, acknowledged, sent or applied; callers only learn that they failed."""
        self._messages, self._messages_after = [], []
        self._entries, self._truncate_from, self._reset = [], None, None
        self._hard_state = HardState(self.term, self.vote, self.commit_index)
        self.emitted_index = self.commit_index

    def _needs_hard_state(self) -> bool:
        return self._hard_state.term != self.term or self._hard_state.vote != self.vote

    def _take_persist(self) -> PersistTask | None:
        needs_hard_state = self._needs_hard_state()
        is_waiting = bool(self._messages_after and self._outstanding)
        reset = self._reset
        if not (needs_hard_state or self._entries or self._truncate_from is not None or is_waiting or reset):
            return None
        hard_state = None
        if needs_hard_state or self._entries or reset:
            hard_state = self._hard_state = HardState(self.term, self.vote, self.commit_index)
        mark = LogMark(self.term, self.log.last_index)
        self._handed_index = mark.last_index
        self._outstanding.append(Outstanding(mark, self._hard_state, has_reset=reset is not None))
        task = PersistTask(hard_state, self._truncate_from, tuple(self._entries), self._messages_after, mark, reset)
        self._truncate_from = self._reset = None
        self._entries = []
        self._messages_after = []
        return task

    def applicable_index(self) -> Index:
        """Return up to where entries may be applied. P7: applied <= durable, always."""
        return min(self.commit_index, self.durable_index)

    def _may_emit(self) -> bool:
        """Return whether there is something to apply, and no more than one hand-out waits for that already."""
        return self.emitted_index < self.applicable_index() and self.applied_index >= self._emitted_before

    def _take_committed(self) -> list[Entry]:
        if not self._may_emit():
            return []
        entries = self.log.entries(Index(self.emitted_index + 1), self.applicable_index(), APPLY_BYTES_MAX)
        self._emitted_before, self.emitted_index = self.emitted_index, entries[-1].index
        return entries
