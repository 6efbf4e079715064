"""What the core wants done: values, collected since the last time it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from raftdoc.ids import Index, NodeId, Term
from raftdoc.raft.messages import Entry, HardState, Message
from raftdoc.raft.settings import Configuration
from raftdoc.raft.snapshots import LogReset, SnapshotMeta


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre_candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class RejectReason(Enum):
    NOT_LEADER = "not_leader"
    TRANSFERRING = "transferring"
    OVER_BUDGET = "over_budget"
    DISK = "disk"
    """It is full."""
    DISK_STALLED = "disk_stalled"
    NO_TARGET = "no_target"
    """Nobody, or not the one who was asked for, can take leadership over."""
    INVALID = "invalid"
    """A membership without a voter, or with a node named twice."""
    CHANGE_PENDING = "change_pending"
    """The last change of membership is not done yet: one at a time."""
    NOT_READY = "not_ready"
    """The leader has not yet committed an entry of its own term."""
    NOT_CAUGHT_UP = "not_caught_up"
    """A new voter is not a learner that has caught up."""


class Rejection(NamedTuple):
    """Why a proposal was not taken; nothing of it is in any log."""

    reason: RejectReason
    leader: NodeId | None
    """Who leads, as far as this node knows; while leadership is handed over that is still this node."""


class LogMark(NamedTuple):
    """What the log ended with when a persist task was handed out: its completion speaks of no more than that."""

    term: Term
    last_index: Index


class RoleChange(NamedTuple):
    role: Role
    term: Term
    leader: NodeId | None


class MembershipEvent(NamedTuple):
    """The configuration in force, or whether it is committed, is another than before."""

    configuration: Configuration
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    is_committed: bool


@dataclass(slots=True)
class PersistTask:
    """One atomic record of the log. Tasks are durable in the order they were handed out."""

    hard_state: HardState | None
    truncate_from: Index | None
    """Entries from here on are discarded before `entries` are added."""
    entries: tuple[Entry, ...]
    messages_after: list[tuple[NodeId, Message]]
    """May leave once this task is durable, not before (P1-P3)."""
    mark: LogMark
    reset: LogReset | None = None
    """After the truncation and before the entries: the log is empty from then on, but for its beginning."""


@dataclass(slots=True)
class Ready:
    messages: list[tuple[NodeId, Message]] = field(default_factory=list)
    """May leave now (P4)."""
    persist: PersistTask | None = None
    entries: list[Entry] = field(default_factory=list)
    """Committed, durable here (P7), and next to be applied."""
    reads: list[tuple[int, Index]] = field(default_factory=list)
    """(context, read_index): may be answered when applied >= read_index."""
    failed_reads: list[int] = field(default_factory=list)
    truncated_from: Index | None = None
    role: RoleChange | None = None
    membership: MembershipEvent | None = None
    snapshots: list[NodeId] = field(default_factory=list)
    """Peers that lack entries which this leader no longer has; `on_snapshot_status` is to answer each, once."""
    installed: SnapshotMeta | None = None
    """The state of this snapshot is in force: what was handed out to be applied before is void."""
