"""The cluster seen as one database: what `api` calls, on any node.

A facade over the parts that do the work; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random
from typing import NamedTuple

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.group_calls import GroupCalls
from raftdoc.cluster.leaders import Leaders
from raftdoc.cluster.view import ClusterView
from raftdoc.database.bulk import Bulk, Items
from raftdoc.database.bulk_writes import BulkWrites
from raftdoc.database.catalog import Catalog, refuse_options
from raftdoc.database.conductor import Conductor
from raftdoc.database.index_driver import IndexDriver
from raftdoc.database.indexes import Indexes, IndexStatus
from raftdoc.database.membership import KINDS, Membership
from raftdoc.database.operations import Operations
from raftdoc.database.outcomes import applied
from raftdoc.database.queries import Queries
from raftdoc.database.reads import Reads
from raftdoc.database.rebalancing import KIND, Rebalancing
from raftdoc.database.requests import (
    ClusterStatus,
    DatabaseInfo,
    JoiningNode,
    MembershipInfo,
    OperationInfo,
    Page,
    RebalancingInfo,
    Request,
)
from raftdoc.database.router import Router
from raftdoc.database.status import Status
from raftdoc.database.steward import Steward
from raftdoc.database.surroundings import Surroundings
from raftdoc.database.update_progress import UpdateProgress
from raftdoc.database.updates import Updates
from raftdoc.database.writes import Writes
from raftdoc.document import DocumentId
from raftdoc.errors import NoLeader
from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import LIST_BYTES_MAX
from raftdoc.node.node import Node
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import NodeRecord
from raftdoc.statemachine.outcome import CollectionInfo, Outcome, RequestRecord


class Database:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        router: Router,
        catalog: Catalog,
        status: Status,
        membership: Membership,
        rebalancing: Rebalancing,
    ) -> None:
        self._node = node
        self._directory = directory
        self._catalog = catalog
        self._status = status
        self._membership = membership
        self._rebalancing = rebalancing
        self._reads = Reads(node, directory, router)
        self._writes = Writes(directory, router, self._reads)
        self._indexes = Indexes(directory, self._reads, self._writes)
        progress = UpdateProgress(directory, self._reads)
        finders = dict.fromkeys(KINDS, membership.operation)
        finders |= {"index": self._indexes.operation, "update": progress.operation, KIND: rebalancing.operation}
        self._operations = Operations(finders)
        self._bulk = Bulk(router, self._reads)
        self._queries = Queries(node, self._reads)
        self.run_query = self._queries.run
        updates = Updates(self._writes, self._reads, self._queries)
        self.patch_document = updates.patch
        self.change_documents = updates.change
        self.write_bulk = BulkWrites(self._writes).write
        self.get_document = self._reads.get
        self.put_document = self._writes.put

    @property
    def node(self) -> NodeId:
        return self._node.node

    def now_ns(self) -> int:
        """Return the clock that deadlines count on."""
        return self._node.clock.now_ns()

    @property
    def page_bytes_max(self) -> int:
        """Return how many bytes of documents a page has, about."""
        return LIST_BYTES_MAX

    # Documents ------------------------------------------------------------------------------------

    async def create_document(
        self, request: Request, database: str, collection: str, id: DocumentId, document: bytes
    ) -> Outcome:
        return await self._writes.create(request, database, collection, id, document)

    async def create_documents(
        self, request: Request, database: str, collection: str, items: Items, *, atomic: bool
    ) -> list[Outcome]:
        return await self._bulk.create(request, database, collection, items, atomic=atomic)

    async def delete_document(
        self, request: Request, database: str, collection: str, id: DocumentId, *, if_match: int | None
    ) -> Outcome:
        return await self._writes.delete(request, database, collection, id, if_match=if_match)

    async def list_documents(
        self, request: Request, database: str, collection: str, *, after: bytes | None, limit: int
    ) -> Page:
        return await self._reads.page(request, database, collection, after, limit)

    # Collections ----------------------------------------------------------------------------------

    async def create_collection(
        self, request: Request, database: str, name: str, options: dict[str, object]
    ) -> tuple[Outcome, CollectionInfo]:
        refuse_options(options)
        command = commands.create_collection(name, options, idempotency=request.idempotency)
        outcome = await self._writes.write(request, database, command, collection=name)
        request.min_index = request.indexes
        with applied():
            return outcome, await self._reads.collection(request, database, name)

    async def drop_collection(self, request: Request, database: str, name: str) -> Outcome:
        command = commands.drop_collection(name, idempotency=request.idempotency)
        return await self._writes.write(request, database, command, collection=name)

    async def collections(self, request: Request, database: str) -> list[CollectionInfo]:
        return await self._reads.collections(request, database)

    async def collection_info(self, request: Request, database: str, name: str) -> CollectionInfo:
        return await self._reads.collection(request, database, name)

    # Indexes --------------------------------------------------------------------------------------

    async def create_index(
        self, request: Request, database: str, collection: str, specification: dict[str, object]
    ) -> tuple[Outcome, IndexStatus]:
        return await self._indexes.create(request, database, collection, specification)

    async def list_indexes(self, request: Request, database: str, collection: str) -> list[IndexStatus]:
        return await self._indexes.list(request, database, collection)

    async def get_index(self, request: Request, database: str, collection: str, name: str) -> IndexStatus:
        return await self._indexes.get(request, database, collection, name)

    async def drop_index(self, request: Request, database: str, collection: str, name: str) -> Outcome:
        return await self._indexes.drop(request, database, collection, name)

    # Databases and the cluster --------------------------------------------------------------------

    async def create_database(
        self, request: Request, name: str, options: dict[str, object]
    ) -> tuple[Outcome, DatabaseInfo]:
        return await self._catalog.create(request, name, options)

    async def drop_database(self, request: Request, name: str) -> Outcome:
        return await self._catalog.drop(request, name)

    async def databases(self, request: Request) -> list[DatabaseInfo]:
        return await self._catalog.list(request)

    async def database_info(self, request: Request, name: str) -> DatabaseInfo:
        return await self._catalog.info(request, name)

    def request_outcome(self, request: Request, database: str | None, key: str) -> Awaitable[RequestRecord]:
        return self._reads.request_outcome(request, database, key)

    def elsewhere(self, database: str) -> tuple[str, ...]:
        """Return the URLs of the nodes that have a database, the best first, where this one has not; else nothing."""
        if self._directory.replica(database) is not None:
            return ()
        return self._status.urls_of(self._directory.database(database))

    def cluster_status(self) -> ClusterStatus:
        return self._status.cluster()

    def readiness(self) -> list[str]:
        return self._status.readiness()

    def cursor_key(self) -> bytes:
        """Return the cluster's secret that cursors are signed with.

        Raises:
            NoLeader: the cluster has just been started for the first time.
        """
        key = self._directory.catalog.cursor_key
        if key is None:
            raise NoLeader("the catalog is not initialised yet", retry_after_ms=200)
        return key

    # Members ----------------------------------------------------------------------------------------

    async def transfer_leader(self, group: GroupId, target: NodeId | None) -> None:
        """Begin to hand the leadership of a group over, wherever its leader is."""
        await self._membership.transfer(group, target)

    async def members(self, request: Request) -> list[MembershipInfo]:
        return await self._membership.members(request)

    async def member(self, request: Request, node: NodeId) -> MembershipInfo:
        return await self._membership.member(request, node)

    async def add_member(self, request: Request, joining: JoiningNode) -> tuple[Outcome, MembershipInfo]:
        return await self._membership.add(request, joining)

    async def remove_member(self, request: Request, node: NodeId) -> MembershipInfo:
        return await self._membership.remove(request, node)

    async def drain_member(self, request: Request, node: NodeId, *, undo: bool) -> MembershipInfo:
        return await self._membership.drain(request, node, undo=undo)

    async def rebalance(self, request: Request, *, dry_run: bool) -> RebalancingInfo:
        return await self._rebalancing.begin(request, dry_run=dry_run)

    async def operation(self, request: Request, id: str) -> OperationInfo:
        return await self._operations.get(request, id)


class Assembly(NamedTuple):
    """The database over a node, and those who look after it, which somebody has to run."""

    database: Database
    steward: Steward
    conductor: Conductor
    index_driver: IndexDriver


def assemble(
    node: Node,
    directory: Directory,
    leaders: Leaders,
    status: Status,
    me: NodeRecord,
    random: Random,
    surroundings: Surroundings,
) -> Assembly:
    """Put the database over a node together. `me` is how this node is to be registered in the catalog."""
    router = Router(node, random, directory, leaders)
    calls = GroupCalls(node, leaders, random)
    views = ClusterView(directory, leaders, status.is_alive)
    catalog = Catalog(node, directory, router, views, surroundings.replica_count)
    membership = Membership(directory, router, views, calls, surroundings.reaches, status.cluster_id)
    return Assembly(
        Database(node, directory, router, catalog, status, membership, Rebalancing(directory, router, views, calls)),
        Steward(node, directory, router, catalog, me, status.cluster_id, surroundings, random),
        Conductor(node, directory, router, views, calls, surroundings.is_connected),
        IndexDriver(node),
    )
