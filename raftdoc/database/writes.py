"""Writes: one command each, encoded once, sent to the leader of the group and answered when applied."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeAlias

from raftdoc.cluster.directory import Directory
from raftdoc.database.outcomes import result_of, result_of_items
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.router import Router
from raftdoc.document import DocumentId
from raftdoc.ids import Index
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome

Names: TypeAlias = tuple[str, str, DocumentId, Sequence[DocumentId]]
"""Of the database, the collection and the document that a write is about, as far as it has them; and of the
documents of an atomic bulk."""


class Writes:
    def __init__(self, directory: Directory, router: Router, reads: Reads) -> None:
        self._directory = directory
        self._router = router
        self._reads = reads

    def put(
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
        """Create or replace a document (normal form, `_id` first)."""
        command = commands.put(
            collection,
            id,
            document,
            if_match=if_match,
            if_none_match=if_none_match,
            idempotency=request.idempotency,
        )
        return self.write(request, database, command, collection=collection, document=id)

    def create(
        self, request: Request, database: str, collection: str, id: DocumentId, document: bytes
    ) -> Awaitable[Outcome]:
        """Create a document; an id that exists is a DuplicateKey."""
        command = commands.create(collection, id, document, idempotency=request.idempotency)
        return self.write(request, database, command, collection=collection, document=id)

    def delete(
        self, request: Request, database: str, collection: str, id: DocumentId, *, if_match: int | None
    ) -> Awaitable[Outcome]:
        command = commands.delete(collection, id, if_match=if_match, idempotency=request.idempotency)
        return self.write(request, database, command, collection=collection, document=id)

    def write(
        self,
        request: Request,
        database: str,
        command: bytes,
        *,
        collection: str = "",
        document: DocumentId = "",
        items: Sequence[DocumentId] = (),
    ) -> Awaitable[Outcome]:
        """Send one command to the database's group; the awaitable has its outcome, which is ok."""
        names = (database, collection, document, items)
        replica = self._directory.replica(database)
        if replica is None:
            return self._write_later(request, command, names)
        return self._send(request, replica, command, names)

    async def _write_later(self, request: Request, command: bytes, names: Names) -> Outcome:
        replica = await self._reads.find(names[0], request.deadline_ns)
        return await self._send(request, replica, command, names)

    def _send(self, request: Request, replica: Replica, command: bytes, names: Names) -> asyncio.Future[Outcome]:
        return self._router.start(
            replica.group,
            command,
            request.deadline_ns,
            has_key=request.idempotency is not None,
            accept=partial(_accept, request, replica, names),
        )


def _accept(request: Request, replica: Replica, names: Names, outcome: Outcome) -> Outcome:
    """Fill in what the answer says of the state: the token names an index at which this write is certainly applied.

    Raises:
        RaftdocError: the outcome is not ok.
    """
    request.group = replica.group
    request.leader = replica.core.leader
    index = max(outcome.revision >> 20, outcome.entry_index, replica.machine.applied_index)
    # Of several writes of one request, whichever is answered last, all are included.
    before = max((index for group, index in request.indexes if group == replica.group), default=0)
    request.indexes = ((replica.group, Index(max(before, index))),)
    if outcome.is_ok:
        return outcome
    database, collection, document, items = names
    if not items:
        return result_of(outcome, {"database": database, "collection": collection, "document": str(document)})
    return result_of_items(outcome, {"database": database, "collection": collection}, items)
