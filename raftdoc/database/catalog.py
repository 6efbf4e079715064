"""Databases: made and dropped through the catalog, group 0."""

from __future__ import annotations

from raftdoc.cluster.directory import Directory
from raftdoc.cluster.view import ClusterView
from raftdoc.database.outcomes import applied, result_of
from raftdoc.database.requests import DatabaseInfo, Request
from raftdoc.database.router import Router
from raftdoc.errors import NotFound, UnknownOption
from raftdoc.ids import CATALOG_GROUP
from raftdoc.node.node import Node
from raftdoc.sharding import choose, first_leader
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import DatabaseRecord
from raftdoc.statemachine.outcome import Outcome


class Catalog:
    def __init__(
        self,
        node: Node,
        directory: Directory,
        router: Router,
        views: ClusterView,
        replica_count: int,
    ) -> None:
        self._node = node
        self._directory = directory
        self._router = router
        self._views = views
        self._replica_count = replica_count

    async def create(self, request: Request, name: str, options: dict[str, object]) -> tuple[Outcome, DatabaseInfo]:
        """Create a database and wait until it accepts writes; not `created` when it was there with the same options.

        Raises:
            UnknownOption: `options` has a member; there are none so far.
            Conflict: it is being dropped.
            LimitReached: the cluster has as many databases as it may.
        """
        refuse_options(options)
        await self._barrier(request)
        view = self._views.view()
        replicas = choose(view, self._replica_count) or (self._node.node,)
        command = commands.create_database(
            name,
            options,
            replicas=replicas,
            preferred_leader=first_leader(view, replicas),
            replica_count=self._replica_count,
            idempotency=request.idempotency,
        )
        outcome = await self._write(request, command, name)
        with applied():
            await self._barrier(request)
            record = self._record(name)
            await self._until_ready(record, request)
        return outcome, _info(record)

    async def drop(self, request: Request, name: str) -> Outcome:
        """Close a database to every write, then forget it. Once it is closing, others finish what fails here."""
        outcome = await self._write(request, commands.drop_database(name, idempotency=request.idempotency), name)
        with applied():
            await self._barrier(request)
            record = self._directory.catalog.databases.get(name)
            if record is not None and record.state == "closing":
                await self.finish_drop(record, request.deadline_ns)
        return outcome

    async def finish_drop(self, record: DatabaseRecord, deadline_ns: int) -> None:
        """Commit `close` in the database's own group, then take it out of the catalog. Safe to repeat."""
        # Both commands are idempotent by themselves, so that an unknown outcome may be repeated.
        try:
            if self._node.node in record.replicas:
                await self._router.hosted(record.group, deadline_ns)
            await self._router.write(record.group, commands.close_database(record.name), deadline_ns, has_key=True)
        except NotFound:
            return  # Somebody else has finished it.
        forget = commands.forget_database(record.name, record.group)
        await self._router.write(CATALOG_GROUP, forget, deadline_ns, has_key=True)

    async def list(self, request: Request) -> list[DatabaseInfo]:
        await self._barrier(request)
        records = self._directory.catalog.databases.values()
        return [_info(record) for record in sorted(records, key=lambda r: r.name) if record.state == "open"]

    async def info(self, request: Request, name: str) -> DatabaseInfo:
        await self._barrier(request)
        return _info(self._record(name))

    async def _until_ready(self, record: DatabaseRecord, request: Request) -> None:
        """Wait until a database accepts writes, here or on the nodes that have it."""
        if self._node.node in record.replicas:
            await self._router.hosted(record.group, request.deadline_ns)
            await self._router.read_barrier(record.group, request.deadline_ns)
            return
        # Nothing to sweep yet: it changes nothing, and is answered by a leader that can commit.
        await self._router.write(record.group, commands.sweep(1), request.deadline_ns, has_key=True)

    def _record(self, name: str) -> DatabaseRecord:
        record = self._directory.database(name)
        if record is None:
            raise NotFound("database", name)
        return record

    async def _barrier(self, request: Request) -> None:
        replica = await self._router.read_barrier(CATALOG_GROUP, request.deadline_ns)
        request.group = CATALOG_GROUP
        request.leader = replica.core.leader
        request.indexes = ((CATALOG_GROUP, replica.machine.applied_index),)

    async def _write(self, request: Request, command: bytes, name: str) -> Outcome:
        outcome = await self._router.write(
            CATALOG_GROUP, command, request.deadline_ns, has_key=request.idempotency is not None
        )
        return result_of(outcome, {"database": name})


def _info(record: DatabaseRecord) -> DatabaseInfo:
    return DatabaseInfo(record.name, record.group, record.created_ms, record.options, record.placement)


def refuse_options(options: dict[str, object]) -> None:
    """Refuse every option of a database or a collection: none is defined, and none is taken and ignored.

    Raises:
        UnknownOption: names the first one.
    """
    for name in options:
        raise UnknownOption(f"there is no option {name!r}", pointer=f"/{name.replace('~', '~0').replace('/', '~1')}")
