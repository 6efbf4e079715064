"""What Raft nodes say to each other, and the entries they replicate.

All are NamedTuples of msgpack's own types (int, bool, str, bytes, None, tuples of these), so that the
codec can send them as arrays without looking inside. `term` is always first. A request carries the
sender's boot_id; its response echoes it, and a response whose boot_id is not that of the receiver's
present life is dropped by the receiver.

Source: dissertation figure 3.1 (AppendEntries, RequestVote), 9.6 (pre-vote), 3.10 (TimeoutNow), 6.4 (ReadIndex).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from raftdoc.ids import BootId, Index, NodeId, Term


class EntryKind(IntEnum):
    NOOP = 0
    COMMANDS = 1
    CONFIGURATION = 2


class Entry(NamedTuple):
    """One slot of the log. `payload` of COMMANDS is a msgpack array of commands; core and log never look inside."""

    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    term: Term
    kind: int
    time_ms: int
    """log_time: milliseconds since 1970 by the leader's clock, never less than the entry before."""
    payload: bytes


class HardState(NamedTuple):
    """What must be durable before a node speaks of it. `commit` is a hint, clamped at recovery."""

    term: Term = Term(0)
    vote: NodeId | None = None
    commit: Index = Index(0)


class VoteRequest(NamedTuple):
    """`pre` asks whether a campaign for `term` would succeed, and changes nobody's term."""

    term: Term
    last_index: Index
    last_term: Term
    commit_index: Index
    commit_term: Term
    pre: bool
    forced: bool
    """A transfer's campaign: voters do not refuse for the sake of a living leader."""
    boot_id: BootId


class VoteResponse(NamedTuple):
    term: Term
    granted: bool
    pre: bool
    commit_index: Index
    commit_term: Term
    boot_id: BootId


class AppendEntries(NamedTuple):
    """Replication and heartbeat in one.

    `sent_ns` is the leader's clock, read before the frame was built, echoed in the response: the lease
    counts from it. `read_round` is the newest round of ReadIndex that this message may confirm.
    """

    term: Term
    prev_index: Index
    prev_term: Term
    commit_index: Index
    entries: tuple[Entry, ...]
    sent_ns: int
    read_round: int
    boot_id: BootId


class AppendResponse(NamedTuple):
    """Success: `match_index` is durable here and equal to the leader's log.

    Refusal: `conflict_index` is the last index at which the logs may agree, `conflict_term` this log's term there:
    both sides skip whole terms (dissertation 3.5, last part). To a message of an older term all is 0 but `term`: the
    sender may lead this term too, and must not take it for an answer to what it sends now.
    """

    term: Term
    success: bool
    match_index: Index
    prev_index: Index
    conflict_term: Term
    conflict_index: Index
    last_index: Index
    sent_ns: int
    read_round: int
    boot_id: BootId


class HeartbeatResponse(NamedTuple):
    """Sent at once, before anything is durable: it acknowledges the leader, not its entries.

    This is what renews lease and read rounds, so that a slow disk of a follower costs no lease.
    """

    term: Term
    sent_ns: int
    read_round: int
    boot_id: BootId


class TimeoutNow(NamedTuple):
    """The leader asks a follower to campaign at once for term + 1."""

    term: Term
    boot_id: BootId


class ReadIndexRequest(NamedTuple):
    """A follower asks for the index that a linearizable read has to wait for. `context` is the asker's own number."""

    term: Term
    context: int
    boot_id: BootId


class ReadIndexResponse(NamedTuple):
    """`read_index` 0: refused (not the leader, or it stepped down); ask again."""

    term: Term
    context: int
    read_index: Index
    boot_id: BootId


Message: TypeAlias = (
    VoteRequest
    | VoteResponse
    | AppendEntries
    | AppendResponse
    | HeartbeatResponse
    | TimeoutNow
    | ReadIndexRequest
    | ReadIndexResponse
)
