"""What the commands that change documents in place do: MODIFY one, WRITE_MANY. See `update_steps` for the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from raftdoc.errors import InvalidRequest, PatchConflict, TooLarge
from raftdoc.limits import ATOMIC_BATCH_BYTES_MAX, MIB
from raftdoc.statemachine.collection import DOCUMENT_HEADER, Collection
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.document_writes import delete_document, write_document
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.statemachine.refusal import Refused, Undecided
from raftdoc.statemachine.update_changes import Change
from raftdoc.statemachine.update_steps import (
    MISSED,
    NO_CHANGE,
    Aim,
    Answer,
    EncodedChange,
    Flag,
    Mode,
    Step,
    StepKind,
    StepResult,
    encode_results,
    reason_of,
)

ANSWERED_BYTES_MAX: Final = 60 * 1024
"""Of a document in an answer that is remembered under an idempotency key."""

REASONS_BYTES_MAX: Final = 24 * 1024
"""Of all reasons in one answer."""

NOT_FOUND: Final = StepResult("document_not_found")
STALE: Final = StepResult("precondition_failed")
TAKEN: Final = StepResult("duplicate_key")
"""By the _id; an index gives a reason."""

UNDECIDED: Final = {Aim.FOUND: (NOT_FOUND, STALE, TAKEN), Aim.ABSENT: (STALE,)}
"""What another write between the search and apply leads to."""


class WriteLimit(NamedTuple):
    """How much one command reads or writes before what is left of it is refused."""

    work_bytes: int
    rest: StepResult


LIMIT_OF_CHUNK: Final = WriteLimit(2 * MIB, STALE)
"""Of an update by filter: the rest is looked at again, and comes with the next chunk."""
LIMIT_OF_BULK: Final = WriteLimit(
    2 * ATOMIC_BATCH_BYTES_MAX,
    StepResult("over_budget", 0, 0, {"detail": "the lines before it read or wrote too much at once"}),
)
LIMIT_OF_ATOMIC: Final = WriteLimit(
    2 * ATOMIC_BATCH_BYTES_MAX,
    StepResult(
        "too_large", 0, 0, reason_of(TooLarge("what an atomic command writes", limit=2 * ATOMIC_BATCH_BYTES_MAX))
    ),
)


class Run:
    """One command under way: its collection, and its changes, each parsed when a step first needs it."""

    def __init__(
        self,
        target: DatabaseSlice,
        name: str,
        changes: Sequence[EncodedChange],
        *,
        bytes_max: int,
        answered_bytes_max: int | None = None,
    ) -> None:
        self._target = target
        self._name = name
        self._changes = changes
        self._parsed: dict[int, Change] = {}
        self._bytes_max = bytes_max
        self._answered_bytes_max = answered_bytes_max
        self._work_before = target.staged.work_bytes

    @property
    def work_bytes(self) -> int:
        """Of documents that were read or written: a change that changes nothing is work as well."""
        return self._target.staged.work_bytes - self._work_before

    def do(self, step: Step, answer: Answer = Answer.NONE) -> tuple[StepResult, bytes | None]:
        """Do one step, or nothing; return what became of it, and the document that the answer is to show."""
        try:
            return self._do(step, answer)
        except Refused as refusal:
            return StepResult(refusal.outcome.code, 0, 0, _bounded(refusal.outcome.data)), None
        except (InvalidRequest, PatchConflict) as error:
            return StepResult(error.code, 0, 0, reason_of(error)), None

    def _do(self, step: Step, answer: Answer) -> tuple[StepResult, bytes | None]:
        kind, id_key = step[:2]
        collection = self._target.collection(self._name)
        old = None if collection is None else self._target.staged.get(collection.prefix + id_key)
        self._target.staged.work_bytes += 0 if old is None else len(old)
        if kind == StepKind.INSERT:
            return (TAKEN if old is not None else self._write(id_key, step[2], None)), None
        expected, argument = step[2:4]
        if expected is not None and expected != _revision(old):
            return STALE, None
        if kind == StepKind.REPLACE:
            return self._replace(id_key, old, argument, answer, upsert=step[4])
        if kind == StepKind.UPDATE:
            return self._update(id_key, old, argument, answer, base=step[4])
        assert kind == StepKind.DELETE, kind
        return self._delete(collection, id_key, old, argument, answer)

    def _replace(
        self, id_key: bytes, old: bytes | None, document: bytes, answer: Answer, *, upsert: bool
    ) -> tuple[StepResult, bytes | None]:
        if old is None and not upsert:
            return NOT_FOUND, None
        if old is not None and _body(old) == document:
            return StepResult(OK, 0, _revision(old)), self._shown(answer, old, document)
        shown = self._shown(answer, old, document)
        return self._write(id_key, document, old), shown

    def _update(
        self, id_key: bytes, old: bytes | None, number: int, answer: Answer, *, base: bytes | None
    ) -> tuple[StepResult, bytes | None]:
        change = self._change(number)
        if old is None:
            return (NOT_FOUND, None) if base is None else self._insert(id_key, change, base, answer)
        document = orjson.loads(_body(old))
        if not change.matches(document):
            # There is a document of this id, so an upsert could only make a second one.
            return (NOT_FOUND if base is None else TAKEN), None
        after = change.changed(document, is_insert=False)
        if after is None:
            return StepResult(OK, 0, _revision(old)), self._shown(answer, old, _body(old))
        shown = self._shown(answer, old, after)
        return self._write(id_key, after, old), shown

    def _insert(self, id_key: bytes, change: Change, base: bytes, answer: Answer) -> tuple[StepResult, bytes | None]:
        after = change.changed(orjson.loads(base), is_insert=True) or base
        shown = self._shown(answer, None, after)
        return self._write(id_key, after, None), shown

    def _delete(
        self, collection: Collection | None, id_key: bytes, old: bytes | None, number: int, answer: Answer
    ) -> tuple[StepResult, bytes | None]:
        if collection is None or old is None:
            return NOT_FOUND, None
        if number != NO_CHANGE and not self._change(number).matches(orjson.loads(_body(old))):
            return NOT_FOUND, None
        shown = self._shown(answer, old, b"null")
        delete_document(self._target, collection, id_key, old)
        return StepResult(OK, Flag.MODIFIED), shown

    def _write(self, id_key: bytes, document: bytes, old: bytes | None) -> StepResult:
        target = self._target
        collection = target.collection(self._name) or target.create_collection(self._name)
        if collection is None:
            return StepResult("limit_reached")
        revision = write_document(target, collection, id_key, document, old)
        self._target.staged.work_bytes += max(0, len(document) - (0 if old is None else len(old)))
        return StepResult(OK, Flag.MODIFIED if old is not None else Flag.CREATED, revision)

    def _change(self, number: int) -> Change:
        if number not in self._parsed:
            now_ms = self._target.staged.time_ms
            self._parsed[number] = Change(self._changes[number], bytes_max=self._bytes_max, now_ms=now_ms)
        return self._parsed[number]

    def _shown(self, answer: Answer, old: bytes | None, after: bytes) -> bytes | None:
        """Return the document that the answer shows: decided before anything is written.

        Raises:
            TooLarge: it could not be remembered.
        """
        if answer == Answer.NONE:
            return None
        shown = after if answer == Answer.AFTER else b"null" if old is None else _body(old)
        limit = self._answered_bytes_max
        if limit is not None and len(shown) > limit:
            raise TooLarge("the document in an answer under an idempotency key", limit=limit)
        return shown


class Modify(NamedTuple):
    """The fields of MODIFY."""

    op: int
    level: int
    request: Any
    collection: str
    changes: Sequence[EncodedChange]
    step: Step
    answer: int
    bytes_max: int
    aim: int


class WriteMany(NamedTuple):
    """The fields of WRITE_MANY."""

    op: int
    level: int
    request: Any
    collection: str
    changes: Sequence[EncodedChange]
    steps: Sequence[Step]
    mode: int
    resume: bytes | None
    bytes_max: int


def modify(target: DatabaseSlice, command: Command) -> Outcome:
    fields = Modify(*command)
    time_ms = target.staged.time_ms
    upserts = bool(fields.step[-1]) and fields.step[0] in (StepKind.REPLACE, StepKind.UPDATE)
    if target.collection(fields.collection) is None and not upserts:
        return Outcome("collection_not_found", time_ms=time_ms)
    run = Run(
        target,
        fields.collection,
        fields.changes,
        bytes_max=fields.bytes_max,
        answered_bytes_max=None if fields.request is None else ANSWERED_BYTES_MAX,
    )
    result, shown = run.do(fields.step, Answer(fields.answer))
    if result.code != OK:
        outcome = Outcome(result.code, data=result.reason, time_ms=time_ms)
        if result in UNDECIDED.get(Aim(fields.aim), ()):
            raise Undecided(outcome)
        return _many([], None, time_ms) if fields.aim == Aim.FILTERED and result == NOT_FOUND else outcome
    data = {"modified": bool(result.flags & Flag.MODIFIED), "document": shown}
    is_created = bool(result.flags & Flag.CREATED)
    if is_created:
        data["id"] = _created_id(target, fields)
    return Outcome(OK, result.revision, is_created, data=data, time_ms=time_ms)


def _created_id(target: DatabaseSlice, fields: Modify) -> bytes:
    """Return the id of the document that was made, as JSON."""
    collection = target.collection(fields.collection)
    assert collection is not None, fields.collection
    stored = target.staged.get(collection.prefix + fields.step[1])
    assert stored is not None, fields.step[1]
    return orjson.dumps(orjson.loads(_body(stored))["_id"])


def write_many(target: DatabaseSlice, command: Command) -> Outcome:
    fields = WriteMany(*command)
    time_ms = target.staged.time_ms
    run = Run(target, fields.collection, fields.changes, bytes_max=fields.bytes_max)
    if fields.mode != Mode.ATOMIC:
        limit = LIMIT_OF_BULK if fields.resume is None else LIMIT_OF_CHUNK
        results = _do_steps(run, fields.steps, stops=fields.mode == Mode.ORDERED, limit=limit)
        return _many(results, fields.resume, time_ms)
    savepoint = target.savepoint()
    results = _do_steps(run, fields.steps, stops=True, limit=LIMIT_OF_ATOMIC)
    if not results or results[-1].code == OK:
        return _many(results, fields.resume, time_ms)
    target.roll_back(savepoint)
    code, _, _, reason = results[-1]
    outcome = Outcome(code, data={**(reason or {}), "position": len(results) - 1}, time_ms=time_ms)
    if fields.resume is not None and (code in MISSED or results[-1] == TAKEN):
        raise Undecided(outcome)
    return outcome


def _do_steps(run: Run, steps: Sequence[Step], *, stops: bool, limit: WriteLimit) -> list[StepResult]:
    """Return what became of the steps that were done: with `stops`, up to the first that was refused.

    When as many bytes are read or written as the limit says, the rest is not done, and answered as it says.
    """
    results = []
    for step in steps:
        result = limit.rest if run.work_bytes >= limit.work_bytes else run.do(step)[0]
        results.append(result)
        if stops and result.code != OK:
            break
    return results


def _many(results: list[StepResult], resume: bytes | None, time_ms: int) -> Outcome:
    revision = max((result.revision for result in results if result.flags), default=0)
    data = {"results": encode_results(_with_bounded_reasons(results)), "resume": resume}
    return Outcome(OK, revision, data=data, time_ms=time_ms)


def _with_bounded_reasons(results: list[StepResult]) -> list[StepResult]:
    """Return the results, with as many whole reasons as can be remembered."""
    room, bounded = REASONS_BYTES_MAX, []
    for result in results:
        if result.reason is not None:
            room -= len(orjson.dumps(result.reason))
        bounded.append(result if room >= 0 else _with_short_reason(result))
    return bounded


def _with_short_reason(result: StepResult) -> StepResult:
    if result.reason is None:
        return result
    numbers = {name: value for name, value in result.reason.items() if name in ("mongo_code", "limit", "index")}
    return result._replace(reason={"detail": "refused, as others before", **numbers})


def _revision(stored: bytes | None) -> int:
    """Return the revision of a stored document, 0 of none."""
    return 0 if stored is None else int.from_bytes(stored[:8], "big")


def _body(stored: bytes) -> bytes:
    return stored[DOCUMENT_HEADER.size :]


def _bounded(data: Any) -> dict[str, Any] | None:
    """Return the reason of a refusal by an index, without what could be long."""
    if not isinstance(data, dict):
        return None
    return {name: value[:200] if isinstance(value, str) else value for name, value in data.items() if name != "key"}


UPDATE_HANDLERS: Final[dict[int, Handler[DatabaseSlice]]] = {
    Op.MODIFY: modify,
    Op.WRITE_MANY: write_many,
}
