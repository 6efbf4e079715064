"""One update or deletion by filter under way: the commands it sends, and what it makes of their outcomes.

What each command answers is told by its outcome alone, never by what was meant to be sent: under an idempotency key
the outcome may be that of an earlier attempt, which found other documents.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from raftdoc.database.bulk import chunk_key
from raftdoc.database.outcomes import error_of
from raftdoc.database.requests import Request
from raftdoc.database.update_plan import Found, Plan
from raftdoc.database.update_progress import Resume, missed, operation_id, resume_of
from raftdoc.database.update_search import Bounds, Search
from raftdoc.database.writes import Writes
from raftdoc.document import DocumentId, decode_key, id_key
from raftdoc.errors import DuplicateKey, NotFound, PreconditionFailed, RaftdocError, TooLarge
from raftdoc.limits import ATOMIC_BATCH_BYTES_MAX
from raftdoc.statemachine import commands, update_steps
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.update_steps import (
    ATOMIC_STEPS_MAX,
    MISSED,
    STEPS_MAX,
    Aim,
    Flag,
    Mode,
    Step,
    StepResult,
    decode_results,
)

CHUNK_BYTES: Final = 256 * 1024
CHUNK_KEY_BYTES: Final = 16 * 1024
CHUNK: Final = Bounds(STEPS_MAX, CHUNK_BYTES, CHUNK_KEY_BYTES)
"""An entry that holds one is applied in one go, and its answer names the keys."""
ATOMIC: Final = Bounds(ATOMIC_STEPS_MAX, ATOMIC_BATCH_BYTES_MAX, ATOMIC_BATCH_BYTES_MAX)
ERRORS_SHOWN_MAX: Final = 16
PAUSE_STEPS: Final = 64
"""Made before the loop gets its turn."""


class RefusedUpdate(NamedTuple):
    """A document of many that did not take the update."""

    id: DocumentId
    error: RaftdocError


@dataclass(slots=True)
class Changed:
    """What became of an update or a deletion."""

    matched: int = 0
    modified: int = 0
    """Of a deletion: deleted."""
    upserted_id: DocumentId | None = None
    document: bytes | None = None
    """What a find-and-modify shows."""
    revision: int = 0
    refused: int = 0
    errors: list[RefusedUpdate] = field(default_factory=list)
    """The first of them."""
    replayed: bool = True
    time_ms: int = 0
    operation: str | None = None
    """Of an update in chunks under a key: what tells how far it is."""

    def note(self, outcome: Outcome) -> None:
        """Take in what is the same for all of one outcome: one that is no replay makes the whole none."""
        self.replayed = self.replayed and outcome.replayed
        self.time_ms = max(self.time_ms, outcome.time_ms)
        self.revision = max(self.revision, outcome.revision)


class UpdateTask:
    """One update under way."""

    def __init__(
        self, writes: Writes, search: Search, request: Request, database: str, collection: str, plan: Plan
    ) -> None:
        self._writes = writes
        self._request = request
        self._database = database
        self._collection = collection
        self._plan = plan
        self._search = search
        self._number = 0
        """Of the next command: its idempotency key is derived with it."""
        self._changed = Changed()

    # One document ---------------------------------------------------------------------------------

    async def change_one(self) -> Changed:
        step = self._plan.by_id_step()
        if step is not None:
            return await self._modify(step, aim=Aim.FILTERED)
        while True:
            found = await self._first()
            try:
                if found is not None:
                    return await self._modify(self._plan.step(found), aim=Aim.FOUND)
                if self._plan.wanted.upsert:
                    step, _ = self._plan.upsert_step()
                    return await self._modify(step, aim=Aim.FOUND)
                named = self._plan.wanted.named
                return await (self._record_nothing() if named is None else self._refuse_absent(named))
            except PreconditionFailed:
                # Another write came between: look again. What the caller demands is checked by the search.
                continue
            except DuplicateKey as error:
                if error.index is not None or found is not None:
                    raise

    async def _first(self) -> Found | None:
        try:
            return await self._search.first()
        except NotFound:
            if not self._plan.wanted.upsert:
                raise
            return None

    async def _modify(self, step: Step, *, aim: Aim) -> Changed:
        wanted = self._plan.wanted
        command = commands.modify(
            self._collection,
            step,
            self._plan.changes(),
            answer=wanted.answer,
            bytes_max=wanted.bytes_max,
            aim=aim,
            idempotency=self._request.idempotency,
        )
        changed = self._changed
        outcome = await self._write(command)
        changed.note(outcome)
        data = outcome.data
        if "results" in data:
            # Nothing was matched, now or by a first attempt.
            return changed
        changed.document = data["document"]
        changed.modified = int(data["modified"])
        if outcome.created:
            changed.upserted_id = orjson.loads(data["id"])
        else:
            changed.matched = 1
        return changed

    async def _refuse_absent(self, named: DocumentId) -> Changed:
        """Say, inside the log, that the document which the caller named is not there.

        Raises:
            NotFound: so it is.
        """
        return await self._modify(update_steps.delete(id_key(named), expected=0), aim=Aim.ABSENT)

    async def _record_nothing(self) -> Changed:
        """Say that there is no such document: under a key that has to be remembered, as any other outcome."""
        key = self._request.idempotency
        if key is None:
            self._changed.replayed = False
            return self._changed
        command = commands.write_many(self._collection, [], mode=Mode.UNORDERED, idempotency=key)
        outcome = await self._write(command)
        changed = self._changed
        changed.note(outcome)
        if "results" not in outcome.data:
            # A first attempt found one.
            changed.document = outcome.data["document"]
            changed.modified, changed.matched = int(outcome.data["modified"]), int(not outcome.created)
            changed.upserted_id = orjson.loads(outcome.data["id"]) if outcome.created else None
        return changed

    # Many documents -------------------------------------------------------------------------------

    async def change_chunks(self) -> Changed:
        changed = self._changed
        resume = Resume()
        left: list[bytes] = []
        try:
            while left or not resume.is_last:
                resume, left = await self._change_chunk(resume, left)
            if self._plan.wanted.upsert and not changed.matched and not changed.upserted_id and not changed.refused:
                await self._upsert()
        except RaftdocError as error:
            if changed.modified:
                error.outcome = "unknown"
                error.detail += f"; {changed.modified} documents were changed before; the same idempotency key goes on"
            raise
        if changed.refused and not changed.modified:
            raise changed.errors[0].error
        if self._request.idempotency is not None and self._request.group is not None:
            changed.operation = operation_id(self._request.group, self._request.idempotency.key)
        return changed

    async def _change_chunk(self, before: Resume, left: list[bytes]) -> tuple[Resume, list[bytes]]:
        """Do one chunk; return how far the whole is, and which documents have to be looked at again."""
        if left:
            found, after, is_last = await self._search.again(left), before.after, before.is_last
        else:
            found, after = await self._batch(before.after)
            is_last = after is None
        steps, kept = await self._steps(found)
        key = self._next_key()
        resume = Resume(
            after,
            is_last,
            tuple([each.key for each in kept]),
            modified=self._changed.modified,
            total=self._search.total,
        )
        if not steps and key is None:
            return resume, []
        command = commands.write_many(
            self._collection,
            steps,
            self._plan.changes(),
            mode=Mode.UNORDERED,
            resume=resume.encode(),
            bytes_max=self._plan.wanted.bytes_max,
            idempotency=key,
        )
        outcome = await self._write(command)
        resume = resume_of(outcome)
        return resume, self._take_in(outcome, resume)

    async def _batch(self, after: bytes | None) -> tuple[list[Found], bytes | None]:
        try:
            return await self._search.next_batch(after, CHUNK)
        except NotFound:
            if not self._plan.wanted.upsert:
                raise
            return [], None

    async def _steps(self, found: list[Found]) -> tuple[list[Step], list[Found]]:
        """Return the steps of a chunk, and the documents they are of: without those that were refused here."""
        steps, kept = [], []
        for each in found:
            try:
                steps.append(self._plan.step(each))
            except RaftdocError as error:
                self._refuse(each.document["_id"], error)
            else:
                kept.append(each)
            await self._pause(len(steps))
        return steps, kept

    def _take_in(self, outcome: Outcome, resume: Resume) -> list[bytes]:
        """Count the results of a chunk; return the keys of what was missed."""
        changed = self._changed
        changed.note(outcome)
        results = decode_results(outcome.data["results"])
        for key, result in zip(resume.keys, results, strict=True):
            if result.code in MISSED:
                continue
            if result.code != "ok":
                self._refuse(decode_key(key)[0], self._error_of(result))
            elif result.flags & Flag.CREATED:
                changed.upserted_id = None if resume.upserted is None else orjson.loads(resume.upserted)
            else:
                changed.matched += 1
                changed.modified += bool(result.flags & Flag.MODIFIED)
        return missed(resume, results)

    def _refuse(self, id: Any, error: RaftdocError) -> None:
        changed = self._changed
        changed.matched += 1
        changed.refused += 1
        if len(changed.errors) < ERRORS_SHOWN_MAX:
            changed.errors.append(RefusedUpdate(id, error))

    def _error_of(self, result: StepResult) -> RaftdocError:
        return error_of(result.code, {"collection": self._collection}, result.reason)

    async def _upsert(self) -> None:
        """Make the new document; where one of its id has come meanwhile, it is another's: nothing was matched."""
        step, id_ = self._plan.upsert_step()
        resume = Resume(None, True, (id_key(id_),), orjson.dumps(id_))
        command = commands.write_many(
            self._collection,
            [step],
            self._plan.changes(),
            mode=Mode.UNORDERED,
            resume=resume.encode(),
            bytes_max=self._plan.wanted.bytes_max,
            idempotency=self._next_key(),
        )
        outcome = await self._write(command)
        resume = resume_of(outcome)
        if self._take_in(outcome, resume):
            raise error_of("duplicate_key", {"collection": self._collection, "document": str(id_)})

    async def change_atomically(self) -> Changed:
        """Change all that the filter means with one command, or nothing."""
        while True:
            found, after = await self._all()
            if after is not None:
                raise TooLarge("what one atomic update can change", limit=ATOMIC_STEPS_MAX, unit="documents, or 8 MiB")
            steps = []
            for each in found:
                steps.append(self._plan.step(each))
                await self._pause(len(steps))
            upserted = None
            if not steps and self._plan.wanted.upsert:
                step, id_ = self._plan.upsert_step()
                steps, upserted = [step], orjson.dumps(id_)
            command = commands.write_many(
                self._collection,
                steps,
                self._plan.changes(),
                mode=Mode.ATOMIC,
                resume=Resume(None, True, (), upserted).encode(),
                bytes_max=self._plan.wanted.bytes_max,
                idempotency=self._request.idempotency,
            )
            try:
                outcome = await self._write(command)
            except PreconditionFailed:
                # Another write came between: nothing was done, and nothing is decided.
                continue
            except (NotFound, DuplicateKey) as error:
                if not _is_race(error):
                    raise
                continue
            return self._count(outcome)

    async def _all(self) -> tuple[list[Found], bytes | None]:
        try:
            return await self._search.next_batch(None, ATOMIC)
        except NotFound:
            if not self._plan.wanted.upsert:
                raise
            return [], None

    def _count(self, outcome: Outcome) -> Changed:
        changed = self._changed
        changed.note(outcome)
        resume = resume_of(outcome)
        for result in decode_results(outcome.data["results"]):
            if result.flags & Flag.CREATED:
                assert resume.upserted is not None
                changed.upserted_id = orjson.loads(resume.upserted)
            else:
                changed.matched += 1
                changed.modified += bool(result.flags & Flag.MODIFIED)
        return changed

    # Both -----------------------------------------------------------------------------------------

    async def _pause(self, step_count: int) -> None:
        """Let the loop turn where steps have taken long; raises what the search's turn does."""
        if self._plan.rest() or step_count % PAUSE_STEPS == 0:
            await self._search.turn()

    def _next_key(self) -> Any:
        key = chunk_key(self._request.idempotency, self._number)
        self._number += 1
        return key

    def _write(self, command: bytes) -> Awaitable[Outcome]:
        named = self._plan.wanted.named
        return self._writes.write(
            self._request,
            self._database,
            command,
            collection=self._collection,
            document="" if named is None else named,
        )


def _is_race(error: NotFound | DuplicateKey) -> bool:
    """Return whether an atomic update ran into another write, not into its own mistake."""
    return error.index is None if isinstance(error, DuplicateKey) else error.what == "document"
