"""What nodes say to each other besides Raft, and the table that numbers every message.

All are NamedTuples of msgpack's own types; an array inside a message is a tuple. The codec reads their
annotations: a field added here or in `raftdoc.raft.messages` is encoded and checked with no further change.
Such a change makes another wire version.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NewType, TypeAlias

from raftdoc.ids import BootId, ClusterId, GroupId, Index, NodeId, StoreId, Term
from raftdoc.raft import Configuration
from raftdoc.raft import messages as raft

ReadRound = NewType("ReadRound", int)
"""A round of ReadIndex, counted from 0 in each term."""

WIRE_VERSION_MIN: Final = 1
WIRE_VERSION_MAX: Final = 1
"""The versions that this code speaks. Two nodes use the highest that both do."""


# The handshake of a link: who dials sends, who is dialled receives ----------------------------------


class Hello(NamedTuple):
    """1, dialler to dialled. Claims only; `Proof` backs them."""

    cluster: ClusterId
    node: NodeId
    store_id: StoreId
    boot_id: BootId
    peer: NodeId
    """Whom the caller expects at this address."""
    address: str
    """Where the caller itself is dialled, `host:port`; empty: where it always was."""
    lane: int
    nonce: bytes


class Challenge(NamedTuple):
    """2, dialled to dialler. Claims only; `Welcome` backs them."""

    cluster: ClusterId
    node: NodeId
    store_id: StoreId
    boot_id: BootId
    version: int
    """The wire version of this link."""
    nonce: bytes


class Proof(NamedTuple):
    """3, dialler to dialled: HMAC-SHA256 of the cluster's secret over both bodies above."""

    mac: bytes


class Welcome(NamedTuple):
    """4, dialled to dialler: the same from the other side. Frames of messages may follow."""

    mac: bytes


class Refuse(NamedTuple):
    """Instead of 2 or 4, or at any later time from either side. Its form is the same in every wire version."""

    code: str
    detail: str


# Node to node -------------------------------------------------------------------------------------


class Forward(NamedTuple):
    """Commands for the group that the receiver leads, in the order of their arrival."""

    request_id: int
    group: GroupId
    commands: tuple[bytes, ...]
    timeout_ms: int


class Forwarded(NamedTuple):
    """One answer per command of the Forward: (0, an Outcome's fields) or (1, (code, detail, outcome, hint))."""

    request_id: int
    outcomes: tuple[tuple[int, tuple[Any, ...]], ...]


class Ping(NamedTuple):
    """`applied`: per group that the sender hosts, the index its state has reached."""

    sent_ns: int
    """The sender's own clock; comes back in the Pong."""
    wall_ms: int
    applied: tuple[tuple[GroupId, Index], ...]


class Pong(NamedTuple):
    """`commits`: per group that the answerer leads by a valid lease, its commit index."""

    sent_ns: int
    wall_ms: int
    commits: tuple[tuple[GroupId, Index], ...]


class Heartbeats(NamedTuple):
    """Appends without entries for several groups, column by column: what one turn says to a peer of all it leads.

    Each is what `AppendEntries` with these fields would be. It belongs to no group, and comes as of group 0.
    """

    sent_ns: int
    boot_id: BootId
    groups: tuple[GroupId, ...]
    terms: tuple[Term, ...]
    prev_indexes: tuple[Index, ...]
    prev_terms: tuple[Term, ...]
    commit_indexes: tuple[Index, ...]
    read_rounds: tuple[ReadRound, ...]


class HeartbeatResponses(NamedTuple):
    """The answers to Heartbeats, column by column: each is what `HeartbeatResponse` with these fields would be."""

    sent_ns: int
    boot_id: BootId
    groups: tuple[GroupId, ...]
    terms: tuple[Term, ...]
    read_rounds: tuple[ReadRound, ...]


class MatchedEverywhere(NamedTuple):
    """The leader tells up to which index every member of the group holds the log durably."""

    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index


class StateDigest(NamedTuple):
    """The digest of the sender's state after the entry at index: (what, hex) by name."""

    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    digest: tuple[tuple[str, str], ...]


