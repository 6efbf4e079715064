"""Finds the documents that an update by filter means: through an index where one helps, in slices.

Several are always gone through in the order of their ids, whatever the index: what a retry has to know of the first
attempt is then one id. A document is judged again by what it is when its chunk is put together.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Generator, Sequence
from typing import Final, NamedTuple

import orjson

from raftdoc.cluster.directory import database_machine
from raftdoc.database.queries import Queries
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.update_plan import Found, Plan
from raftdoc.document import id_key
from raftdoc.errors import DeadlineExceeded, PreconditionFailed
from raftdoc.node.replica import Replica
from raftdoc.query.context import Context
from raftdoc.query.execute import Counters
from raftdoc.query.find import FindQuery, FoundPage, Selection, find, rows_of
from raftdoc.query.reader import DocumentReader
from raftdoc.statemachine.outcome import StoredDocument

SLICE_DOCUMENTS: Final = 64
SLICE_BYTES: Final = 64 * 1024
"""Looked at before the loop gets its turn."""
IDS_MAX: Final = 100_000
"""Kept of what an index finds; where it finds more, the collection is gone through instead."""


class Bounds(NamedTuple):
    """How much one command may take in."""

    documents: int
    document_bytes: int
    key_bytes: int


class _Ids(NamedTuple):
    keys: list[bytes] | None
    """In their order; None: all documents have to be looked at."""
    total: int


class Search:
    """The documents of one collection that a plan means."""

    def __init__(
        self, queries: Queries, reads: Reads, request: Request, database: str, collection: str, plan: Plan
    ) -> None:
        self._queries = queries
        self._reads = reads
        self._request = request
        self._database = database
        self._collection = collection
        self._plan = plan
        self._ids: _Ids | None = None
        self.total = 0
        """How many documents are gone through, about; known after the first batch."""

    async def first(self) -> Found | None:
        """Return the one that is meant: the first by the plan's sort, or any; None: there is none.

        Raises:
            NotFound: there is no such collection.
            PreconditionFailed: it has not the revision that it has to have.
        """
        query = FindQuery(filter=self._plan.filter, sort=self._plan.sort, limit=1)

        def work(reader: DocumentReader, context: Context) -> Generator[FoundPage | None, None, None]:
            yield from find(query, reader, context)

        while True:
            page = await self._queries.run(self._request, self._database, self._collection, work, max_time_ms=None)
            if not page.documents:
                return None
            key = id_key(orjson.loads(page.documents[0])["_id"])
            for found in await self.again([key]):
                return self._checked(found)
            await self.turn()

    async def next_batch(self, after: bytes | None, bounds: Bounds) -> tuple[list[Found], bytes | None]:
        """Return the next ones behind an id key, as many as the bounds allow but one at least; and where to go on.

        None: there are no more.
        """
        keys = await self._find_ids()
        replica = await self._barrier()
        batch: list[Found] = []
        document_bytes = key_bytes = 0
        while True:
            slice_, following = self._slice(replica, keys, after)
            for stored in slice_:
                found = await self._judge(stored)
                if found is None:
                    continue
                document_bytes += found.size + self._plan.change_size
                key_bytes += len(found.key)
                is_over = document_bytes > bounds.document_bytes or key_bytes > bounds.key_bytes
                if batch and (is_over or len(batch) >= bounds.documents):
                    return batch, batch[-1].key
                batch.append(found)
            if following is None:
                return batch, None
            after = following
            await self.turn()

    async def again(self, keys: Sequence[bytes]) -> list[Found]:
        """Return those of the documents with these id keys that are still meant, as they are now."""
        stored = self._stored(await self._barrier(), keys)
        return [found for each in stored if (found := await self._judge(each)) is not None]

    async def _find_ids(self) -> list[bytes] | None:
        ids = self._ids
        if ids is None:
            ids = self._ids = await self._queries.run(
                self._request, self._database, self._collection, self._id_work, max_time_ms=None
            )
            self.total = ids.total
        return ids.keys

    def _id_work(self, reader: DocumentReader, context: Context) -> Generator[_Ids | None, None, None]:
        plan, rows = rows_of(Selection(filter=self._plan.filter), reader, context, Counters())
        if plan.is_full_scan:
            yield _Ids(None, reader.document_count)
            return
        keys: list[bytes] = []
        for row in rows:
            if row is None:
                yield None
            elif len(keys) == IDS_MAX:
                yield _Ids(None, reader.document_count)
                return
            else:
                keys.append(row.position.id_key)
        yield _Ids(sorted(keys), len(keys))

    async def _barrier(self) -> Replica:
        replica = await self._reads.barrier(self._request, self._database)
        database_machine(replica).collection(self._collection)
        return replica

    def _slice(
        self, replica: Replica, keys: list[bytes] | None, after: bytes | None
    ) -> tuple[list[StoredDocument], bytes | None]:
        if keys is not None:
            start = 0 if after is None else bisect_right(keys, after)
            stop = start + SLICE_DOCUMENTS
            following = keys[stop - 1] if stop < len(keys) else None
            return self._stored(replica, keys[start:stop]), following
        machine = database_machine(replica)
        return machine.list_documents(self._collection, after=after, limit=SLICE_DOCUMENTS, bytes_max=SLICE_BYTES)

    def _stored(self, replica: Replica, keys: Sequence[bytes]) -> list[StoredDocument]:
        machine = database_machine(replica)
        return [stored for key in keys if (stored := machine.get(self._collection, key)) is not None]

    async def _judge(self, stored: StoredDocument) -> Found | None:
        document = orjson.loads(stored.body)
        is_meant = self._plan.matches(document)
        if self._plan.rest():
            await self.turn()
        if not is_meant:
            return None
        return Found(id_key(document["_id"]), stored.revision, document, len(stored.body))

    def _checked(self, found: Found) -> Found:
        if_match = self._plan.wanted.if_match
        if if_match is not None and if_match != found.revision:
            raise PreconditionFailed("the document is not at the revision that the request names")
        return found

    async def turn(self) -> None:
        """Let the loop turn.

        Raises:
            DeadlineExceeded: the request has no time left; nothing of what this search was for was done.
        """
        await asyncio.sleep(0)
        if self._reads.now_ns() >= self._request.deadline_ns:
            raise DeadlineExceeded("the deadline passed while the documents were looked for")
