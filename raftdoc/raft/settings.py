"""What a core is told at birth: its settings, and what its disk remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from raftdoc.ids import BootId, GroupId, Index, NodeId, Term
from raftdoc.raft.messages import HardState


class Random(Protocol):
    """Chance, injected: `random.Random` is one. The core itself imports no source of it."""

    def random(self) -> float:
        """Return a number of [0, 1)."""
        ...


class Configuration(NamedTuple):
    """Who belongs to a group. With `voters_outgoing` it is joint (dissertation 4.3).

    Without any voter it is that of a replica that was made after its group, and has not yet heard who belongs to it.
    """

    voters: tuple[NodeId, ...]
    voters_outgoing: tuple[NodeId, ...] = ()
    learners: tuple[NodeId, ...] = ()
    """Once it is no more joint: until then one of them may still vote as an outgoing voter."""

    def members(self) -> frozenset[NodeId]:
        """Return everybody who gets the log."""
        return frozenset(self.voters) | frozenset(self.voters_outgoing) | frozenset(self.learners)

    def all_voters(self) -> tuple[NodeId, ...]:
        """Return the voters of both halves, each once, in an order that does not depend on hashing."""
        return tuple(dict.fromkeys((*self.voters, *self.voters_outgoing)))

    def is_voter(self, node: NodeId) -> bool:
        return node in self.voters or node in self.voters_outgoing

    def is_joint(self) -> bool:
        """Return whether the group is on its way from one set of voters to another."""
        return bool(self.voters_outgoing)


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftSettings:
    node: NodeId
    group: GroupId
    boot_id: BootId
    election_timeout_ns: int
    """W: votes are refused so long after a leader was heard; timeouts are drawn from [W, 2W)."""
    heartbeat_interval_ns: int
    clock_rate_error_max: float
    lease_margin_ns: int
    leases_enabled: bool
    inflight_messages_max: int
    inflight_bytes_max: int
    append_bytes_max: int
    uncommitted_bytes_max: int
    read_queue_max: int
    cache_bytes_max: int
    holds_lone_entries: bool = False
    """An entry with nothing uncommitted before it goes to a quick quorum first: see `thrift`."""
    priority: int = 0
    """The higher, the sooner a node campaigns; 0 or more."""
    refuse_votes_after_boot: bool = True
    """False only for a replica that never existed before: nobody's lease can rest on its promise."""

    def __post_init__(self) -> None:
        assert self.priority >= 0, self.priority


class Restored(NamedTuple):
    """What the log on disk holds of a group."""

    hard_state: HardState
    configuration: Configuration
    """In force at compacted_index."""
    compacted_index: Index
    compacted_term: Term
    last_index: Index
    last_term: Term
    term_runs: tuple[tuple[Index, Term], ...]
    """(first index, term) of each run of entries of one term after compacted_index."""
    applied_index: Index
    """Durably in the state machine."""
    configurations: tuple[tuple[Index, Configuration], ...] = ()
    """(index, configuration) of each CONFIGURATION entry after compacted_index, by rising index."""
    floor: tuple[Term, Index] = (Term(0), Index(0))
    """(term, index) where the log of an earlier replica of this group on this node ended, which is gone: what that one
    acknowledged may be committed because of it. Term and vote in hard_state are not older than that replica's."""
