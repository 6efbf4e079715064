"""Finds the documents that an update by filter means, in slices: in the order of ids, going on behind the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final, NamedTuple

import orjson

from raftdoc.cluster.directory import database_machine
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.update_plan import Found, Plan
from raftdoc.document import id_key
from raftdoc.errors import DeadlineExceeded, PreconditionFailed
from raftdoc.node.replica import Replica
from raftdoc.statemachine.outcome import StoredDocument

SLICE_DOCUMENTS: Final = 64
SLICE_BYTES: Final = 64 * 1024
"""Looked at before the loop gets its turn."""


class Bounds(NamedTuple):
    """How much one command may take in."""

    documents: int
    document_bytes: int
    key_bytes: int


class Search:
    """The documents of one collection that a plan means."""

    def __init__(self, reads: Reads, request: Request, database: str, collection: str, plan: Plan) -> None:
        self._reads = reads
        self._request = request
        self._database = database
        self._collection = collection
        self._plan = plan

    async def first(self) -> Found | None:
        """Return the one that is meant: the first by the plan's sort, or by id; None: there is none.

        Raises:
            NotFound: there is no such collection.
            PreconditionFailed: it has not the revision that it has to have.
        """
        replica = await self._barrier()
        best: Found | None = None
        best_key = b""
        sort = self._plan.sort
        after: bytes | None = None
        while True:
            slice_, after = self._slice(replica, after)
            for found in slice_:
                if sort is None:
                    return self._checked(found)
                key = sort.total_key(found.document)
                if best is None or key < best_key:
                    best, best_key = found, key
            if after is None:
                return None if best is None else self._checked(best)
            await self._turn()

    async def next_batch(self, after: bytes | None, bounds: Bounds) -> tuple[list[Found], bytes | None]:
        """Return the next ones behind an id key, as many as the bounds allow but one at least; and where to go on.

        None: there are no more.
        """
        replica = await self._barrier()
        batch: list[Found] = []
        document_bytes = key_bytes = 0
        while True:
            slice_, following = self._slice(replica, after)
            for found in slice_:
                document_bytes += len(orjson.dumps(found.document))
                key_bytes += len(found.key)
                is_over = document_bytes > bounds.document_bytes or key_bytes > bounds.key_bytes
                if batch and (is_over or len(batch) >= bounds.documents):
                    return batch, batch[-1].key
                batch.append(found)
            if following is None:
                return batch, None
            after = following
            await self._turn()

    async def again(self, keys: list[bytes]) -> list[Found]:
        """Return those of the documents with these id keys that are still meant, as they are now."""
        replica = await self._barrier()
        return list(self._matching(replica, keys))

    async def _barrier(self) -> Replica:
        replica = await self._reads.barrier(self._request, self._database)
        database_machine(replica).collection(self._collection)
        return replica

    def _slice(self, replica: Replica, after: bytes | None) -> tuple[list[Found], bytes | None]:
        keys = self._plan.candidates()
        if keys is not None:
            left = [key for key in keys if after is None or key > after][: SLICE_DOCUMENTS + 1]
            following = left[SLICE_DOCUMENTS - 1] if len(left) > SLICE_DOCUMENTS else None
            return list(self._matching(replica, left[:SLICE_DOCUMENTS])), following
        machine = database_machine(replica)
        documents, following = machine.list_documents(
            self._collection, after=after, limit=SLICE_DOCUMENTS, bytes_max=SLICE_BYTES
        )
        return [found for stored in documents if (found := self._judge(stored)) is not None], following

    def _matching(self, replica: Replica, keys: list[bytes]) -> Iterator[Found]:
        machine = database_machine(replica)
        for key in keys:
            stored = machine.get(self._collection, key)
            if stored is not None and (found := self._judge(stored)) is not None:
                yield found

    def _judge(self, stored: StoredDocument) -> Found | None:
        document = orjson.loads(stored.body)
        return Found(id_key(document["_id"]), stored.revision, document) if self._plan.matches(document) else None

    def _checked(self, found: Found) -> Found:
        if_match = self._plan.wanted.if_match
        if if_match is not None and if_match != found.revision:
            raise PreconditionFailed("the document is not at the revision that the request names")
        return found

    async def _turn(self) -> None:
        """Let the loop turn.

        Raises:
            DeadlineExceeded: the request has no time left; nothing of what this search was for was done.
        """
        await asyncio.sleep(0)
        if self._reads.now_ns() >= self._request.deadline_ns:
            raise DeadlineExceeded("the deadline passed while the documents were looked for")
