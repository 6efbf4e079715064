"""Bulks of inserts, replacements, updates and deletions by id: cut into commands, answered in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from raftdoc.database.bulk import CHUNK_BYTES, CHUNKS_IN_FLIGHT, chunk_key, error_of_all
from raftdoc.database.requests import Request
from raftdoc.database.writes import Writes
from raftdoc.document import DocumentId
from raftdoc.errors import RaftdocError, TooLarge
from raftdoc.limits import ATOMIC_BATCH_BYTES_MAX
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import (
    STEPS_MAX,
    EncodedChange,
    Mode,
    Step,
    StepKind,
    StepResult,
    decode_results,
    reason_of,
)

UNKNOWN: Final = "outcome_unknown"


class BulkItem(NamedTuple):
    id: DocumentId
    step: Step
    """Its change is the position 0."""
    change: EncodedChange | None
    byte_count: int


class BulkResult(NamedTuple):
    results: list[StepResult]
    """Of each item; fewer than items where an ordered bulk stopped at the last one."""
    replayed: bool
    time_ms: int

    @property
    def is_ok(self) -> bool:
        return all(result.code == "ok" for result in self.results)


class BulkWrites:
    def __init__(self, writes: Writes) -> None:
        self._writes = writes

    async def write(
        self,
        request: Request,
        database: str,
        collection: str,
        items: Sequence[BulkItem],
        *,
        mode: Mode,
        bytes_max: int,
    ) -> BulkResult:
        """Do what the items say, and return what became of each.

        Raises:
            RaftdocError: of an atomic bulk, what refused it; else what stopped every part of it.
        """
        job = _Job(self._writes, request, database, collection, bytes_max)
        if mode == Mode.ATOMIC:
            if sum(item.byte_count for item in items) > ATOMIC_BATCH_BYTES_MAX:
                raise TooLarge("an atomic batch", limit=ATOMIC_BATCH_BYTES_MAX)
            return _joined([await job.send(0, items, mode)])
        chunks = _chunks(items)
        if mode == Mode.ORDERED:
            return _joined(await job.one_by_one(chunks))
        return _joined(await job.together(chunks))


class _Sent(NamedTuple):
    """What became of a chunk."""

    results: list[StepResult]
    outcome: Outcome | None
    error: RaftdocError | None


class _Job:
    def __init__(self, writes: Writes, request: Request, database: str, collection: str, bytes_max: int) -> None:
        self._writes = writes
        self._request = request
        self._database = database
        self._collection = collection
        self._bytes_max = bytes_max

    async def send(self, position: int, chunk: Sequence[BulkItem], mode: Mode) -> _Sent:
        steps, changes = _encoded(chunk)
        command = commands.write_many(
            self._collection,
            steps,
            changes,
            mode=mode,
            bytes_max=self._bytes_max,
            idempotency=chunk_key(self._request.idempotency, position),
        )
        ids = [item.id for item in chunk] if mode == Mode.ATOMIC else ()
        outcome = await self._writes.write(
            self._request, self._database, command, collection=self._collection, items=ids
        )
        return _Sent(decode_results(outcome.data["results"]), outcome, None)

    async def attempt(self, position: int, chunk: Sequence[BulkItem], mode: Mode) -> _Sent:
        """As `send`; an error is what became of every item of the chunk."""
        try:
            return await self.send(position, chunk, mode)
        except RaftdocError as error:
            code = UNKNOWN if error.outcome == "unknown" else error.code
            return _Sent([StepResult(code, 0, 0, reason_of(error))] * len(chunk), None, error)

    async def one_by_one(self, chunks: list[Sequence[BulkItem]]) -> list[_Sent]:
        sent = []
        for position, chunk in enumerate(chunks):
            sent.append(await self.attempt(position, chunk, Mode.ORDERED))
            if sent[-1].results[-1].code != "ok":
                break
        return sent

    async def together(self, chunks: list[Sequence[BulkItem]]) -> list[_Sent]:
        gate = asyncio.Semaphore(CHUNKS_IN_FLIGHT)

        async def pass_gate(position: int, chunk: Sequence[BulkItem]) -> _Sent:
            async with gate:
                return await self.attempt(position, chunk, Mode.UNORDERED)

        async with asyncio.TaskGroup() as tasks:
            sent = [tasks.create_task(pass_gate(position, chunk)) for position, chunk in enumerate(chunks)]
        return [task.result() for task in sent]


def _encoded(chunk: Sequence[BulkItem]) -> tuple[list[Step], list[EncodedChange]]:
    """Return the steps of a command, each with the position of its own change."""
    steps: list[Step] = []
    changes: list[EncodedChange] = []
    for item in chunk:
        step = item.step
        if item.change is not None:
            assert step[0] in (StepKind.UPDATE, StepKind.DELETE), step
            step = (*step[:3], len(changes), *step[4:])
            changes.append(item.change)
        steps.append(step)
    return steps, changes


def _chunks(items: Sequence[BulkItem]) -> list[Sequence[BulkItem]]:
    cuts: list[Sequence[BulkItem]] = []
    start = byte_count = 0
    for position, item in enumerate(items):
        if position > start and (position - start >= STEPS_MAX or byte_count + item.byte_count > CHUNK_BYTES):
            cuts.append(items[start:position])
            start, byte_count = position, 0
        byte_count += item.byte_count
    cuts.append(items[start:])
    return cuts


def _joined(sent: list[_Sent]) -> BulkResult:
    """Return the results of all chunks; where no chunk has one, raise what stopped them.

    Raises:
        RaftdocError: see `error_of_all`.
    """
    outcomes = [chunk.outcome for chunk in sent if chunk.outcome is not None]
    if not outcomes:
        raise error_of_all([chunk.error for chunk in sent if chunk.error is not None])
    return BulkResult(
        [result for chunk in sent for result in chunk.results],
        len(outcomes) == len(sent) and all(outcome.replayed for outcome in outcomes),
        max(outcome.time_ms for outcome in outcomes),
    )
