"""One core with its disk and clock; its peers are the test, which sees what the core sends and answers for them.

Nothing happens by itself: the test lets time pass, makes persist tasks durable, and says what arrives.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from raftdoc.ids import BootId, GroupId, Incarnation, Index, NodeId, Term
from raftdoc.raft import (
    Configuration,
    MembershipChange,
    MembershipEvent,
    Raft,
    RaftSettings,
    Role,
    SnapshotMeta,
    SnapshotOffer,
    SnapshotVerdict,
)
from raftdoc.raft.messages import (
    AppendEntries,
    AppendResponse,
    Entry,
    EntryKind,
    HardState,
    HeartbeatResponse,
    Message,
    VoteRequest,
    VoteResponse,
)

from .disk import Disk

MS = 1_000_000
W_MS = 1000
HEARTBEAT_MS = 100
N1, N2, N3, N4, N5 = (NodeId(f"n{number}") for number in range(1, 6))
M = TypeVar("M")


def entry(index: int, term: int, payload: bytes = b"x", time_ms: int = 0) -> Entry:
    return Entry(Index(index), Term(term), EntryKind.COMMANDS, time_ms, payload)


def entries(first: int, *terms: int) -> tuple[Entry, ...]:
    """Return entries from index first on, one for each term given."""
    return tuple(entry(first + offset, term) for offset, term in enumerate(terms))


def settings(node: NodeId, boot_id: int, **changes: Any) -> RaftSettings:
    values: dict[str, Any] = {
        "node": node,
        "group": GroupId(1),
        "boot_id": BootId(boot_id),
        "election_timeout_ns": W_MS * MS,
        "heartbeat_interval_ns": HEARTBEAT_MS * MS,
        "clock_rate_error_max": 0.01,
        "lease_margin_ns": 5 * MS,
        "leases_enabled": True,
        "inflight_messages_max": 256,
        "inflight_bytes_max": 1 << 23,
        "append_bytes_max": 1 << 20,
        "uncommitted_bytes_max": 1 << 20,
        "read_queue_max": 100,
        "cache_bytes_max": 1 << 20,
        "refuse_votes_after_boot": boot_id > 1,
    }
    return RaftSettings(**(values | changes))


class Lone:
    """The core of n1; `sent` holds what has left, oldest first."""

    def __init__(
        self,
        *,
        voters: tuple[NodeId, ...] = (N1, N2, N3),
        learners: tuple[NodeId, ...] = (),
        log: tuple[Entry, ...] = (),
        hard_state: HardState | None = None,
        **changes: Any,
    ) -> None:
        self.configuration = Configuration(voters, learners=learners)
        self.disk = Disk(self.configuration)
        self.disk.entries = list(log)
        self.disk.hard_state = hard_state or HardState(log[-1].term if log else Term(0))
        self.now_ms = 10_000
        self.boot_id = 0
        self._changes = changes
        self.start()

    def start(self, applied_index: int = 0, **changes: Any) -> None:
        """Make a new core from what the disk holds."""
        self.boot_id += 1
        self.sent: list[tuple[NodeId, Message]] = []
        self.applied: list[Entry] = []
        self.reads: list[tuple[int, Index]] = []
        self.failed_reads: list[int] = []
        self.truncated_from: list[Index] = []
        self.snapshots: list[NodeId] = []
        self.memberships: list[MembershipEvent] = []
        self.installed: list[SnapshotMeta] = []
        self._changes |= changes
        restored = self.disk.restored(Index(applied_index))
        self.core = Raft(settings(N1, self.boot_id, **self._changes), restored, self.disk, Random(1), self.now_ms * MS)

    def restart(self, kept_count: int = 0, applied_index: int = 0, **changes: Any) -> None:
        """Crash, losing the persist tasks that are not durable but for the first kept_count, and start again."""
        self.disk.crash(kept_count)
        self.start(applied_index, **changes)

    @property
    def now_ns(self) -> int:
        return self.now_ms * MS

    @property
    def role(self) -> Role:
        return self.core.role

    @property
    def is_leader(self) -> bool:
        return self.core.role is Role.LEADER

    @property
    def lease_valid(self) -> bool:
        return self.core.lease_valid(self.now_ns)

    # What happens to it ---------------------------------------------------------------------------

    def step(self, sender: NodeId, message: Message) -> None:
        self.core.step(sender, message, self.now_ns)
        self.take()

    def tick(self, after_ms: int = 0) -> None:
        self.now_ms += after_ms
        self.core.tick(self.now_ns)
        self.take()

    def propose(self, payload: bytes = b"x", time_ms: int = 0) -> Any:
        result = self.core.propose(payload, time_ms, self.now_ns)
        self.take()
        return result

    def read(self, context: int) -> None:
        self.core.read(context, self.now_ns)
        self.take()

    def change(self, voters: tuple[NodeId, ...], learners: tuple[NodeId, ...] = ()) -> Any:
        result = self.core.change_membership(MembershipChange(voters, learners), self.now_ns)
        self.take()
        return result

    def offer(self, sender: NodeId, term: int, last: tuple[int, int]) -> SnapshotVerdict:
        """Have a leader offer its state; last is (index, term) of the last entry in it."""
        offered = SnapshotOffer(Term(term), Index(last[0]), Term(last[1]), BootId(7))
        verdict = self.core.offer_snapshot(sender, offered, self.now_ns)
        self.take()
        return verdict

    def install(self, term: int, last: tuple[int, int], configuration: Configuration, *, time_ms: int = 0) -> bool:
        """Have the host say that such a state is complete in incarnation 2."""
        meta = SnapshotMeta(Term(term), Index(last[0]), Term(last[1]), configuration, time_ms)
        is_wanted = self.core.install_snapshot(meta, Incarnation(2), self.now_ns)
        self.take()
        return is_wanted

    def status_of(self, peer: NodeId, *, ok: bool) -> None:
        """Have the host say how the stream to a peer has ended."""
        self.core.on_snapshot_status(peer, ok, self.now_ns)
        self.take()

    def compact(self, index: int) -> None:
        self.disk.compact(Index(index), self.core.log.term_at(Index(index)), self.core.configuration_at(Index(index)))
        self.core.compact(Index(index))

    def compact_all(self) -> None:
        """Take all of the log as applied and let go of it, in a life before this one."""
        self.disk.compact(self.disk.last_index, self.disk.last_term)
        self.restart(applied_index=self.disk.last_index)
        self.now_ms += 2 * W_MS

    def transfer(self, target: NodeId | None) -> Any:
        result = self.core.transfer(target, self.now_ns)
        self.take()
        return result

    def take(self) -> None:
        """Do what a host does with every Ready, but for the disk."""
        while self.core.has_ready():
            ready = self.core.ready()
            self.sent += ready.messages
            if ready.persist is not None:
                self.disk.submit(ready.persist, self.now_ns)
            self.reads += ready.reads
            self.snapshots += ready.snapshots
            if ready.membership is not None:
                self.memberships.append(ready.membership)
            if ready.installed is not None:
                self.installed.append(ready.installed)
            self.failed_reads += ready.failed_reads
            if ready.truncated_from is not None:
                self.truncated_from.append(ready.truncated_from)
            if ready.entries:
                self.applied += ready.entries
                self.core.on_applied(ready.entries[-1].index, self.now_ns)

    def persist(self, count: int | None = None) -> None:
        """Make the oldest `count` persist tasks durable, by default all, and let go what waited for them."""
        for _ in range(len(self.disk.pending) if count is None else count):
            task = self.disk.complete()
            self.core.on_persisted(task.mark, self.now_ns)
            self.sent += task.messages_after
            self.take()

    def sent_of(self, kind: type[M]) -> list[M]:
        """Take out of what was sent all messages of a kind."""
        found = [message for _, message in self.sent if isinstance(message, kind)]
        self.sent = [(peer, message) for peer, message in self.sent if not isinstance(message, kind)]
        return found

    def sent_to(self, peer: NodeId) -> list[Message]:
        """Take out of what was sent all that goes to a peer."""
        found = [message for to, message in self.sent if to == peer]
        self.sent = [(to, message) for to, message in self.sent if to != peer]
        return found

    # What peers say -------------------------------------------------------------------------------

    def vote_of(self, peer: NodeId, *, pre: bool = False, granted: bool = True, term: int | None = None) -> None:
        """Have a peer answer the present campaign."""
        asked = self.core.term + 1 if pre else self.core.term
        term = term if term is not None else asked if granted else self.core.term
        self.step(peer, VoteResponse(Term(term), granted, pre, Index(0), Term(0), BootId(self.boot_id)))

    def ask_vote(
        self, peer: NodeId, term: int, *, last: tuple[int, int] = (0, 0), pre: bool = False, forced: bool = False
    ) -> None:
        """Have a peer ask for a vote; last is (index, term) of its log."""
        request = VoteRequest(Term(term), Index(last[0]), Term(last[1]), Index(0), Term(0), pre, forced, BootId(7))
        self.step(peer, request)

    def append_from(
        self,
        peer: NodeId,
        term: int,
        new: tuple[Entry, ...] = (),
        *,
        prev: tuple[int, int] = (0, 0),
        commit: int = 0,
        sent_ns: int = 0,
        read_round: int = 0,
    ) -> None:
        """Have a leader send entries, or a heartbeat without; prev is (index, term)."""
        message = AppendEntries(
            Term(term), Index(prev[0]), Term(prev[1]), Index(commit), new, sent_ns, read_round, BootId(7)
        )
        self.step(peer, message)

    def heartbeat(
        self, term: int, *, new: tuple[Entry, ...] = (), prev: tuple[int, int] = (0, 0), commit: int = 0
    ) -> AppendEntries:
        """Return what a leader sends, for a test that hands it in itself and takes no Ready after it."""
        return AppendEntries(Term(term), Index(prev[0]), Term(prev[1]), Index(commit), new, 0, 0, BootId(7))

    def beat(self, *, term: int = 0) -> HeartbeatResponse:
        """Return the answer to a heartbeat, likewise."""
        return HeartbeatResponse(Term(term or self.core.term), 0, 0, BootId(self.boot_id))

    def ack_of(
        self, peer: NodeId, match: int, *, sent_ns: int = 0, read_round: int = 0, term: int = 0, boot_id: int = 0
    ) -> None:
        """Have a peer acknowledge the log up to match."""
        self.step(peer, self.ack(match, sent_ns=sent_ns, read_round=read_round, term=term, boot_id=boot_id))

    def ack(
        self, match: int, *, sent_ns: int = 0, read_round: int = 0, term: int = 0, boot_id: int = 0
    ) -> AppendResponse:
        """Return an acknowledgement, for a test that hands it in itself."""
        return AppendResponse(
            Term(term) or self.core.term,
            True,
            Index(match),
            Index(0),
            Term(0),
            Index(0),
            Index(match),
            sent_ns,
            read_round,
            BootId(boot_id or self.boot_id),
        )

    def refusal_of(self, peer: NodeId, prev: int, conflict: tuple[int, int], *, age_ms: int = 0) -> None:
        """Have a peer refuse an append after prev, sent age_ms ago; conflict is (index, term)."""
        response = AppendResponse(
            self.core.term,
            False,
            Index(0),
            Index(prev),
            Term(conflict[1]),
            Index(conflict[0]),
            Index(conflict[0]),
            (self.now_ms - age_ms) * MS,
            0,
            BootId(self.boot_id),
        )
        self.step(peer, response)

    def beat_of(self, peer: NodeId, *, sent_ns: int = 0, read_round: int = 0, term: int = 0, boot_id: int = 0) -> None:
        """Have a peer answer a heartbeat."""
        term_ = Term(term) if term else self.core.term
        self.step(peer, HeartbeatResponse(term_, sent_ns, read_round, BootId(boot_id or self.boot_id)))

    # Ways -----------------------------------------------------------------------------------------

    def time_out(self) -> None:
        """Let the longest election timeout pass."""
        self.tick(2 * W_MS)
        self.persist()

    def elect(self, *, with_own: bool = True) -> Lone:
        """Make this node the leader of the next term; with_own: its no-op is committed and applied."""
        self.time_out()
        others = [peer for peer in self.configuration.voters if peer != N1]
        for pre in (True, False):
            for peer in others[: len(self.configuration.voters) // 2]:
                self.vote_of(peer, pre=pre)
            self.persist()
        assert self.is_leader, self.role
        if with_own:
            self.persist()
            for peer in others:
                self.ack_of(peer, self.core.last_index, sent_ns=self.now_ns)
            assert self.core.commit_index == self.core.last_index, self.core.commit_index
        self.sent.clear()
        return self
