"""Every error that a caller may see, in one tree.

    RaftdocError
    ├── InvalidRequest                  400  the caller's fault; nothing was done
    │   ├── MalformedJson               400  names line and column, or the offending value
    │   ├── InvalidDocument             422  JSON, but no document: root, depth, reserved names
    │   │   └── NotIndexable            422  an index of the collection cannot take it; carries which
    │   ├── InvalidId · InvalidName · InvalidPatch  400
    │   ├── UnknownOption               400  query parameter or member that nothing reads
    │   ├── InvalidCursor               400
    │   ├── InvalidQuery                400  filter, update, pipeline, ...; carries the dialect's number
    │   │   ├── QueryOverBudget         400  max_docs_examined, memory of a sort
    │   │   ├── IndexRequired           400  require_index
    │   │   └── UpdateRefused           422  the document that is there does not take the update
    │   ├── KeyAhead                    400  an idempotency key with a time in the future
    │   ├── TooLarge                    413  carries the limit
    │   │   └── HeadersTooLarge         431  request line or header fields
    │   ├── InvalidLine                 400  of NDJSON; carries its number and its fault
    │   ├── MalformedHttp               400  no HTTP/1.1 request
    │   ├── MethodNotAllowed            405  carries those that are
    │   ├── NotAcceptable               406  carries the media types there are
    │   ├── UnsupportedMediaType        415
    │   └── UnsupportedExpectation      417
    ├── NotFound                        404  database, collection, document, request, group, node
    ├── Conflict                        409  document, database options
    │   ├── PatchConflict               409  a JSON Patch whose test fails or whose place is missing
    │   ├── DuplicateKey                409  _id, or a unique index; carries which, and the key
    │   └── MembershipRefused           409  a change of the members that is not made
    │       ├── OtherCluster · NodeIdUsed · NodeUnreachable
    │       └── QuorumAtRisk · ChangePending
    ├── PreconditionFailed              412  If-Match, If-None-Match
    ├── KeyReused · KeyExpired          422  idempotency keys
    ├── LimitReached                    409  a documented bound of the catalog
    ├── Unavailable                     503  retryable; nothing was done
    │   ├── NotLeader                        carries the leader if known
    │   ├── NoLeader
    │   ├── NotHosted                        carries who has a replica
    │   ├── OverBudget                       carries which budget
    │   ├── Draining
    │   ├── NotReady                         carries what is missing
    │   └── StalenessNotMet
    ├── DeadlineExceeded                504  outcome says whether a write may have happened
    ├── OutcomeUnknown                  503  sent, then lost sight of: the same idempotency key is safe
    ├── DiskFull                        507
    ├── Compacted                       410  an index below the first that is kept
    └── Fatal                            --  the node must stop: see server/crash
        ├── LogCorrupt · StateCorrupt · DiskFailed
        ├── WrongCluster · WrongStore · DataDirectoryLocked · FormatTooNew · InvalidSettings
        └── NodeRemoved · JoinRefused

`code` is stable and part of the HTTP contract; `retryable` says that the same request may succeed
later; `outcome` says what became of a write: `applied`, `not_applied` or `unknown`, and is never
wrong. Data are attributes; messages are built here, so that they read alike everywhere.
"""

from __future__ import annotations

from typing import Final

from raftdoc.errors.availability import (
    NOT_NOW,
    Compacted,
    DeadlineExceeded,
    DiskFull,
    Draining,
    NoLeader,
    NotHosted,
    NotLeader,
    NotReady,
    OutcomeUnknown,
    OverBudget,
    StalenessNotMet,
    Unavailable,
)
from raftdoc.errors.fatal import (
    DataDirectoryLocked,
    DiskFailed,
    Fatal,
    FormatTooNew,
    InvalidSettings,
    JoinRefused,
    LogCorrupt,
    NodeRemoved,
    StateCorrupt,
    WrongCluster,
    WrongStore,
)
from raftdoc.errors.requests import (
    HeadersTooLarge,
    IndexRequired,
    InvalidCursor,
    InvalidDocument,
    InvalidId,
    InvalidLine,
    InvalidName,
    InvalidPatch,
    InvalidQuery,
    InvalidRequest,
    KeyAhead,
    MalformedHttp,
    MalformedJson,
    MethodNotAllowed,
    NotAcceptable,
    NotIndexable,
    QueryOverBudget,
    TooLarge,
    UnknownOption,
    UnsupportedExpectation,
    UnsupportedMediaType,
    UpdateRefused,
)
from raftdoc.errors.root import (
    OutcomeKind,
    RaftdocError,
)
from raftdoc.errors.state import (
    ChangePending,
    Conflict,
    DuplicateKey,
    KeyExpired,
    KeyReused,
    LimitReached,
    MembershipRefused,
    NodeIdUsed,
    NodeUnreachable,
    NotFound,
    OtherCluster,
    PatchConflict,
    PreconditionFailed,
    QuorumAtRisk,
)

__all__ = [
    "CATALOGUE",
    "NOT_NOW",
    "ChangePending",
    "Compacted",
    "Conflict",
    "DataDirectoryLocked",
    "DeadlineExceeded",
    "DiskFailed",
    "DiskFull",
    "Draining",
    "DuplicateKey",
    "Fatal",
    "FormatTooNew",
    "HeadersTooLarge",
    "IndexRequired",
    "InvalidCursor",
    "InvalidDocument",
    "InvalidId",
    "InvalidLine",
    "InvalidName",
    "InvalidPatch",
    "InvalidQuery",
    "InvalidRequest",
    "InvalidSettings",
    "JoinRefused",
    "KeyAhead",
    "KeyExpired",
    "KeyReused",
    "LimitReached",
    "LogCorrupt",
    "MalformedHttp",
    "MalformedJson",
    "MembershipRefused",
    "MethodNotAllowed",
    "NoLeader",
    "NodeIdUsed",
    "NodeRemoved",
    "NodeUnreachable",
    "NotAcceptable",
    "NotFound",
    "NotHosted",
    "NotIndexable",
    "NotLeader",
    "NotReady",
    "OtherCluster",
    "OutcomeKind",
    "OutcomeUnknown",
    "OverBudget",
    "PatchConflict",
    "PreconditionFailed",
    "QueryOverBudget",
    "QuorumAtRisk",
    "RaftdocError",
    "StalenessNotMet",
    "StateCorrupt",
    "TooLarge",
    "Unavailable",
    "UnknownOption",
    "UnsupportedExpectation",
    "UnsupportedMediaType",
    "UpdateRefused",
    "WrongCluster",
    "WrongStore",
]


def _catalogue() -> dict[str, type[RaftdocError]]:
    classes = [RaftdocError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    return {cls.code: cls for cls in classes if isinstance(cls.code, str)}


CATALOGUE: Final = _catalogue()
"""Every class by its code, but NotFound, whose code depends on what is missing."""
