"""What a caller asks of the database, and what it gets back: plain values that cross the floor to `api`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from raftdoc.ids import ClusterId, GroupId, Index, NodeId, StoreId, Term
from raftdoc.sharding import NodeState
from raftdoc.statemachine.outcome import Idempotency, Outcome, StoredDocument

Consistency = Literal["linearizable", "stale"]
OperationState = Literal["running", "done", "failed"]


@dataclass(slots=True)
class Request:
    """One caller's request, with the one deadline over all its hops.

    The lower half is filled in by the database while it works, for the answer's headers.
    """

    deadline_ns: int
    """On the node's monotonic clock (`Clock.now_ns`)."""
    consistency: Consistency = "linearizable"
    max_staleness_ms: int | None = None
    min_index: tuple[tuple[GroupId, Index], ...] = ()
    idempotency: Idempotency | None = None

    group: GroupId | None = None
    """The group that answered; None while none did, or when more than one did."""
    indexes: tuple[tuple[GroupId, Index], ...] = ()
    """Per group that answered: the applied index the answer includes."""
    leader: NodeId | None = None
    staleness_ms: int | None = None


class Page(NamedTuple):
    documents: list[StoredDocument]
    next_after: bytes | None
    """The id key to continue after; None at the end."""


class DatabaseInfo(NamedTuple):
    name: str
    group: GroupId
    created_ms: int
    options: dict[str, object]
    replicas: tuple[NodeId, ...]


class ReplicaStatus(NamedTuple):
    node: NodeId
    role: str
    applied_index: Index | None
    """None where it is not known to this node."""


class GroupStatus(NamedTuple):
    id: GroupId
    database: str | None
    """None for the catalog."""
    leader: NodeId | None
    term: Term
    commit_index: Index
    replicas: tuple[ReplicaStatus, ...]


class MemberStatus(NamedTuple):
    id: NodeId
    http: str
    peer: str
    host: str
    alive: bool
    state: NodeState


class MembershipInfo(NamedTuple):
    """A node of the cluster, or one that was."""

    id: NodeId
    http: str
    peer: str
    host: str
    state: NodeState
    alive: bool
    """Whether the node that answered is connected to it."""
    groups: tuple[GroupId, ...]
    """Of databases with a replica there."""


class JoiningNode(NamedTuple):
    """What a node says of itself that asks to join."""

    id: NodeId
    store_id: StoreId
    cluster_id: ClusterId
    http: str
    peer: str
    host: str


class OperationInfo(NamedTuple):
    """How far a change is that takes its time."""

    id: str
    kind: str
    state: OperationState
    detail: str
    done: int
    total: int
    """Of documents, replicas, or whatever the operation goes through; `done` of them are done with."""


class RebalancingStep(NamedTuple):
    """A replica, or the leadership, of one group goes elsewhere."""

    group: GroupId
    database: str | None
    """None: it has just been dropped."""
    kind: Literal["replica", "leadership"]
    source: NodeId | None
    """None: a replica more."""
    target: NodeId | None
    """None: a replica less."""
    why: str


class RebalancingInfo(NamedTuple):
    steps: tuple[RebalancingStep, ...]
    """In the order in which they are done; those under way come first."""
    operation: str | None
    """None: nothing was begun."""


class ClusterStatus(NamedTuple):
    cluster_id: ClusterId
    node: NodeId
    members: tuple[MemberStatus, ...]
    groups: tuple[GroupStatus, ...]
    limits: dict[str, int]


WriteResult = Outcome
