"""Many documents in one request: cut into commands that are in flight together, answered in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from raftdoc.database.outcomes import result_of
from raftdoc.database.reads import Reads
from raftdoc.database.requests import Request
from raftdoc.database.router import Router
from raftdoc.document import DocumentId
from raftdoc.errors import RaftdocError, TooLarge
from raftdoc.ids import GroupId, Index
from raftdoc.limits import ATOMIC_BATCH_BYTES_MAX
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.statemachine.requests import PART_MARK

Items = Sequence[tuple[DocumentId, bytes]]

CHUNK_DOCUMENTS = 128
CHUNK_BYTES = 64 * 1024
"""A bulk is cut into commands of this size, so that no entry takes longer to apply than a slice may."""
CHUNKS_IN_FLIGHT = 16


class Bulk:
    def __init__(self, router: Router, reads: Reads) -> None:
        self._router = router
        self._reads = reads

    async def create(
        self, request: Request, database: str, collection: str, items: Items, *, atomic: bool
    ) -> list[Outcome]:
        """Create documents and return one outcome each, in order.

        Without `atomic` each stands for itself; a chunk that could not be sent or was lost sight of answers
        that for each of its documents; what stops every chunk is raised. With it all are one command of at most
        8 MiB, or nothing.
        """
        replica = await self._reads.find(database, request.deadline_ns)
        if atomic:
            outcomes = await self._create_atomically(request, replica.group, database, collection, items)
        else:
            outcomes = await self._create_chunks(request, replica.group, database, collection, items)
        request.group = replica.group
        request.leader = replica.core.leader
        index = max((outcome.revision >> 20 for outcome in outcomes), default=0)
        request.indexes = ((replica.group, Index(max(index, replica.machine.applied_index))),)
        return outcomes

    async def _create_atomically(
        self, request: Request, group: GroupId, database: str, collection: str, items: Items
    ) -> list[Outcome]:
        if sum(len(document) for _, document in items) > ATOMIC_BATCH_BYTES_MAX:
            raise TooLarge("an atomic batch", limit=ATOMIC_BATCH_BYTES_MAX)
        command = commands.create_many(collection, items, atomic=True, idempotency=request.idempotency)
        outcome = await self._router.write(group, command, request.deadline_ns, has_key=request.idempotency is not None)
        return _split(outcome, items, {"database": database, "collection": collection})

    async def _create_chunks(
        self, request: Request, group: GroupId, database: str, collection: str, items: Items
    ) -> list[Outcome]:
        gate = asyncio.Semaphore(CHUNKS_IN_FLIGHT)
        names = {"database": database, "collection": collection}

        async def send(position: int, chunk: Items) -> list[Outcome] | RaftdocError:
            key = chunk_key(request.idempotency, position)
            command = commands.create_many(collection, chunk, atomic=False, idempotency=key)
            async with gate:
                try:
                    outcome = await self._router.write(group, command, request.deadline_ns, has_key=key is not None)
                    return _split(outcome, chunk, names)
                except RaftdocError as error:
                    return error

        chunks = _chunks(items)
        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(send(position, chunk)) for position, chunk in enumerate(chunks)]
        return _join(chunks, [task.result() for task in sent])


def _split(outcome: Outcome, items: Items, names: dict[str, str]) -> list[Outcome]:
    """Return one outcome per document of a create_many.

    Raises:
        DuplicateKey: of an atomic one, naming the first id that exists.
        RaftdocError: another outcome of the whole command.
    """
    if not outcome.is_ok:
        data = outcome.data
        position = data["position"] if isinstance(data, dict) else data or 0
        result_of(outcome, {**names, "document": str(items[position][0])})
    assert len(outcome.data) == len(items), (len(outcome.data), len(items))
    return [
        Outcome(code, revision, code == "ok", outcome.replayed, {"index": index[0]} if index else None, outcome.time_ms)
        for code, revision, *index in outcome.data
    ]


def _join(chunks: list[Items], results: list[list[Outcome] | RaftdocError]) -> list[Outcome]:
    """Return one outcome per document of all chunks; where no chunk has one, raise what stopped them.

    Raises:
        RaftdocError: see `error_of_all`.
    """
    errors = [result for result in results if isinstance(result, RaftdocError)]
    if len(errors) == len(results):
        raise error_of_all(errors)
    outcomes: list[Outcome] = []
    for chunk, result in zip(chunks, results, strict=True):
        outcomes += [_failed(result)] * len(chunk) if isinstance(result, RaftdocError) else result
    return outcomes


def error_of_all(errors: Sequence[RaftdocError]) -> RaftdocError:
    """Return what is true of chunks that all ended in an error: that of one which may have happened, if there is."""
    return next((error for error in errors if error.outcome == "unknown"), errors[0])


def _failed(error: RaftdocError) -> Outcome:
    return Outcome("outcome_unknown" if error.outcome == "unknown" else error.code)


def _chunks(items: Items) -> list[Items]:
    """Cut the documents of a bulk into commands."""
    cuts: list[Items] = []
    start = byte_count = 0
    for position, (_, document) in enumerate(items):
        if position > start and (position - start >= CHUNK_DOCUMENTS or byte_count + len(document) > CHUNK_BYTES):
            cuts.append(items[start:position])
            start, byte_count = position, 0
        byte_count += len(document)
    cuts.append(items[start:])
    return cuts


def chunk_key(idempotency: Idempotency | None, position: int) -> Idempotency | None:
    """Return the key of one chunk: derived, so that a retry of the whole repeats no part of it.

    The first has the caller's own key: what became of it can be looked up, and its use for something else is seen.
    """
    if idempotency is None or position == 0:
        return idempotency
    return idempotency._replace(key=f"{idempotency.key}{PART_MARK}{position}")
