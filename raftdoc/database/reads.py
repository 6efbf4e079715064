"""Reads of documents: at once under a lease, else after one barrier; stale ones with a bound."""

from __future__ import annotations

from collections.abc import Awaitable

from raftdoc.cluster.directory import Directory, database_machine
from raftdoc.database.requests import Page, Request
from raftdoc.database.router import Router
from raftdoc.document import DocumentId, id_key
from raftdoc.errors import NotFound, StalenessNotMet
from raftdoc.ids import CATALOG_GROUP
from raftdoc.limits import LIST_BYTES_MAX
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine.outcome import CollectionInfo, RequestRecord, StoredDocument


class Reads:
    def __init__(self, node: Node, directory: Directory, router: Router) -> None:
        self._node = node
        self._directory = directory
        self._router = router
        self._now_ns = self.now_ns = node.clock.now_ns
        self.wall_ms = node.clock.wall_ms

    def get(
        self, request: Request, database: str, collection: str, id: DocumentId
    ) -> StoredDocument | Awaitable[StoredDocument | None] | None:
        """Return the document, or None; an awaitable of either where the answer needs a quorum or a wait.

        Raises:
            NotFound: the database or the collection.
        """
        replica = self._directory.replica(database)
        if replica is None or request.min_index or request.consistency != "linearizable" or not replica.is_leader:
            return self._get_later(request, database, collection, id)
        if replica.machine.applied_index < replica.core.commit_index:
            return self._get_later(request, database, collection, id)
        try:
            document = database_machine(replica).get(collection, id_key(id))
        except NotFound:
            # Whether it is missing *now* has to be confirmed like any other answer.
            return self._get_later(request, database, collection, id)
        # Safety: the lease is checked after the read, with a fresh clock; before it would prove nothing.
        if not replica.core.lease_valid(self._now_ns()):
            return self._get_later(request, database, collection, id)
        self._note(request, replica)
        return document

    async def _get_later(
        self, request: Request, database: str, collection: str, id: DocumentId
    ) -> StoredDocument | None:
        replica = await self.barrier(request, database)
        return database_machine(replica).get(collection, id_key(id))

    async def page(self, request: Request, database: str, collection: str, after: bytes | None, limit: int) -> Page:
        """Return up to limit documents in id order, those after the id key `after`."""
        replica = await self.barrier(request, database)
        documents, next_after = database_machine(replica).list_documents(
            collection, after=after, limit=limit, bytes_max=LIST_BYTES_MAX
        )
        return Page(documents, next_after)

    async def collections(self, request: Request, database: str) -> list[CollectionInfo]:
        replica = await self.barrier(request, database)
        return database_machine(replica).collections()

    async def collection(self, request: Request, database: str, name: str) -> CollectionInfo:
        replica = await self.barrier(request, database)
        return database_machine(replica).collection(name)

    async def request_outcome(self, request: Request, database: str | None, key: str) -> RequestRecord:
        """Return what became of the write with this idempotency key."""
        if database is None:
            replica = await self._router.read_barrier(CATALOG_GROUP, request.deadline_ns)
            record = self._directory.catalog.request_outcome(key)
        else:
            replica = await self.barrier(request, database)
            record = database_machine(replica).request_outcome(key)
        self._note(request, replica)
        if record is None:
            raise NotFound("request", key)
        return record

    async def barrier(self, request: Request, database: str) -> Replica:
        """Return the replica whose state answers the request at the level it asks for."""
        replica = await self.find(database, request.deadline_ns)
        for group, index in request.min_index:
            other = self._node.replicas.get(group)
            if other is not None:
                await self._node.wait_applied(other, index, request.deadline_ns)
        if request.consistency == "stale":
            self._check_staleness(request, replica)
        else:
            replica = await self._router.read_barrier(replica.group, request.deadline_ns)
        self._note(request, replica)
        return replica

    async def find(self, database: str, deadline_ns: int) -> Replica:
        """Return this node's replica of a database; a name unknown here is looked up in the catalog first.

        Raises:
            NotFound: there is no such database in the catalog as of now.
        """
        replica = self._directory.replica(database)
        if replica is not None:
            return replica
        await self._router.read_barrier(CATALOG_GROUP, deadline_ns)
        record = self._directory.database(database)
        if record is None:
            raise NotFound("database", database)
        return await self._router.hosted(record.group, deadline_ns)

    def _check_staleness(self, request: Request, replica: Replica) -> None:
        staleness_ms = self._node.staleness.staleness_ms(replica, self._now_ns())
        limit_ms = request.max_staleness_ms
        if limit_ms is not None and (staleness_ms is None or staleness_ms > limit_ms):
            known = "not known" if staleness_ms is None else f"{staleness_ms} ms"
            raise StalenessNotMet(f"this node's data may be older than {limit_ms} ms: {known}", retry_after_ms=100)
        request.staleness_ms = staleness_ms

    def _note(self, request: Request, replica: Replica) -> None:
        request.group = replica.group
        request.leader = replica.core.leader
        request.indexes = ((replica.group, replica.machine.applied_index),)
