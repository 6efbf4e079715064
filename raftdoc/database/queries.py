"""Queries: one read barrier, one snapshot, then slices of a millisecond; many of them at once share the loop's turns.

A query that is done within its first slice never waits. Of those that are not, one runs a slice in each turn of the
loop, in the order they came: so point reads wait for one slice, however many scans there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Final, TypeVar

from raftdoc.cluster.directory import database_machine
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.document import JsonValue
from raftdoc.errors import DeadlineExceeded
from raftdoc.limits import NS_PER_MS, SCAN_SLICE_MS
from raftdoc.node.node import Node
from raftdoc.query.answers import Work
from raftdoc.query.context import Context

Answer = TypeVar("Answer")

SLICE_NS: Final = SCAN_SLICE_MS * NS_PER_MS


class Queries:
    def __init__(self, node: Node, reads: Reads) -> None:
        self._reads = reads
        self._now_ns = node.clock.now_ns
        self._wall_ms = node.clock.wall_ms
        self._turns = asyncio.Lock()

    async def run(
        self, request: Request, database: str, collection: str, work: Work[Answer], *, max_time_ms: int | None
    ) -> Answer:
        """Return what the work answers over a collection as it is now.

        Cancelling ends the work at its next pause. One snapshot is pinned while it runs.

        Raises:
            NotFound: the database or the collection.
            DeadlineExceeded: the request's deadline or max_time_ms passed.
            InvalidQuery, InvalidCursor: whatever the work raises.
        """
        started_ns = self._now_ns()
        deadline_ns = request.deadline_ns
        if max_time_ms is not None:
            deadline_ns = min(deadline_ns, started_ns + max_time_ms * NS_PER_MS)
        replica = await self._reads.barrier(request, database)
        reader = database_machine(replica).reader()
        try:
            now: JsonValue = {"$date": {"$numberLong": str(self._wall_ms())}}
            # The moment is as good a seed as any: what is drawn has to be even, not secret.
            context = Context(now=now, seed=started_ns, reader=reader)
            with closing(work(reader.collection(collection), context)) as steps:
                return await self._finish(steps, deadline_ns)
        finally:
            reader.close()

    async def _finish(self, steps: Iterator[Answer | None], deadline_ns: int) -> Answer:
        answer = self._slice(steps, deadline_ns)
        while answer is None:
            async with self._turns:
                # The turn is kept while the loop goes round once.
                await asyncio.sleep(0)
                answer = self._slice(steps, deadline_ns)
        return answer

    def _slice(self, steps: Iterator[Answer | None], deadline_ns: int) -> Answer | None:
        """Run until there is an answer, or the slice is over.

        Raises:
            DeadlineExceeded: the time is over.
        """
        stop_ns = self._now_ns() + SLICE_NS
        for step in steps:
            if step is not None:
                return step
            now_ns = self._now_ns()
            if now_ns >= deadline_ns:
                raise DeadlineExceeded("the query took longer than it may")
            if now_ns >= stop_ns:
                return None
        raise AssertionError("work ended without an answer")
