"""What must hold of a group at every moment, checked after every step of a simulated world.

The world tells what happens (`took`, `sent`, `applied`, `restarted`) and calls `stepped` after each call into a
core; whatever does not hold raises InvariantBroken. Checks are incremental: a step costs what it changed.

    I1  one leader per term, ever                 I8   terms, votes, applied never go back, restarts included
    I2  a leader only appends, in its term        I9   compacted <= durably applied <= applied <= commit <= last
    I3  same index and term, same log up to there I10  never two leases; nothing of a later term commits under one
    I4  a leader has all that was committed       I11  a message says no more than its sender's disk backs
    I6  what was committed stays                  I14  match <= what the follower holds durably in that term
    I7  committed means durable on a quorum       I12  one uncommitted configuration; neighbours share their quorums

Source: dissertation figure 3.2; rules of docs/consensus.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.core import Raft
from raftdoc.raft.membership import decode_configuration
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
from raftdoc.raft.quorum import has_quorum
from raftdoc.raft.ready import PersistTask, Role

NO_INDEX: Final = Index(0)
NO_TERM: Final = Term(0)


class InvariantBroken(AssertionError):
    """The core, or the world that hosts it, is wrong."""


class DurableLog(Protocol):
    """What a node would find on its disk if it crashed now."""

    @property
    def hard_state(self) -> HardState: ...

    @property
    def last_index(self) -> Index: ...

    @property
    def last_term(self) -> Term: ...

    @property
    def compacted_index(self) -> Index: ...

    def holds(self, index: Index, term: Term) -> bool:
        """Return whether an entry of that term is at index, or was there and is compacted."""
        ...


class Member(Protocol):
    """One node of the group, as the world hosts it."""

    @property
    def core(self) -> Raft: ...

    @property
    def disk(self) -> DurableLog: ...

    @property
    def is_awake(self) -> bool:
        """Whether the node runs: one that is down, or sleeps with its clock, relies on no lease."""
        ...

    @property
    def durable_applied_index(self) -> Index: ...

    @property
    def clock(self) -> Callable[[], int]:
        """The node's own clock, in nanoseconds."""
        ...


class Known(NamedTuple):
    """An entry as it was first seen; everybody who has that index and term has to have the same."""

    previous_term: Term
    kind: int
    payload: bytes


class Committed(NamedTuple):
    term: Term
    in_term: Term
    """The term of the first core that called it committed."""


@dataclass(slots=True)
class Seen:
    """A node as it was after its last step."""

    term: Term = NO_TERM
    vote: NodeId | None = None
    role: Role = Role.FOLLOWER
    commit_index: Index = NO_INDEX
    applied_index: Index = NO_INDEX
    compacted_index: Index = NO_INDEX
    durable_term: Term = NO_TERM
    durable_vote: NodeId | None = None


