"""Writes: one command each, encoded once, sent to the leader of the group and answered when applied."""

from __future__ import annotations

from raftdoc.database.outcomes import result_of
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.router import Router
from raftdoc.document import DocumentId
from raftdoc.ids import Index
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome


class Writes:
    def __init__(self, router: Router, reads: Reads) -> None:
        self._router = router
        self._reads = reads

    async def put(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        document: bytes,
        *,
        if_match: int | None,
        if_none_match: bool,
    ) -> Outcome:
        """Create or replace a document (normal form, `_id` first)."""
        command = commands.put(
            collection,
            id,
            document,
            if_match=if_match,
            if_none_match=if_none_match,
            idempotency=request.idempotency,
        )
        return await self.write(request, database, command, collection=collection, document=id)

    async def create(
        self, request: Request, database: str, collection: str, id: DocumentId, document: bytes
    ) -> Outcome:
        """Create a document; an id that exists is a DuplicateKey."""
        command = commands.create(collection, id, document, idempotency=request.idempotency)
        return await self.write(request, database, command, collection=collection, document=id)

    async def delete(
        self, request: Request, database: str, collection: str, id: DocumentId, *, if_match: int | None
    ) -> Outcome:
        command = commands.delete(collection, id, if_match=if_match, idempotency=request.idempotency)
        return await self.write(request, database, command, collection=collection, document=id)

    async def write(
        self, request: Request, database: str, command: bytes, *, collection: str = "", document: DocumentId = ""
    ) -> Outcome:
        """Send one command to the database's group and return its outcome, which is ok."""
        replica = await self._reads.find(database, request.deadline_ns)
        outcome = await self._router.write(
            replica.group, command, request.deadline_ns, has_key=request.idempotency is not None
        )
        self._note(request, replica, outcome)
        if outcome.is_ok:
            return outcome
        names = {"database": database, "collection": collection, "document": str(document)}
        return result_of(outcome, names)

    def _note(self, request: Request, replica: Replica, outcome: Outcome) -> None:
        """Fill in the token: it names an index at which this write is certainly applied."""
        request.group = replica.group
        request.leader = replica.core.leader
        index = Index(max(outcome.revision >> 20, replica.machine.applied_index))
        request.indexes = ((replica.group, index),)
