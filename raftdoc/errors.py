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

from typing import ClassVar, Final, Literal

from raftdoc.ids import GroupId, Index, NodeId

OutcomeKind = Literal["applied", "not_applied", "unknown"]


class RaftdocError(Exception):
    """The root of the tree. `pointer` is a JSON Pointer to the fault where there is one."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, pointer: str | None = None, outcome: OutcomeKind = "not_applied") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.outcome: OutcomeKind = outcome
        self.replayed = False
        """Whether it was recorded under an idempotency key, and this is the second answer."""


class InvalidRequest(RaftdocError):
    code = "invalid_request"
    title = "The request is not valid"


class MalformedJson(InvalidRequest):
    code = "malformed_json"
    title = "The body is not valid JSON"


class InvalidDocument(InvalidRequest):
    code = "invalid_document"
    title = "The body is JSON but not a document"


class NotIndexable(InvalidDocument):
    """The document cannot be in `index`: a key over its limit, too many entries, or arrays in parallel."""

    code = "not_indexable"
    title = "An index of the collection cannot take the document"

    def __init__(self, detail: str, *, index: str = "", mongo_code: int = 0) -> None:
        super().__init__(detail)
        self.index = index
        self.mongo_code = mongo_code


class InvalidId(InvalidRequest):
    code = "invalid_id"
    title = "The document id is not valid"


class InvalidName(InvalidRequest):
    code = "invalid_name"
    title = "The name is not valid"


class UnknownOption(InvalidRequest):
    code = "unknown_option"
    title = "The request has an option that nothing reads"


class InvalidCursor(InvalidRequest):
    code = "invalid_cursor"
    title = "The cursor was not made by this query of this cluster"


class InvalidQuery(InvalidRequest):
    """A fault in a filter, projection, update, pipeline or expression, or a value that an operator cannot take.

    `pointer` is where it stands in the request; `mongo_code` is the number that the dialect gives this fault.
    """

    code = "invalid_query"
    title = "The query is not valid"

    def __init__(self, detail: str, *, pointer: str, mongo_code: int) -> None:
        super().__init__(detail, pointer=pointer)
        self.mongo_code = mongo_code


class UpdateRefused(InvalidQuery):
    code = "update_refused"
    title = "The update cannot be done to this document"


class InvalidPatch(InvalidRequest):
    code = "invalid_patch"
    title = "The body is no patch"


class QueryOverBudget(InvalidQuery):
    """The query would do more than its own bounds or those of the system allow: narrow it, or give it an index."""

    code = "query_over_budget"
    title = "The query does more than it may"


class IndexRequired(InvalidQuery):
    """The query asked to be refused rather than to read the whole collection."""

    code = "index_required"
    title = "No index can answer the query"


class KeyAhead(InvalidRequest):
    code = "key_ahead"
    title = "The time in the idempotency key is too far ahead"


class UnsupportedMediaType(InvalidRequest):
    code = "unsupported_media_type"
    title = "The media type is not supported here"
    accept_patch: tuple[str, ...] = ()


class TooLarge(InvalidRequest):
    code = "too_large"
    title = "The request is over a limit"

    def __init__(self, what: str, *, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{what} is over the limit of {limit} {unit}")
        self.limit = limit


class HeadersTooLarge(TooLarge):
    code = "headers_too_large"
    title = "The request line or the header fields are over a limit"


class InvalidLine(InvalidRequest):
    """Line `line`, counted from 1, of an NDJSON body has the fault `cause`; no line was applied."""

    code = "invalid_line"
    title = "A line of the body is not valid"

    def __init__(self, line: int, cause: RaftdocError) -> None:
        super().__init__(f"line {line}: {cause.detail}", pointer=cause.pointer)
        self.line = line
        self.cause = cause


class MalformedHttp(InvalidRequest):
    code = "malformed_http"
    title = "This is not a valid HTTP/1.1 request"


class MethodNotAllowed(InvalidRequest):
    code = "method_not_allowed"
    title = "The resource does not have this method"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is not one of {', '.join(allowed)}")
        self.allowed = allowed


class NotAcceptable(InvalidRequest):
    code = "not_acceptable"
    title = "The resource has no representation that the request accepts"

    def __init__(self, available: tuple[str, ...]) -> None:
        super().__init__(f"Accept has to allow one of {', '.join(available)}")
        self.available = available


class UnsupportedExpectation(InvalidRequest):
    code = "unsupported_expectation"
    title = "The expectation cannot be met"


class NotFound(RaftdocError):
    """What is missing decides the code: `database_not_found`, `document_not_found`, ..."""

    title = "Not found"

    def __init__(
        self,
        what: Literal["database", "collection", "document", "index", "node", "operation", "request", "group", "path"],
        name: str,
    ) -> None:
        super().__init__(f"there is no {what} {name!r}")
        self.what = what
        self.name = name

    @property
    def code(self) -> str:  # type: ignore[override]
        return f"{self.what}_not_found"


class Conflict(RaftdocError):
    code = "conflict"
    title = "The state of the resource forbids this"


class PatchConflict(Conflict):
    code = "patch_conflict"
    title = "The patch does not fit the document"


class DuplicateKey(Conflict):
    """`index` is the unique index, None for the _id; `key` is JSON: the indexed values by path."""

    code = "duplicate_key"
    title = "A document with this key exists"
    mongo_code: ClassVar[int] = 11000

    def __init__(self, detail: str, *, index: str | None = None, key: str | None = None) -> None:
        super().__init__(detail)
        self.index = index
        self.key = key


class MembershipRefused(Conflict):
    """A change of the cluster's members that is not made; nothing was changed."""

    code = "membership_refused"
    title = "The members of the cluster are not changed"


