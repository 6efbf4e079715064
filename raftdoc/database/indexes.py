"""Indexes as a caller meets them: created, listed, dropped; and how far a build is.

What is told comes from the replicated state, so every node tells the same, and a build goes on whoever leads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from raftdoc.cluster.directory import Directory, database_machine
from raftdoc.database.outcomes import applied
from raftdoc.database.reads import Reads
from raftdoc.database.requests import OperationInfo, OperationState, Request
from raftdoc.database.writes import Writes
from raftdoc.errors import NotFound
from raftdoc.ids import GroupId
from raftdoc.query.index_definition import IndexState, parse_index_definition
from raftdoc.statemachine import commands
from raftdoc.statemachine.index_records import IndexInfo
from raftdoc.statemachine.outcome import CollectionInfo, Outcome

OPERATION = re.compile(r"index-(\d{1,9})-(\d{1,9})-(\d{1,9})", re.ASCII)
"""Id of a build: group, collection id, index id."""


class IndexStatus(NamedTuple):
    info: IndexInfo
    operation: str
    documents_total: int
    """Of the collection, as of now."""


class Indexes:
    def __init__(self, directory: Directory, reads: Reads, writes: Writes) -> None:
        self._directory = directory
        self._reads = reads
        self._writes = writes

    async def create(
        self, request: Request, database: str, collection: str, specification: Mapping[str, Any]
    ) -> tuple[Outcome, IndexStatus]:
        """Create an index; not `created` where the same one was there. It is built when its state says ready.

        Raises:
            InvalidQuery, UnknownOption: it cannot be; nothing was done.
            Conflict: the name has another index, or the index another name.
            LimitReached: the collection has as many as it may.
        """
        definition = parse_index_definition(specification)
        command = commands.create_index(collection, definition, idempotency=request.idempotency)
        outcome = await self._writes.write(request, database, command, collection=collection)
        request.min_index = request.indexes
        with applied():
            return outcome, await self.get(request, database, collection, definition.name)

    async def list(self, request: Request, database: str, collection: str) -> list[IndexStatus]:
        replica = await self._reads.barrier(request, database)
        machine = database_machine(replica)
        shown = machine.collection(collection)
        return [_status(replica.group, shown, info) for info in machine.index_infos(collection)]

    async def get(self, request: Request, database: str, collection: str, name: str) -> IndexStatus:
        for status in await self.list(request, database, collection):
            if status.info.definition.name == name:
                return status
        raise NotFound("index", name)

    async def drop(self, request: Request, database: str, collection: str, name: str) -> Outcome:
        """Drop an index at once; its entries are removed in the background."""
        command = commands.drop_index(collection, name, idempotency=request.idempotency)
        try:
            return await self._writes.write(request, database, command, collection=collection)
        except NotFound as error:
            if error.what != "index":
                raise
            named = NotFound("index", name)
            named.replayed = error.replayed
            raise named from None

    async def operation(self, request: Request, id: str) -> OperationInfo:
        """Return how far a build is.

        Raises:
            NotFound: there is no index of this operation, or not any more.
        """
        match = OPERATION.fullmatch(id)
        database = None if match is None else self._directory.database_of(GroupId(int(match[1])))
        if match is None or database is None:
            raise NotFound("operation", id)
        machine = database_machine(await self._reads.barrier(request, database))
        for collection in machine.collections():
            if collection.id == int(match[2]):
                for info in machine.index_infos(collection.name):
                    if info.definition.id == int(match[3]):
                        return _operation(id, database, collection, info)
        raise NotFound("operation", id)


def _status(group: GroupId, collection: CollectionInfo, info: IndexInfo) -> IndexStatus:
    operation = f"index-{group}-{collection.id}-{info.definition.id}"
    return IndexStatus(info, operation, collection.document_count)


def _operation(id: str, database: str, collection: CollectionInfo, info: IndexInfo) -> OperationInfo:
    definition = info.definition
    is_built = definition.state == "ready"
    states: dict[IndexState, OperationState] = {"building": "running", "ready": "done", "failed": "failed"}
    return OperationInfo(
        id=id,
        kind="build_index",
        state=states[definition.state],
        detail=info.failure or f"index {definition.name} of {database}/{collection.name} is {definition.state}",
        done=info.documents_done,
        total=info.documents_done if is_built else max(collection.document_count, info.documents_done),
    )
