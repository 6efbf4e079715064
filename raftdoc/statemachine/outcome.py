"""What apply returns for a command, and what a read returns for a document: values of msgpack's own types."""

from __future__ import annotations

from typing import Any, NamedTuple

from raftdoc.ids import Index
from raftdoc.limits import IDEMPOTENCY_RETENTION_MS

OK = "ok"
NO_INDEX = Index(0)


class Idempotency(NamedTuple):
    """The caller's name for a write. `fingerprint` is 16 bytes over all that makes the request what it is."""

    key: str
    fingerprint: bytes
    retention_ms: int = IDEMPOTENCY_RETENTION_MS
    """How long the outcome is remembered, in log time. Fixed before the proposal: nodes may be set differently."""


class Outcome(NamedTuple):
    """What became of one command. Crosses the peer link when a follower forwarded the command."""

    code: str
    """`ok`, or a code of `raftdoc.errors`."""
    revision: int = 0
    """Of the document written; 0: none was."""
    created: bool = False
    replayed: bool = False
    data: Any = None
    """What else the command answers, in msgpack's own types; its shape belongs to the command."""
    time_ms: int = 0
    """Log time of the entry that decided it."""
    entry_index: Index = NO_INDEX
    """Of the entry that decided it, where no revision says that. Noted for who waits, never by apply."""

    @property
    def is_ok(self) -> bool:
        return self.code == OK


class StoredDocument(NamedTuple):
    revision: int
    time_ms: int
    body: bytes
    """Normalised JSON, `_id` first."""


class CollectionInfo(NamedTuple):
    name: str
    id: int
    """Never reused within its database."""
    created_ms: int
    document_count: int
    document_bytes: int
    options: dict[str, Any]


class RequestRecord(NamedTuple):
    """What is remembered of an idempotency key."""

    key: str
    fingerprint: bytes
    outcome: Outcome
    expires_ms: int
    """Log time from which it may be forgotten."""