class OtherCluster(MembershipRefused):
    code = "other_cluster"
    title = "The node belongs to another cluster"


class NodeIdUsed(MembershipRefused):
    code = "node_id_used"
    title = "The id is, or was, another node's"


class NodeUnreachable(MembershipRefused):
    code = "node_unreachable"
    title = "The node does not answer at its address"
    retryable = True


class QuorumAtRisk(MembershipRefused):
    code = "quorum_at_risk"
    title = "A group would be left without a living majority"


class ChangePending(MembershipRefused):
    code = "change_pending"
    title = "Another change of the members is under way"
    retryable = True


class LimitReached(Conflict):
    code = "limit_reached"
    title = "A limit of the cluster is reached"


class PreconditionFailed(RaftdocError):
    code = "precondition_failed"
    title = "The precondition does not hold"


class KeyReused(RaftdocError):
    code = "key_reused"
    title = "The idempotency key was used for another request"


class KeyExpired(RaftdocError):
    code = "key_expired"
    title = "The idempotency key is older than what is remembered"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, outcome="unknown")


class Unavailable(RaftdocError):
    """Nothing was done; the same request may succeed after `retry_after_ms`."""

    code = "unavailable"
    title = "Not available now"
    retryable = True

    def __init__(self, detail: str, *, retry_after_ms: int = 1000) -> None:
        super().__init__(detail)
        self.retry_after_ms = retry_after_ms


class NotLeader(Unavailable):
    code = "not_leader"
    title = "This node does not lead the group"

    def __init__(self, group: GroupId, leader: NodeId | None) -> None:
        super().__init__(f"this node does not lead group {group}; leader: {leader or 'not known'}", retry_after_ms=100)
        self.group = group
        self.leader = leader


class NoLeader(Unavailable):
    code = "no_leader"
    title = "The group has no leader now"


class NotHosted(Unavailable):
    """This node has no replica of the group; `hosts` have, as far as it knows."""

    code = "not_hosted"
    title = "The data is on other nodes"

    def __init__(self, group: GroupId, hosts: tuple[NodeId, ...]) -> None:
        super().__init__(f"this node has no replica of group {group}; ask {', '.join(hosts)}", retry_after_ms=100)
        self.group = group
        self.hosts = hosts


class OverBudget(Unavailable):
    code = "over_budget"
    title = "Too much work is waiting"


class Draining(Unavailable):
    code = "draining"
    title = "This node is stopping"


class NotReady(Unavailable):
    code = "not_ready"
    title = "This node is not ready to serve"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


class StalenessNotMet(Unavailable):
    code = "staleness_not_met"
    title = "This node's data may be older than asked for"


class DeadlineExceeded(RaftdocError):
    code = "deadline_exceeded"
    title = "The deadline passed"
    retryable = True


class OutcomeUnknown(RaftdocError):
    code = "outcome_unknown"
    title = "What became of the write is not known"
    retryable = True

    def __init__(self, detail: str) -> None:
        super().__init__(detail, outcome="unknown")


class DiskFull(RaftdocError):
    code = "disk_full"
    title = "The disk is full"
    retryable = True


class Compacted(RaftdocError):
    code = "compacted"
    title = "Older than what is kept"

    def __init__(self, index: Index, first: Index) -> None:
        super().__init__(f"index {index} is compacted; the first kept is {first}")
        self.index = index
        self.first = first


class Fatal(RaftdocError):
    """The node stops: going on could lose or invent data."""

    code = "fatal"
    title = "The node must stop"


class LogCorrupt(Fatal):
    code = "log_corrupt"
    title = "The Raft log is damaged"

    def __init__(self, file: str, offset: int, detail: str) -> None:
        super().__init__(f"{file} at offset {offset}: {detail}")
        self.file = file
        self.offset = offset


class StateCorrupt(Fatal):
    code = "state_corrupt"
    title = "The stored state is damaged"


class DiskFailed(Fatal):
    code = "disk_failed"
    title = "A write to the disk failed"


class WrongCluster(Fatal):
    code = "wrong_cluster"
    title = "The peer or the data belongs to another cluster"


class WrongStore(Fatal):
    code = "wrong_store"
    title = "This node id belongs to another data directory"


class DataDirectoryLocked(Fatal):
    code = "data_directory_locked"
    title = "Another process uses the data directory"


class FormatTooNew(Fatal):
    code = "format_too_new"
    title = "The data directory was written by a newer version"


class NodeRemoved(Fatal):
    code = "node_removed"
    title = "This node was removed from its cluster"


class JoinRefused(Fatal):
    code = "join_refused"
    title = "The cluster does not let this node join"


class InvalidSettings(Fatal):
    """Carries every fault found, one sentence each: an operator mends them all at once."""

    code = "invalid_settings"
    title = "The settings are not valid"

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _catalogue() -> dict[str, type[RaftdocError]]:
    classes = [RaftdocError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    return {cls.code: cls for cls in classes if isinstance(cls.code, str)}


CATALOGUE: Final = _catalogue()
"""Every class by its code, but NotFound, whose code depends on what is missing."""
