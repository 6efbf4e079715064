"""What is said of a snapshot: values. The state itself never passes through the core.

Source: dissertation 5.1, 5.2.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from raftdoc.ids import BootId, Incarnation, Index, Term
from raftdoc.raft.settings import Configuration


class SnapshotOffer(NamedTuple):
    """A leader of `term`, in the life `boot_id`, offers its state after the entry (index, index_term)."""

    term: Term
    index: Index  # type: ignore[assignment]  # the field's word wins over tuple.index
    index_term: Term
    boot_id: BootId


class SnapshotMeta(NamedTuple):
    """What a state stands for, beside its data."""

    term: Term
    """Of the leader that sent it."""
    index: Index  # type: ignore[assignment]
    """The last entry that it contains."""
    index_term: Term
    configuration: Configuration
    """In force at index."""
    time_ms: int
    """The log time at index."""


class SnapshotVerdict(Enum):
    ACCEPT = "accept"
    OLD = "old"
    """All of it is committed here; the leader was told how far this node is."""
    KEEP = "keep"
    """Its last entry is in the log: that much is committed now, and the leader was told."""
    REFUSED = "refused"
    """It comes from a leader of an older term, or nothing may be written here."""


class LogReset(NamedTuple):
    """The log begins anew after (index, index_term); the state is in `incarnation` from then on."""

    index: Index  # type: ignore[assignment]
    index_term: Term
    configuration: Configuration
    incarnation: Incarnation