class GroupCall(NamedTuple):
    """Ask a group's replica on the receiver, which should lead it, for something. `act` is one of `GroupAct`."""

    request_id: int
    act: int
    voters: tuple[NodeId, ...]
    learners: tuple[NodeId, ...]
    """Of CHANGE: who shall belong to the group, all of them."""
    target: NodeId | None
    """Of TRANSFER: who shall lead; None: whoever is best."""


class GroupAnswer(NamedTuple):
    """What became of a GroupCall, and how the group is afterwards, as its leader knows it."""

    request_id: int
    code: str
    """`ok`; `not_leader`, with the leader if it is known; else why it was refused."""
    leader: NodeId | None
    term: Term
    commit_index: Index
    voters: tuple[NodeId, ...]
    voters_outgoing: tuple[NodeId, ...]
    learners: tuple[NodeId, ...]
    is_settled: bool
    """The configuration is committed and not joint, and so is an entry of the leader's own term."""
    progress: tuple[tuple[NodeId, Index, str], ...]
    """Per other member: match index, and for learners how fit it is to vote (`CatchUp`)."""


class SnapshotBegin(NamedTuple):
    """The leader of `term` offers its state; said again, it asks how far the receiver is."""

    stream: int
    """Random; of one pinned state for one peer."""
    term: Term
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    index_term: Term
    configuration: Configuration
    """In force at index."""
    time_ms: int
    """Log time at index."""
    state_format: int
    """Of the keys and values: a receiver that does not know it refuses."""
    boot_id: BootId


class SnapshotChunk(NamedTuple):
    """`data` is a chunk of `raftdoc.storage.snapshot`, the sequence-th of its stream from 0."""

    stream: int
    sequence: int
    pair_count: int
    raw_bytes: int
    checksum: int
    data: bytes


class SnapshotEnd(NamedTuple):
    """All is sent. `digest`: the state digest as the sender's machine keeps it, (what, text) by name."""

    stream: int
    chunk_count: int
    digest: tuple[tuple[str, str], ...]


class SnapshotAbort(NamedTuple):
    """The sender gives its stream up."""

    stream: int


class SnapshotStatus(NamedTuple):
    """The receiver's answer: what became of the stream, and how far it is."""

    stream: int
    state: int
    """One of `StreamState`."""
    chunk_count: int
    """Written, without a gap."""
    after: bytes
    """The last key written, without its scope: where the stream goes on."""


NodeMessage: TypeAlias = (
    Forward
    | Forwarded
    | Ping
    | Pong
    | Heartbeats
    | HeartbeatResponses
    | MatchedEverywhere
    | StateDigest
    | SnapshotBegin
    | SnapshotChunk
    | SnapshotEnd
    | SnapshotAbort
    | SnapshotStatus
    | GroupCall
    | GroupAnswer
)
HandshakeMessage: TypeAlias = Hello | Challenge | Proof | Welcome | Refuse

MESSAGE_NUMBERS: Final[Mapping[int, type[tuple[Any, ...]]]] = MappingProxyType(
    {
        1: raft.VoteRequest,
        2: raft.VoteResponse,
        3: raft.AppendEntries,
        4: raft.AppendResponse,
        5: raft.HeartbeatResponse,
        6: raft.TimeoutNow,
        7: raft.ReadIndexRequest,
        8: raft.ReadIndexResponse,
        32: Forward,
        33: Forwarded,
        34: Ping,
        35: Pong,
        36: MatchedEverywhere,
        37: StateDigest,
        38: SnapshotBegin,
        39: SnapshotChunk,
        40: SnapshotEnd,
        41: SnapshotAbort,
        42: SnapshotStatus,
        43: Heartbeats,
        44: HeartbeatResponses,
        48: GroupCall,
        49: GroupAnswer,
    }
)
"""What may stand in a frame of messages. A number is never used again for something else."""

HANDSHAKE_NUMBERS: Final[Mapping[int, type[tuple[Any, ...]]]] = MappingProxyType(
    {1: Hello, 2: Challenge, 3: Proof, 4: Welcome, 5: Refuse}
)
"""What may stand in a frame of the handshake."""
