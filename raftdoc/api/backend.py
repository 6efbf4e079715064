"""What the HTTP floor asks of the database under it, and nothing else: the seam between the two.

Every method that takes a Request obeys its deadline and fills in its lower half, whether it answers or raises.
Errors are those of `raftdoc.errors`; one that was recorded under an idempotency key comes with `replayed` set.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from raftdoc.database.bulk_writes import BulkItem, BulkResult
from raftdoc.database.indexes import IndexStatus
from raftdoc.database.requests import (
    ClusterStatus,
    DatabaseInfo,
    JoiningNode,
    MembershipInfo,
    OperationInfo,
    RebalancingInfo,
    Request,
)
from raftdoc.database.update_plan import Wanted
from raftdoc.database.update_task import Changed
from raftdoc.document import DocumentId, JsonValue
from raftdoc.ids import GroupId, NodeId
from raftdoc.query.answers import Work
from raftdoc.statemachine.outcome import CollectionInfo, Outcome, RequestRecord, StoredDocument
from raftdoc.statemachine.update_steps import ChangeKind, Mode

Found = TypeVar("Found")


class DocumentBackend(Protocol):
    """Documents. The bytes handed over and back are in normal form, `_id` first."""

    def get_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        /,
    ) -> StoredDocument | Awaitable[StoredDocument | None] | None:
        """Return the document, None where there is none, or an awaitable of either.

        Raises:
            NotFound: the database or the collection.
        """

    def put_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        document: bytes,
        /,
        *,
        if_match: int | None,
        if_none_match: bool,
    ) -> Awaitable[Outcome]:
        """Create or replace a document. `if_match` is a revision, `if_none_match` says: create only."""

    def create_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        document: bytes,
        /,
    ) -> Awaitable[Outcome]:
        """Create a document; one that exists is a DuplicateKey."""

    def create_documents(
        self,
        request: Request,
        database: str,
        collection: str,
        items: Sequence[tuple[DocumentId, bytes]],
        /,
        *,
        atomic: bool,
    ) -> Awaitable[list[Outcome]]:
        """Return one outcome for each item, in order: these may be not ok without an exception."""

    def delete_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        /,
        *,
        if_match: int | None,
    ) -> Awaitable[Outcome]: ...

    def patch_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        /,
        *,
        kind: ChangeKind,
        body: JsonValue,
        if_match: int | None,
        bytes_max: int,
    ) -> Awaitable[Outcome]:
        """Change one document inside the log. `body` was parsed as what `kind` says, and is portable."""

    def change_documents(
        self, request: Request, database: str, collection: str, wanted: Wanted, /
    ) -> Awaitable[Changed]:
        """Update or delete documents by filter.

        Raises:
            InvalidQuery: what is wanted cannot be understood.
            UpdateRefused: the document does not take it.
        """

    def write_bulk(
        self,
        request: Request,
        database: str,
        collection: str,
        items: Sequence[BulkItem],
        /,
        *,
        mode: Mode,
        bytes_max: int,
    ) -> Awaitable[BulkResult]:
        """Do what the items say, in commands; the results may be not ok without an exception."""


class CatalogBackend(Protocol):
    """Databases, collections and what became of a write."""

    def create_database(
        self, request: Request, name: str, options: dict[str, object], /
    ) -> Awaitable[tuple[Outcome, DatabaseInfo]]:
        """Return (what became of the write, what the database is), once it accepts writes.

        Raises:
            Conflict: it exists with other options.
            UnknownOption: of a member of `options`, with its JSON Pointer.
        """

    def drop_database(self, request: Request, name: str, /) -> Awaitable[Outcome]: ...

    def databases(self, request: Request, /) -> Awaitable[list[DatabaseInfo]]: ...

    def database_info(self, request: Request, name: str, /) -> Awaitable[DatabaseInfo]: ...

    def create_collection(
        self, request: Request, database: str, name: str, options: dict[str, object], /
    ) -> Awaitable[tuple[Outcome, CollectionInfo]]: ...

    def drop_collection(self, request: Request, database: str, name: str, /) -> Awaitable[Outcome]: ...

    def collections(self, request: Request, database: str, /) -> Awaitable[list[CollectionInfo]]: ...

    def collection_info(self, request: Request, database: str, name: str, /) -> Awaitable[CollectionInfo]: ...

    def request_outcome(self, request: Request, database: str | None, key: str, /) -> Awaitable[RequestRecord]:
        """Return what is remembered of an idempotency key of a database; None: of the catalog.

        Raises:
            NotFound: nothing.
        """


class IndexBackend(Protocol):
    """Indexes of a collection."""

    def create_index(
        self, request: Request, database: str, collection: str, specification: dict[str, object], /
    ) -> Awaitable[tuple[Outcome, IndexStatus]]:
        """Create an index; the outcome is not `created` where the same one was there.

        Raises:
            InvalidQuery, UnknownOption: it cannot be.
            Conflict: the name has another index, or the index another name.
        """

    def list_indexes(self, request: Request, database: str, collection: str, /) -> Awaitable[list[IndexStatus]]: ...

    def get_index(self, request: Request, database: str, collection: str, name: str, /) -> Awaitable[IndexStatus]: ...

    def drop_index(self, request: Request, database: str, collection: str, name: str, /) -> Awaitable[Outcome]: ...


class ClusterBackend(Protocol):
    """This node and the others."""

    @property
    def node(self) -> NodeId: ...

    def now_ns(self) -> int:
        """Return the clock that `Request.deadline_ns` counts on."""

    def elsewhere(self, database: str, /) -> Sequence[str]:
        """Return the URLs of the nodes that have a database, the best first, where this one has not; else nothing."""

    def cluster_status(self) -> ClusterStatus: ...

    def readiness(self) -> list[str]:
        """Return what is missing for this node to serve; empty: it is ready."""

    def transfer_leader(self, group: GroupId, target: NodeId | None, /) -> Awaitable[None]:
        """Begin to hand the leadership of a group over to `target`, or to the best replica.

        Raises:
            NotFound: there is no such group.
            NoLeader: it has no leader.
            InvalidRequest: `target` has no vote in it.
        """

    def members(self, request: Request, /) -> Awaitable[list[MembershipInfo]]: ...

    def member(self, request: Request, node: NodeId, /) -> Awaitable[MembershipInfo]: ...

    def add_member(self, request: Request, joining: JoiningNode, /) -> Awaitable[tuple[Outcome, MembershipInfo]]:
        """Let a node join.

        Raises:
            MembershipRefused: it is not let in; the class says why.
        """

    def remove_member(self, request: Request, node: NodeId, /) -> Awaitable[MembershipInfo]:
        """Begin to remove a node.

        Raises:
            MembershipRefused: a group would lose its majority, or another node joins or leaves.
        """

    def drain_member(self, request: Request, node: NodeId, /, *, undo: bool) -> Awaitable[MembershipInfo]:
        """Begin to move the replicas of a node elsewhere, or let it have replicas again."""

    def rebalance(self, request: Request, /, *, dry_run: bool) -> Awaitable[RebalancingInfo]:
        """Begin a rebalancing pass where there is something to do, or only say what there is."""

    def operation(self, request: Request, id: str, /) -> Awaitable[OperationInfo]:
        """Return how far an operation is.

        Raises:
            NotFound: there is no such operation.
        """


class QueryBackend(Protocol):
    """Reading of many documents."""

    @property
    def page_bytes_max(self) -> int:
        """How many bytes of documents a page has, about."""

    def run_query(
        self, request: Request, database: str, collection: str, work: Work[Found], /, *, max_time_ms: int | None
    ) -> Awaitable[Found]:
        """Return what the work answers over a collection as it is now, run in slices.

        Raises:
            NotFound: the database or the collection.
            DeadlineExceeded: of the request, or max_time_ms.
        """

    def cursor_key(self) -> bytes:
        """Return the cluster's secret that cursors are signed with: the same on every node."""

    def now_ns(self) -> int:
        """Return the clock that `Request.deadline_ns` counts on."""


class Backend(DocumentBackend, QueryBackend, CatalogBackend, IndexBackend, ClusterBackend, Protocol):
    """All of it: `database.Database` in a real node, a dictionary in the tests."""