class Invariants:
    def __init__(self, members: Mapping[NodeId, Member]) -> None:
        self._members = members
        self._seen = {node: Seen() for node in members}
        self._leaders: dict[Term, NodeId] = {}
        self._entries: dict[tuple[Index, Term], Known] = {}
        self.committed: dict[Index, Committed] = {}
        self._configured: dict[Term, Index] = {}
        """Where the leader of a term last appended a configuration."""
        self._highest = Index(0)

    @property
    def highest_committed(self) -> Index:
        return self._highest

    @property
    def election_count(self) -> int:
        return len(self._leaders)

    # What the world tells -------------------------------------------------------------------------

    def took(self, node: NodeId, task: PersistTask) -> None:
        """Look at a persist task when it is handed out (I2, I3)."""
        core = self._members[node].core
        if core.role is Role.LEADER:
            for entry in task.entries:
                if entry.kind == EntryKind.CONFIGURATION:
                    self._check_configuration(node, core, entry)
            require(task.truncate_from is None, "I2: a leader truncated its own log", node, task)
            require(all(entry.term == core.term for entry in task.entries), "I2: entry of another term", node, task)
        if not task.entries:
            return
        previous = Index(task.entries[0].index - 1)
        term = core.log.term_at(previous) if previous >= core.log.compacted_index else Term(0)
        for entry in task.entries:
            known = self._entries.setdefault((entry.index, entry.term), Known(term, entry.kind, bytes(entry.payload)))
            require(known == (term, entry.kind, entry.payload), "I3: logs do not match", node, known, entry)
            term = entry.term

    def sent(self, node: NodeId, peer: NodeId, message: Message) -> None:
        """Look at a message that leaves (I11)."""
        disk = self._members[node].disk
        durable = disk.hard_state
        match message:
            case VoteResponse(granted=True, pre=False):
                holds = durable.term > message.term or (durable.term == message.term and durable.vote == peer)
                require(holds, "I11: a vote that is not durable", node, message, durable)
            case VoteRequest(pre=False):
                holds = durable.term > message.term or (durable.term == message.term and durable.vote == node)
                require(holds, "I11: a campaign that is not durable", node, message, durable)
                log = (disk.last_term, disk.last_index)
                holds = durable.term > message.term or log >= (message.last_term, message.last_index)
                require(holds, "I11: an advertised log that is not durable", node, message, log)
            case AppendResponse(success=True):
                holds = durable.term > message.term or (
                    durable.term == message.term and disk.last_index >= message.match_index
                )
                require(holds, "I11: an acknowledged log that is not durable", node, message, disk.last_index)
            case HeartbeatResponse() | AppendEntries():
                require(durable.term >= message.term, "I11: a term that is not durable", node, message, durable)
            case _:
                pass

    def applied(self, node: NodeId, entry: Entry) -> None:
        """Look at an entry that goes into a state machine (I5, by way of I6)."""
        committed = self.committed.get(entry.index)
        require(committed is not None, "I6: applied before it was committed", node, entry)
        assert committed is not None
        require(committed.term == entry.term, "I6: applied another entry than others", node, entry, committed)
        known = self._entries[entry.index, entry.term]
        require(known[1:] == (entry.kind, entry.payload), "I5: applied another payload", node, entry, known)

    def restarted(self, node: NodeId) -> None:
        """Look at a core that was just made from its disk (I8)."""
        core, seen = self._members[node].core, self._seen[node]
        same_vote = core.term > seen.durable_term or seen.durable_vote in {None, core.vote}
        require(core.term >= seen.durable_term, "I8: the term went back", node, core.term, seen)
        require(same_vote, "I8: the vote changed", node, core.vote, seen)
        require(core.log.compacted_index >= seen.compacted_index, "I8: the truncation point went back", node, seen)
        self._seen[node] = Seen(
            term=core.term,
            vote=core.vote,
            commit_index=Index(0),
            applied_index=core.applied_index,
            compacted_index=core.log.compacted_index,
            durable_term=core.term,
            durable_vote=core.vote,
        )

    def replaced(self, node: NodeId) -> None:
        """Take that another replica takes the place of a node's: of the first one only term and vote stay."""
        seen = self._seen[node]
        self._seen[node] = Seen(durable_term=seen.durable_term, durable_vote=seen.durable_vote)

    def stepped(self, node: NodeId) -> None:
        """Look at a node after a call into its core."""
        member = self._members[node]
        core, seen = member.core, self._seen[node]
        self._check_progress(node, member, seen)
        if core.commit_index > seen.commit_index:
            self._check_commit(node, core, seen)
        if core.role is Role.LEADER:
            self._check_leader(node, core, seen)
        seen.term, seen.vote, seen.role = core.term, core.vote, core.role
        seen.commit_index, seen.applied_index = core.commit_index, core.applied_index
        # What the core has let go of comes back with a crash, as long as the disk does not know of it.
        seen.compacted_index = member.disk.compacted_index
        durable = member.disk.hard_state
        seen.durable_term, seen.durable_vote = durable.term, durable.vote

    # Inside ---------------------------------------------------------------------------------------

    def _check_configuration(self, node: NodeId, core: Raft, entry: Entry) -> None:
        """I12, of an entry that a leader appends: what was in force before is committed, and shares its majorities."""
        before, after = core.configuration_at(Index(entry.index - 1)), decode_configuration(entry.payload)
        since = self._configured.get(core.term, core.term_start_index)
        require(since <= core.commit_index, "I12: two uncommitted configurations", node, since, entry)
        self._configured[core.term] = entry.index
        if before.is_joint():
            holds = not after.is_joint() and after.voters == before.voters
        else:
            old = after.voters_outgoing if after.is_joint() else after.voters
            holds = set(old) == set(before.voters)
        require(holds, "I12: configurations that share no majority", node, before, after)

    def _check_progress(self, node: NodeId, member: Member, seen: Seen) -> None:
        core, disk = member.core, member.disk
        durable, term, applied_index = disk.hard_state, core.term, core.applied_index
        require(term >= seen.term, "I8: the term went back", node, term, seen)
        if term == seen.term:
            require(seen.vote in {None, core.vote}, "I8: the vote changed", node, core.vote, seen)
        require(durable.term >= seen.durable_term, "I8: the durable term went back", node, durable, seen)
        require(applied_index >= seen.applied_index, "I8: applied went back", node, applied_index, seen)
        # What is being installed takes the place of the log before it is durable; a crash would bring the log back.
        compacted_index = NO_INDEX if core.is_installing else core.log.compacted_index
        order = compacted_index, member.durable_applied_index, applied_index, core.commit_index, core.last_index
        require(order[0] <= order[1] <= order[2] <= order[3] <= order[4], "I9: out of order", node, order)
        require(applied_index <= core.durable_index, "I9: applied, not durable", node, order, core.durable_index)
        require(core.durable_index <= disk.last_index, "P2: not on the disk", node, core.durable_index)

    def _check_commit(self, node: NodeId, core: Raft, seen: Seen) -> None:
        """I6 and I7 over what became committed with this step; I10: not under a lease of an earlier term."""
        log = core.log
        first = max(seen.commit_index + 1, log.compacted_index, 1)
        for number in range(first, core.commit_index + 1):
            index = Index(number)
            committed = self.committed.setdefault(index, Committed(log.term_at(index), core.term))
            require(committed.term == log.term_at(index), "I6: two entries committed at one index", node, index)
        if core.commit_index <= self._highest:
            return
        self._highest = core.commit_index
        term = log.term_at(core.commit_index)
        holders = [peer for peer, member in self._members.items() if member.disk.holds(core.commit_index, term)]
        require(has_quorum(core.configuration, holders), "I7: committed without a quorum", node, holders)
        for peer, member in self._members.items():
            holds_lease = member.is_awake and member.core.term < core.term and member.core.lease_valid(member.clock())
            require(not holds_lease, "I10: committed under the lease of an earlier term", node, peer)

    def _check_leader(self, node: NodeId, core: Raft, seen: Seen) -> None:
        if seen.role is not Role.LEADER or seen.term != core.term:
            first = self._leaders.setdefault(core.term, node)
            require(first == node, "I1: two leaders in one term", core.term, first, node)
            self._check_complete(node, core)
        for peer, match in core.match_indexes():
            member = self._members.get(peer)
            if member is None or not match or member.disk.hard_state.term > core.term:
                continue
            is_held = member.disk.holds(match, core.log.term_at(match)) if match >= core.log.compacted_index else True
            require(is_held, "I14: match that the follower does not hold", node, peer, match)
        if core.lease_valid(self._members[node].clock()):
            for peer, member in self._members.items():
                holds = peer != node and member.is_awake and member.core.lease_valid(member.clock())
                require(not holds, "I10: two leases", node, peer, core.term, member.core.term)

    def _check_complete(self, node: NodeId, core: Raft) -> None:
        """I4: by log matching it is enough to look at the last entry that was committed before this term."""
        index = self._highest
        while index and self.committed[index].in_term >= core.term:
            index = Index(index - 1)
        if index > core.log.compacted_index:
            holds = core.last_index >= index and core.log.term_at(index) == self.committed[index].term
            require(holds, "I4: a leader lacks what was committed", node, index, core.last_index)


def require(holds: bool, rule: str, *values: object) -> None:
    """Raise unless it holds."""
    if not holds:
        raise InvariantBroken(rule, *values)
