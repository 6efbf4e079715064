"""How far an update in chunks is: what each chunk records for a retry, and the operation that is read from it.

Each chunk has its outcome remembered under a key of its own: the caller's K, and those derived from it with the number
of the chunk (`chunk_key`). So the newest of them says how far the update is, on any node, whatever became of the one
that was doing it; the operation is `update-<group>-<K>`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgpack

from raftdoc.cluster.directory import Directory, database_machine
from raftdoc.database.bulk import chunk_key
from raftdoc.database.reads import Reads
from raftdoc.database.requests import OperationInfo, Request
from raftdoc.errors import NotFound
from raftdoc.ids import GroupId
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.statemachine.update_steps import MISSED, Flag, StepResult, decode_results

_OPERATION: Final = re.compile(r"update-(\d{1,10})-([\x20-\x7e]{1,160})")
_NOBODY: Final = b"\0" * 16


class Resume(NamedTuple):
    """What a chunk records beside its results."""

    after: bytes | None = None
    """The id key to go on behind."""
    is_last: bool = False
    """Nothing is left behind it."""
    keys: tuple[bytes, ...] = ()
    """Id keys of the steps, in their order."""
    upserted: bytes | None = None
    """JSON of the id that the one step makes."""
    modified: int = 0
    """Documents changed by the chunks before."""
    total: int = 0
    """How many there are to go through, about."""

    def encode(self) -> bytes:
        encoded: bytes = msgpack.packb(tuple(self))
        return encoded


def resume_of(outcome: Outcome) -> Resume:
    """Return what was recorded with the outcome of a chunk."""
    return Resume(*msgpack.unpackb(outcome.data["resume"], use_list=False))


def missed(resume: Resume, results: list[StepResult]) -> list[bytes]:
    """Return the id keys of the documents to be looked at again."""
    return [key for key, result in zip(resume.keys, results, strict=True) if result.code in MISSED]


def operation_id(group: GroupId, key: str) -> str:
    return f"update-{group}-{key}"


class UpdateProgress:
    def __init__(self, directory: Directory, reads: Reads) -> None:
        self._directory = directory
        self._reads = reads

    async def operation(self, request: Request, id: str) -> OperationInfo:
        """Return how far an update is.

        Raises:
            NotFound: no update in chunks has this key, or it is forgotten.
        """
        match = _OPERATION.fullmatch(id)
        database = None if match is None else self._directory.database_of(GroupId(int(match[1])))
        if match is None or database is None:
            raise NotFound("operation", id)
        machine = database_machine(await self._reads.barrier(request, database))
        outcome = _newest(machine, match[2])
        if outcome is None or not isinstance(outcome.data, dict) or outcome.data.get("resume") is None:
            raise NotFound("operation", id)
        return _told(id, outcome)


def _newest(machine: DatabaseMachine, key: str) -> Outcome | None:
    """Return the outcome of the newest chunk: they follow each other without a gap, so it is found by halving."""

    def outcome(number: int) -> Outcome | None:
        derived = chunk_key(Idempotency(key, _NOBODY), number)
        assert derived is not None
        record = machine.request_outcome(derived.key)
        return None if record is None else record.outcome

    known, unknown = 0, 1
    while outcome(unknown) is not None:
        known, unknown = unknown, unknown * 2
    while unknown - known > 1:
        middle = (known + unknown) // 2
        known, unknown = (known, middle) if outcome(middle) is None else (middle, unknown)
    return outcome(known)


def _told(id: str, outcome: Outcome) -> OperationInfo:
    resume, results = resume_of(outcome), decode_results(outcome.data["results"])
    modified = resume.modified + sum(bool(result.flags & Flag.MODIFIED) for result in results)
    left = missed(resume, results) if resume.keys else []
    is_done = resume.is_last and not left
    return OperationInfo(
        id=id,
        kind="update",
        state="done" if is_done else "running",
        detail=f"{modified} documents changed; sent again with its key, the request goes on from here",
        done=modified,
        total=modified if is_done else max(modified, resume.total),
    )
