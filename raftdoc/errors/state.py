"""The state forbids it: what is missing, what is in the way, what a precondition or a key does not let happen."""

from __future__ import annotations

from typing import ClassVar, Literal

from raftdoc.errors.root import RaftdocError


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
