"""Changes in place, of the fake backend: the steps of MODIFY and WRITE_MANY over a dictionary of documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import orjson

from raftdoc.database.bulk_writes import BulkItem, BulkResult
from raftdoc.database.outcomes import error_of
from raftdoc.database.requests import Request
from raftdoc.database.update_plan import Found, Plan, Wanted
from raftdoc.database.update_task import Changed
from raftdoc.document import DocumentId, JsonValue, id_key
from raftdoc.errors import DuplicateKey, InvalidRequest, NotFound, PatchConflict, PreconditionFailed, RaftdocError
from raftdoc.ids import Index
from raftdoc.limits import MIB
from raftdoc.statemachine.outcome import Outcome, StoredDocument
from raftdoc.statemachine.update_changes import Change
from raftdoc.statemachine.update_steps import (
    Answer,
    ChangeKind,
    EncodedChange,
    Flag,
    Mode,
    Step,
    StepKind,
    StepResult,
    change,
    reason_of,
    update,
)

TIME_MS = 1_700_000_000_000


@dataclass
class Documents:
    """Those of one collection; `store` gives a document that is written its revision."""

    stored: dict[bytes, StoredDocument]
    store: Callable[[bytes, bytes], int]

    def attempt(self, step: Step, changes: Sequence[EncodedChange]) -> StepResult:
        """Do a step; what refuses it becomes its result."""
        try:
            return self.do(step, changes)
        except NotFound:
            return StepResult("document_not_found")
        except (InvalidRequest, PatchConflict) as error:
            return StepResult(error.code, 0, 0, reason_of(error))
        except RaftdocError as error:
            return StepResult(error.code)

    def do(self, step: Step, changes: Sequence[EncodedChange]) -> StepResult:
        kind, key = step[:2]
        old = self.stored.get(key)
        if kind == StepKind.INSERT:
            if old is not None:
                raise DuplicateKey("it exists")
            return StepResult("ok", Flag.CREATED, self.store(key, step[2]))
        if step[2] is not None and step[2] != (old.revision if old else 0):
            raise PreconditionFailed("it is at another revision")
        if kind == StepKind.REPLACE:
            return self._put(key, step[3] if old or step[4] else None, old)
        change = None if step[3] < 0 else Change(changes[step[3]], bytes_max=MIB, now_ms=TIME_MS)
        if old is not None and change is not None and not change.matches(orjson.loads(old.body)):
            raise NotFound("document", "")
        if kind == StepKind.DELETE:
            if self.stored.pop(key, None) is None:
                raise NotFound("document", "")
            return StepResult("ok", Flag.MODIFIED)
        assert change is not None
        base = step[4] if old is None else old.body
        if base is None:
            raise NotFound("document", "")
        after = change.changed(orjson.loads(base), is_insert=old is None)
        return self._put(key, after or base, old)

    def _put(self, key: bytes, body: bytes | None, old: StoredDocument | None) -> StepResult:
        if body is None:
            raise NotFound("document", "")
        if old is not None and old.body == body:
            return StepResult("ok", 0, old.revision)
        return StepResult("ok", Flag.CREATED if old is None else Flag.MODIFIED, self.store(key, body))

    def change(self, wanted: Wanted) -> Changed:
        plan, changed = Plan(wanted, TIME_MS), Changed(time_ms=TIME_MS)
        found = [Found(key, stored.revision, orjson.loads(stored.body)) for key, stored in sorted(self.stored.items())]
        found = [each for each in found if plan.matches(each.document)]
        if plan.sort is not None:
            found.sort(key=lambda each: plan.sort.total_key(each.document))
        for each in found if wanted.multi else found[:1]:
            before = self.stored[each.key].body
            result = self.do(plan.step(each), plan.changes())
            changed.matched += 1
            changed.modified += bool(result.flags & Flag.MODIFIED)
            changed.revision = result.revision
            after = self.stored[each.key].body if each.key in self.stored else b"null"
            changed.document = plan.shown(before if wanted.answer == Answer.BEFORE else after)
        if not found and wanted.named is not None:
            raise NotFound("document", str(wanted.named))
        if not found and wanted.upsert:
            step, changed.upserted_id = plan.upsert_step()
            changed.revision = self.do(step, plan.changes()).revision
            changed.document = self.stored[step[1]].body if wanted.answer == Answer.AFTER else None
        return changed


class FakeUpdates:
    """A part of FakeBackend; what is written goes through its `_write`, once for each key."""

    def __init__(self, documents: Callable[..., Documents], write: Callable[..., Awaitable[Outcome]]) -> None:
        self._documents = documents
        self._write = write

    def patch_document(
        self,
        request: Request,
        database: str,
        collection: str,
        id: DocumentId,
        *,
        kind: ChangeKind,
        body: JsonValue,
        if_match: int | None,
        bytes_max: int,
    ) -> Awaitable[Outcome]:
        def apply(index: Index) -> Outcome:
            step = update(id_key(id), expected=if_match)
            result = self._documents(database, collection, index).do(step, [change(kind, body)])
            return Outcome("ok", result.revision)

        return self._write(request, database, apply)

    async def change_documents(self, request: Request, database: str, collection: str, wanted: Wanted) -> Changed:
        Plan(wanted, 0)

        def apply(index: Index) -> Outcome:
            return Outcome("ok", data=self._documents(database, collection, index, make=wanted.upsert).change(wanted))

        outcome = await self._write(request, database, apply)
        outcome.data.replayed, outcome.data.time_ms = outcome.replayed, outcome.time_ms
        changed: Changed = outcome.data
        return changed

    async def write_bulk(
        self,
        request: Request,
        database: str,
        collection: str,
        items: Sequence[BulkItem],
        *,
        mode: Mode,
        bytes_max: int,
    ) -> BulkResult:
        def apply(index: Index) -> Outcome:
            documents = self._documents(database, collection, index, make=True)
            results = []
            for item in items:
                results.append(documents.attempt(item.step, [item.change] if item.change else []))
                if results[-1].code != "ok" and mode != Mode.UNORDERED:
                    break
            if results[-1].code != "ok" and mode == Mode.ATOMIC:
                raise error_of(results[-1].code, {}, results[-1].reason)
            return Outcome("ok", data=results)

        outcome = await self._write(request, database, apply)
        return BulkResult(outcome.data, outcome.replayed, outcome.time_ms)
