"""A backend in a dictionary, with the semantics of the real one, for one group per database and no failures of its own.

What it cannot do by itself, a test asks of it: `failures` are raised by the next calls, one each (None: that one
succeeds), `gate` holds slow calls back, `is_slow` makes reads awaitable as they are without a lease.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from raftdoc.database.indexes import IndexStatus
from raftdoc.database.requests import (
    ClusterStatus,
    DatabaseInfo,
    GroupStatus,
    JoiningNode,
    MembershipInfo,
    MemberStatus,
    OperationInfo,
    RebalancingInfo,
    RebalancingStep,
    ReplicaStatus,
    Request,
)
from raftdoc.document import DocumentId, id_key
from raftdoc.errors import (
    Conflict,
    DuplicateKey,
    InvalidRequest,
    KeyReused,
    NotFound,
    PreconditionFailed,
    RaftdocError,
    StalenessNotMet,
    UnknownOption,
)
from raftdoc.ids import CATALOG_GROUP, ClusterId, GroupId, Index, NodeId, Term, revision
from raftdoc.query.answers import Work
from raftdoc.query.context import Context
from raftdoc.query.index_definition import IndexDefinition, parse_index_definition
from raftdoc.sharding import NodeState
from raftdoc.statemachine.index_records import IndexInfo
from raftdoc.statemachine.outcome import CollectionInfo, Outcome, RequestRecord, StoredDocument

from .fake_updates import Documents, FakeUpdates
from .list_reader import ListReader

NODE = NodeId("n1")
START_MS = 1_700_000_000_000
RETENTION_MS = 24 * 3600 * 1000
KNOWN_OPTIONS = {"comment"}
STALENESS_MS = 40


@dataclass
class Collection:
    info: CollectionInfo
    documents: dict[bytes, StoredDocument] = field(default_factory=dict)
    indexes: dict[str, IndexDefinition] = field(default_factory=dict)


@dataclass
class Database:
    info: DatabaseInfo
    collections: dict[str, Collection] = field(default_factory=dict)


class FakeBackend:
    def __init__(self) -> None:
        self.node = NODE
        self.index = 0
        self.written: dict[str, Database] = {}
        self.records: dict[tuple[str | None, str], tuple[RequestRecord, RaftdocError | None]] = {}
        self.missing: list[str] = []
        self.failures: list[BaseException | None] = []
        self.gate: asyncio.Event | None = None
        self.waiting_count = 0
        """How many calls wait at the gate."""
        self.is_slow = False
        self.page_bytes_max = 1 << 20
        self.indexes: tuple[tuple[int, int], ...] | None = None
        """What answers name in the place of the one group, as if several had answered."""
        self.requests: list[Request] = []
        self.moved: dict[str, tuple[str, ...]] = {}
        """URLs of the nodes that have a database which this one has not; it knows only after the next failure."""
        updates = FakeUpdates(self._documents, self._write)
        self.patch_document = updates.patch_document
        self.change_documents = updates.change_documents
        self.write_bulk = updates.write_bulk
        self.transfers: list[tuple[GroupId, NodeId | None]] = []
        self.to_rebalance: tuple[RebalancingStep, ...] = ()
        self.nodes = {NODE: MembershipInfo(NODE, "http://127.0.0.1:8101", "127.0.0.1:7101", "here", "member", True, ())}

    def now_ns(self) -> int:
        return time.monotonic_ns()

    # Documents ------------------------------------------------------------------------------------

    def get_document(
        self, request: Request, database: str, collection: str, id: DocumentId
    ) -> StoredDocument | Awaitable[StoredDocument | None] | None:
        if self.is_slow:
            return self._get_later(request, database, collection, id)
        return self._get(request, database, collection, id)

    async def _get_later(
        self, request: Request, database: str, collection: str, id: DocumentId
    ) -> StoredDocument | None:
        await self._pass_gate()
        return self._get(request, database, collection, id)

    def _get(self, request: Request, database: str, collection: str, id: DocumentId) -> StoredDocument | None:
        self._read(request, database)
        return self._collection(database, collection).documents.get(id_key(id))

    def put_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        document: bytes,
        *,
        if_match: int | None,
        if_none_match: bool,
    ) -> Awaitable[Outcome]:
        def apply(index: Index) -> Outcome:
            documents = self._collection(database, collection, make=True).documents
            present = documents.get(id_key(id))
            is_wrong = if_match is not None and (present is None or present.revision != if_match)
            if is_wrong or (if_none_match and present is not None):
                raise PreconditionFailed(f"document {id!r} is at another revision")
            return self._store(documents, id, document, index, 0)

        return self._write(request, database, apply)

    def create_document(
        self, request: Request, database: str, collection: str, id: DocumentId, document: bytes
    ) -> Awaitable[Outcome]:
        def apply(index: Index) -> Outcome:
            documents = self._collection(database, collection, make=True).documents
            if id_key(id) in documents:
                raise DuplicateKey(f"document {id!r} exists")
            return self._store(documents, id, document, index, 0)

        return self._write(request, database, apply)

    async def create_documents(
        self,
        request: Request,
        database: str,
        collection: str,
        items: Sequence[tuple[DocumentId, bytes]],
        *,
        atomic: bool,
    ) -> list[Outcome]:
        def apply(index: Index) -> Outcome:
            documents = self._collection(database, collection, make=True).documents
            if atomic and any(id_key(id) in documents for id, _ in items):
                raise DuplicateKey("one of the documents exists")
            outcomes = [
                Outcome("duplicate_key")
                if id_key(id) in documents
                else self._store(documents, id, document, index, ordinal)
                for ordinal, (id, document) in enumerate(items)
            ]
            return Outcome("ok", data=outcomes)

        whole = await self._write(request, database, apply)
        return [outcome._replace(replayed=whole.replayed, time_ms=whole.time_ms) for outcome in whole.data]

    def delete_document(
        self, request: Request, database: str, collection: str, id: DocumentId, *, if_match: int | None
    ) -> Awaitable[Outcome]:
        def apply(index: Index) -> Outcome:
            documents = self._collection(database, collection).documents
            present = documents.get(id_key(id))
            if if_match is not None and (present is None or present.revision != if_match):
                raise PreconditionFailed(f"document {id!r} is at another revision")
            if present is None:
                raise NotFound("document", str(id))
            del documents[id_key(id)]
            return Outcome("ok")

        return self._write(request, database, apply)

    async def run_query(
        self, request: Request, database: str, collection: str, work: Work[Any], *, max_time_ms: int | None
    ) -> Any:
        await self._pass_gate()
        self._read(request, database)
        documents = self._collection(database, collection).documents
        reader = ListReader({key: document.body for key, document in documents.items()})
        *_, answer = work(reader, Context())
        return answer

    def cursor_key(self) -> bytes:
        return b"secret of the cluster"

    # The catalog ----------------------------------------------------------------------------------

    async def create_database(
        self, request: Request, name: str, options: dict[str, object]
    ) -> tuple[Outcome, DatabaseInfo]:
        _check_options(options)

        def apply(index: Index) -> Outcome:
            present = self.written.get(name)
            if present is not None and present.info.options != options:
                raise Conflict("it exists with other options")
            if present is None:
                group = GroupId(len(self.written) + 1)
                self.written[name] = Database(DatabaseInfo(name, group, self._time_ms, options, (NODE,)))
            return Outcome("ok", created=present is None)

        outcome = await self._write(request, None, apply)
        return outcome, self.written[name].info

    async def drop_database(self, request: Request, name: str) -> Outcome:
        def apply(index: Index) -> Outcome:
            self._database(name)
            del self.written[name]
            return Outcome("ok")

        return await self._write(request, None, apply)

    async def databases(self, request: Request) -> list[DatabaseInfo]:
        self._read(request, None)
        return [self.written[name].info for name in sorted(self.written)]

    async def database_info(self, request: Request, name: str) -> DatabaseInfo:
        self._read(request, None)
        return self._database(name).info

    async def create_collection(
        self, request: Request, database: str, name: str, options: dict[str, object]
    ) -> tuple[Outcome, CollectionInfo]:
        _check_options(options)

        def apply(index: Index) -> Outcome:
            present = self._database(database).collections.get(name)
            if present is not None and present.info.options != options:
                raise Conflict("it exists with other options")
            made = self._collection(database, name, make=True)
            made.info = made.info._replace(options=options)
            return Outcome("ok", created=present is None)

        outcome = await self._write(request, database, apply)
        return outcome, await self.collection_info(request, database, name)

    async def drop_collection(self, request: Request, database: str, name: str) -> Outcome:
        def apply(index: Index) -> Outcome:
            self._collection(database, name)
            del self._database(database).collections[name]
            return Outcome("ok")

        return await self._write(request, database, apply)

    async def collections(self, request: Request, database: str) -> list[CollectionInfo]:
        self._read(request, database)
        names = sorted(self._database(database).collections)
        return [await self.collection_info(request, database, name) for name in names]

    async def collection_info(self, request: Request, database: str, name: str) -> CollectionInfo:
        self._read(request, database)
        found = self._collection(database, name)
        byte_count = sum(len(document.body) for document in found.documents.values())
        return found.info._replace(document_count=len(found.documents), document_bytes=byte_count)

    # Indexes --------------------------------------------------------------------------------------

    async def create_index(
        self, request: Request, database: str, collection: str, specification: dict[str, object]
    ) -> tuple[Outcome, IndexStatus]:
        definition = parse_index_definition(specification)._replace(id=1, state="ready")

        def apply(index: Index) -> Outcome:
            indexes = self._collection(database, collection, make=True).indexes
            present = indexes.get(definition.name)
            if present is not None and not present.is_same_index(definition):
                raise Conflict("it exists with other options")
            indexes.setdefault(definition.name, definition)
            return Outcome("ok", created=present is None)

        outcome = await self._write(request, database, apply)
        return outcome, await self.get_index(request, database, collection, definition.name)

    async def list_indexes(self, request: Request, database: str, collection: str) -> list[IndexStatus]:
        self._read(request, database)
        found = self._collection(database, collection)
        infos = [IndexInfo(one, self._time_ms, len(found.documents), 0, "") for one in found.indexes.values()]
        return [IndexStatus(info, f"index-1-1-{info.definition.id}", len(found.documents)) for info in infos]

    async def get_index(self, request: Request, database: str, collection: str, name: str) -> IndexStatus:
        for status in await self.list_indexes(request, database, collection):
            if status.info.definition.name == name:
                return status
        raise NotFound("index", name)

    async def drop_index(self, request: Request, database: str, collection: str, name: str) -> Outcome:
        def apply(index: Index) -> Outcome:
            if self._collection(database, collection).indexes.pop(name, None) is None:
                raise NotFound("index", name)
            return Outcome("ok")

        return await self._write(request, database, apply)

    async def request_outcome(self, request: Request, database: str | None, key: str) -> RequestRecord:
        self._read(request, database)
        if (database, key) not in self.records:
            raise NotFound("request", key)
        return self.records[database, key][0]

    # The cluster ----------------------------------------------------------------------------------

    def elsewhere(self, database: str) -> tuple[str, ...]:
        return () if self.failures else self.moved.get(database, ())

    def cluster_status(self) -> ClusterStatus:
        groups = [(CATALOG_GROUP, None), *((d.info.group, name) for name, d in self.written.items())]
        replica = ReplicaStatus(NODE, "leader", Index(self.index))
        return ClusterStatus(
            ClusterId("fake"),
            NODE,
            (MemberStatus(NODE, "http://127.0.0.1:8101", "127.0.0.1:7101", "here", True, "member"),),
            tuple(GroupStatus(id, name, NODE, Term(1), Index(self.index), (replica,)) for id, name in groups),
            {"document_bytes_max": 1 << 20},
        )

    def readiness(self) -> list[str]:
        return self.missing

    async def transfer_leader(self, group: GroupId, target: NodeId | None) -> None:
        if group > len(self.written):
            raise NotFound("group", str(group))
        if target not in (None, NODE):
            raise InvalidRequest(f"node {target!r} is not a voter of group {group}")
        self.transfers.append((group, target))

    async def members(self, request: Request) -> list[MembershipInfo]:
        self._read(request, None)
        return [self.nodes[node] for node in sorted(self.nodes)]

    async def member(self, request: Request, node: NodeId) -> MembershipInfo:
        self._read(request, None)
        if node not in self.nodes:
            raise NotFound("node", node)
        return self.nodes[node]

    async def add_member(self, request: Request, joining: JoiningNode) -> tuple[Outcome, MembershipInfo]:
        self._take_failure()
        is_new = joining.id not in self.nodes
        if is_new:
            self.nodes[joining.id] = MembershipInfo(
                joining.id, joining.http, joining.peer, joining.host, "joining", True, ()
            )
        return Outcome("ok", created=is_new), await self.member(request, joining.id)

    async def remove_member(self, request: Request, node: NodeId) -> MembershipInfo:
        return await self._change(request, node, "leaving")

    async def drain_member(self, request: Request, node: NodeId, *, undo: bool) -> MembershipInfo:
        return await self._change(request, node, "member" if undo else "draining")

    async def rebalance(self, request: Request, *, dry_run: bool) -> RebalancingInfo:
        self._read(request, None)
        return RebalancingInfo(self.to_rebalance, None if dry_run or not self.to_rebalance else "rebalance-1")

    async def operation(self, request: Request, id: str) -> OperationInfo:
        kind, _, node = id.partition("-")
        if kind not in ("join", "drain", "remove") or node not in self.nodes:
            raise NotFound("operation", id)
        self._read(request, None)
        return OperationInfo(id, kind, "running", f"node {node} is on its way", 0, 2)

    async def _change(self, request: Request, node: NodeId, state: NodeState) -> MembershipInfo:
        changed = (await self.member(request, node))._replace(state=state)
        self.nodes[node] = changed
        return changed

    def _documents(self, database: str, collection: str, index: Index, *, make: bool = False) -> Documents:
        stored = self._collection(database, collection, make=make).documents
        ordinals = iter(range(1 << 20))

        def store(key: bytes, body: bytes) -> int:
            made = revision(index, next(ordinals))
            stored[key] = StoredDocument(made, self._time_ms, body)
            return made

        return Documents(stored, store)

    # Within ---------------------------------------------------------------------------------------

    @property
    def _time_ms(self) -> int:
        return START_MS + self.index

    def _database(self, name: str) -> Database:
        if name not in self.written:
            raise NotFound("database", name)
        return self.written[name]

    def _collection(self, database: str, name: str, *, make: bool = False) -> Collection:
        collections = self._database(database).collections
        if name not in collections:
            if not make:
                raise NotFound("collection", name)
            collections[name] = Collection(CollectionInfo(name, len(collections) + 1, self._time_ms, 0, 0, {}))
        return collections[name]

    def _store(
        self, documents: dict[bytes, StoredDocument], id: DocumentId, document: bytes, index: Index, ordinal: int
    ) -> Outcome:
        is_new = id_key(id) not in documents
        documents[id_key(id)] = StoredDocument(revision(index, ordinal), self._time_ms, document)
        return Outcome("ok", revision(index, ordinal), created=is_new)

    def _read(self, request: Request, database: str | None) -> None:
        self._take_failure()
        self.requests.append(request)
        if request.consistency == "stale":
            limit_ms = request.max_staleness_ms
            if limit_ms is not None and limit_ms < STALENESS_MS:
                raise StalenessNotMet(f"the state may be {STALENESS_MS} ms old", retry_after_ms=100)
            request.staleness_ms = STALENESS_MS
        self._note(request, database)

    def _note(self, request: Request, database: str | None) -> None:
        group = CATALOG_GROUP if database is None else self._database(database).info.group
        request.group = group
        request.indexes = ((group, Index(self.index)),)
        request.leader = NODE
        if self.indexes is not None:
            request.group = None
            request.indexes = tuple((GroupId(group), Index(index)) for group, index in self.indexes)

    def _take_failure(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure

    async def _pass_gate(self) -> None:
        if self.gate is not None:
            self.waiting_count += 1
            await self.gate.wait()
            self.waiting_count -= 1

    async def _write(self, request: Request, database: str | None, apply: Callable[[Index], Outcome]) -> Outcome:
        """Apply a write once for each idempotency key; the second time answer as the first time."""
        await self._pass_gate()
        self._take_failure()
        self.requests.append(request)
        self._note(request, database)
        key = request.idempotency
        if key is None:
            return self._apply(request, database, apply)
        scope = (database, key.key)
        if scope in self.records:
            return self._replay(scope, key.fingerprint)
        outcome, error = Outcome("ok"), None
        try:
            outcome = self._apply(request, database, apply)
        except RaftdocError as raised:
            error = raised
            outcome = Outcome(raised.code, time_ms=self._time_ms)
        record = RequestRecord(key.key, key.fingerprint, outcome, outcome.time_ms + RETENTION_MS)
        self.records[scope] = (record, error)
        if error is not None:
            raise error
        return outcome

    def _apply(self, request: Request, database: str | None, apply: Callable[[Index], Outcome]) -> Outcome:
        self.index += 1
        outcome = apply(Index(self.index))._replace(time_ms=self._time_ms)
        group = request.group
        assert group is not None
        request.indexes = ((group, Index(self.index)),)
        return outcome

    def _replay(self, scope: tuple[str | None, str], fingerprint: bytes) -> Outcome:
        record, error = self.records[scope]
        if record.fingerprint != fingerprint:
            raise KeyReused("the idempotency key was used for another request")
        if error is not None:
            error.replayed = True
            raise error
        return record.outcome._replace(replayed=True)


def _check_options(options: dict[str, object]) -> None:
    for name in options:
        if name not in KNOWN_OPTIONS:
            raise UnknownOption(f"there is no option {name!r}", pointer=f"/{name}")
