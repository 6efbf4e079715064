"""This node's member of one group: its core, its state machine, and everybody who waits for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from raftdoc.errors import DiskFull, NoLeader, NotLeader, OverBudget, RaftdocError, Unavailable
from raftdoc.ids import CATALOG_GROUP, GroupId, Incarnation, Index
from raftdoc.limits import APPLY_REST_MS, DIGEST_INTERVAL_ENTRIES, NS_PER_MS
from raftdoc.node.health import Verdict
from raftdoc.node.proposals import Proposals
from raftdoc.node.reads import Reads
from raftdoc.raft import Raft, Ready, Rejection, RejectReason, Role
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.commands import batch
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.engine import EngineBusy

APPLY_BYTES_MAX = 128 * 1024
"""Payload bytes of one apply call: some 300 small documents, 2-3 ms."""

PREPARE_BYTES_MAX = 16 * 1024
"""Of an entry that is worked out ahead: a larger one is not waited for by a lone write."""


class StateMachine(Protocol):
    """Same entries in, same bytes out."""

    @property
    def applied_index(self) -> Index: ...

    @property
    def log_time_ms(self) -> int:
        """Of the last applied entry."""

    def digest(self) -> dict[str, str]:
        """Return the digests of the state by name: equal on all replicas after the same entries."""

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        """Apply entries, at least the first, in one engine batch; return per entry applied the outcome of each command.

        Raises:
            EngineBusy: nothing was written and nothing changed in memory; call again later.
        """

    def weight(self, command: bytes) -> int:
        """Return what a command counts where entries are cut, in bytes; more than its own where it goes over others."""

    def prepare(self, entry: Entry) -> None:
        """Work out what the entry after applied_index will do. It may never be applied: nobody is to see anything."""


class Replica:
    """State is changed by the turn only. Nothing here awaits."""

    __slots__ = (
        "applied_bytes",
        "applied_entries",
        "core",
        "digest_taken",
        "due_ns",
        "durable_applied_index",
        "group",
        "incarnation",
        "is_busy",
        "machine",
        "matched_everywhere",
        "proposals",
        "reads",
        "rests_until_ns",
        "to_apply",
    )

    def __init__(self, group: GroupId, incarnation: Incarnation, core: Raft, machine: StateMachine) -> None:
        self.group = group
        self.incarnation = incarnation
        self.core = core
        self.machine = machine
        self.proposals = Proposals(group)
        self.reads = Reads()
        self.to_apply: deque[Entry] = deque()
        self.rests_until_ns = 0
        """All was applied that was there; until then more may come together."""
        self.is_busy = False
        """The engine refused the last apply; it is tried again at the next tick."""
        self.due_ns = 0
        """Until when a tick does nothing: an idle group costs one comparison. What makes it sooner comes in a turn."""
        self.durable_applied_index = machine.applied_index
        self.digest_taken: tuple[Index, dict[str, str]] | None = None
        """(index, digest) of the last sample that nobody has been told."""
        self.applied_bytes = 0
        self.applied_entries = 0
        """Of payload, and of entries, that were applied since this node started."""
        self.matched_everywhere = Index(0)
        """Every member is known to hold the log durably up to here."""

    @property
    def is_leader(self) -> bool:
        return self.core.role is Role.LEADER

    def can_serve_now(self, now_ns: int) -> bool:
        """Return whether a linearizable read may be answered from the state as it is, by the lease."""
        return self.core.lease_valid(now_ns) and self.machine.applied_index >= self.core.commit_index

    def handle(self, ready: Ready) -> None:
        """Take up what concerns waiting callers and the state machine; messages and persistence are the node's."""
        if ready.truncated_from is not None:
            self.proposals.truncated(ready.truncated_from)
        if ready.entries:
            self.to_apply.extend(ready.entries)
        for context, index in ready.reads:
            self.reads.confirmed(context, index)
        if ready.failed_reads:
            error = NoLeader(f"group {self.group} has no leader that a quorum confirms", retry_after_ms=100)
            for context in ready.failed_reads:
                self.reads.failed(context, error)
        if ready.reads:
            self.reads.applied(self.machine.applied_index)

    def propose(self, wall_ms: int, now_ns: int) -> None:
        """Give the core what is queued: one entry, or more where the bounds of one are reached."""
        for proposals in self.proposals.take(self.machine.weight):
            payload = batch([proposal.command for proposal in proposals])
            taken = self.core.propose(payload, wall_ms, now_ns)
            if isinstance(taken, Rejection):
                self.proposals.refuse(proposals, self._refusal(taken))
            else:
                self.proposals.sent(*taken, proposals, len(payload))

    def ask(self, context: int, now_ns: int) -> None:
        """Have all reads that wait confirmed under one context."""
        self.reads.issue(context, now_ns)
        self.core.read(context, now_ns)

    def tick(self, verdict: Verdict, now_ns: int) -> None:
        """Let time pass for the core; answer whose deadline has passed."""
        core = self.core
        if verdict.is_clock_suspect:
            core.on_clock_suspect(now_ns)
            self.rests_until_ns = 0
        if verdict.stall_changed is not None:
            core.on_disk_stalled(verdict.stall_changed, now_ns)
        if verdict.full_changed is not None:
            core.on_disk_full(verdict.full_changed, now_ns)
        if self.is_leader and verdict.is_wall_clock_skewed:
            core.transfer(None, now_ns)
        core.tick(now_ns, may_campaign=not verdict.is_wall_clock_skewed)
        self._sweep(now_ns)
        self.proposals.is_due = bool(self.proposals.queued)

    def look_ahead(self) -> None:
        """Find anew when the next tick is due: with what waits here, at once."""
        is_waiting = self.is_busy or self.proposals.waiting_count or self.reads.waiting_count
        self.due_ns = 0 if is_waiting else self.core.due_ns()
        if self.to_apply:
            self.due_ns = min(self.due_ns, self.rests_until_ns)

    def prepare(self) -> None:
        """Have the next entry of a leader's clients worked out while a quorum takes it in: they wait for less then."""
        if self.to_apply or not self.proposals.in_flight:
            return
        entry = self.core.uncommitted_entry()
        if entry is None or entry.index != self.machine.applied_index + 1 or len(entry.payload) > PREPARE_BYTES_MAX:
            return
        with suppress(EngineBusy):
            self.machine.prepare(entry)

    def _refusal(self, rejection: Rejection) -> RaftdocError:
        if rejection.reason is RejectReason.OVER_BUDGET:
            return OverBudget(f"too many bytes wait to be committed in group {self.group}")
        if rejection.reason is RejectReason.DISK:
            return DiskFull("the leader's disk is full; it is handing over")
        if rejection.reason is RejectReason.DISK_STALLED:
            return Unavailable("the leader's disk does not answer")
        return NotLeader(self.group, rejection.leader)

    def has_to_apply(self, now_ns: int) -> bool:
        """Return whether to apply now: where nobody waits for it, a few entries come together first."""
        if not self.to_apply or now_ns >= self.rests_until_ns:
            return bool(self.to_apply)
        # A leader's clients wait, those of a leader that was, who reads here, and whoever acts upon the catalog.
        is_waited_for = self.is_leader or self.proposals.in_flight or self.reads.waiting_count
        return bool(is_waited_for) or self.group == CATALOG_GROUP

    def apply(self, until_ns: int, now_ns: int) -> bool:
        """Apply one slice of what is committed and answer who waited for it; return whether there is more to do now.

        At least one entry is applied, then until `until_ns` at most as much as APPLY_BYTES_MAX.
        """
        entries: list[Entry] = []
        byte_count = 0
        for entry in self.to_apply:
            entries.append(entry)
            byte_count += len(entry.payload)
            if byte_count >= APPLY_BYTES_MAX or entry.index % DIGEST_INTERVAL_ENTRIES == 0:
                break
        try:
            results = self.machine.apply(entries)
        except EngineBusy:
            self.is_busy = True
            return False
        entries = entries[: len(results)]
        if entries[-1].index % DIGEST_INTERVAL_ENTRIES == 0:
            self.digest_taken = (entries[-1].index, self.machine.digest())
        self.applied_bytes += sum(len(entry.payload) for entry in entries)
        self.applied_entries += len(entries)
        self._answer(entries, results, now_ns)
        has_more = bool(self.to_apply)
        if not (has_more or self.core.has_ready()):
            self.rests_until_ns = now_ns + APPLY_REST_MS * NS_PER_MS
        return has_more

    def apply_until(self, until_ns: int, now_ns: int, read_ns: Callable[[], int]) -> bool:
        """Apply slices, at least one, until the time is used up; return whether there is more to do now."""
        while self.apply(until_ns, now_ns):
            if read_ns() >= until_ns:
                return True
        return False

    def _answer(self, entries: list[Entry], results: list[list[Outcome]], now_ns: int) -> None:
        self.is_busy = False
        core = self.core
        for entry, outcomes in zip(entries, results, strict=True):
            self.to_apply.popleft()
            if self.proposals.in_flight:
                self.proposals.applied(entry, outcomes, core.leader)
        core.on_applied(entries[-1].index, now_ns)
        if self.reads.applying:
            self.reads.applied(entries[-1].index)

    def freeze(self) -> None:
        """Apply nothing more: another state is about to take the place of this one."""
        self.to_apply.clear()
        self.is_busy = False

    def switch(self, incarnation: Incarnation, machine: StateMachine) -> None:
        """Go on from a state that was installed; it is durable.

        What was in flight below it is unknown, and stays so: the state does not say whose entry it contains.
        """
        self.freeze()
        self.incarnation = incarnation
        self.machine = machine
        self.durable_applied_index = machine.applied_index
        self.digest_taken = None
        self.proposals.covered(machine.applied_index)
        self.reads.applied(machine.applied_index)

    def _sweep(self, now_ns: int) -> None:
        if self.proposals.waiting_count:
            self.proposals.expire(now_ns)
        if self.reads.waiting_count:
            self.reads.sweep(now_ns)

    def close(self, error: RaftdocError) -> None:
        self.proposals.close(error)
        self.reads.close(error)
