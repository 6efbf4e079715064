"""The steps of the commands MODIFY and WRITE_MANY: what is to become of one document each, as msgpack arrays.

    INSERT   [0, id key, document]                                 a document that is there is a duplicate_key
    REPLACE  [1, id key, expected, document, upsert]
    UPDATE   [2, id key, expected, change, base or nil]            change: position in the command's list of changes
    DELETE   [3, id key, expected, change or -1]                   of the change only the guard counts

    change   [kind, body (JSON), array filters (JSON) or nil, guard (JSON) or nil]

`expected` is a revision, 0 (there must be no document), NEVER, or nil: whatever is there. A guard is a filter of
comparison and logic; a document that it does not match is not found. `base` is the document (JSON, with `_id`) that an
upsert starts from. A pointer in a refusal leads into the request: `/update/$inc/qty`, or into the patch.

What becomes of a step:

    code      ok, or the code of what refused it
    flags     CREATED | MODIFIED: neither, where nothing changed
    revision  of the document afterwards; 0: there is none
    reason    what refused it: {"detail", "pointer", "mongo_code", ...}, bounded; None else
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple

import orjson

from raftdoc.document import DocumentId, JsonValue, id_key
from raftdoc.errors import (
    CATALOGUE,
    InvalidQuery,
    NotFound,
    RaftdocError,
    StateCorrupt,
    TooLarge,
)

STEPS_MAX: Final = 128
"""Of a command that is not atomic: it is applied in one go, and its answer has to fit a stored one."""
ATOMIC_STEPS_MAX: Final = 4096
REASON_TEXT_MAX: Final = 200
"""Characters of one text in a reason."""
NO_CHANGE: Final = -1
MISSED: Final = frozenset({"precondition_failed", "document_not_found"})
"""What a step is answered whose document was written after it was found: it is looked at again."""


class StepKind(IntEnum):
    INSERT = 0
    REPLACE = 1
    UPDATE = 2
    DELETE = 3


class ChangeKind(IntEnum):
    UPDATE = 0
    JSON_PATCH = 1
    MERGE_PATCH = 2


class Mode(IntEnum):
    """What a step that is refused means for the others of a WRITE_MANY."""

    UNORDERED = 0
    """Nothing."""
    ORDERED = 1
    """Those after it are not done."""
    ATOMIC = 2
    """None is done."""


class Answer(IntEnum):
    """The document that a MODIFY answers with."""

    NONE = 0
    BEFORE = 1
    AFTER = 2


class Aim(IntEnum):
    """How the proposer of a MODIFY came to its document, which says what it means that it is not there."""

    NAMED = 0
    """The caller named it: a refusal."""
    FOUND = 1
    """It was looked for by a filter: another write came between, which decides nothing and is not remembered."""
    FILTERED = 2
    """The filter itself names it: an answer, that nothing was matched."""
    ABSENT = 3
    """The caller named it, and it was not there: a refusal, unless it has come meanwhile, which decides nothing."""


class Flag(IntFlag):
    NOTHING = 0
    CREATED = 1
    MODIFIED = 2


Step = tuple[Any, ...]
EncodedChange = tuple[int, bytes, bytes | None, bytes | None]


class StepResult(NamedTuple):
    code: str
    flags: int = 0
    revision: int = 0
    reason: dict[str, Any] | None = None


def change(
    kind: ChangeKind, body: JsonValue, *, array_filters: JsonValue = None, guard: JsonValue = None
) -> EncodedChange:
    """Return a change. `guard` is a filter that may run inside apply; None: every document will do."""
    filters = None if array_filters is None else orjson.dumps(array_filters)
    return int(kind), orjson.dumps(body), filters, None if guard is None else orjson.dumps(guard)


def insert(id: DocumentId, document: bytes) -> Step:
    return int(StepKind.INSERT), id_key(id), document


def replace(key: bytes, document: bytes, *, expected: int | None = None, upsert: bool = False) -> Step:
    return int(StepKind.REPLACE), key, expected, document, upsert


def update(key: bytes, *, expected: int | None = None, change: int = 0, base: bytes | None = None) -> Step:
    return int(StepKind.UPDATE), key, expected, change, base


def delete(key: bytes, *, expected: int | None = None, change: int = NO_CHANGE) -> Step:
    return int(StepKind.DELETE), key, expected, change


def reason_of(error: RaftdocError) -> dict[str, Any]:
    """Return what is remembered of a refusal, bounded."""
    reason: dict[str, Any] = {"detail": error.detail[:REASON_TEXT_MAX]}
    if error.pointer is not None and len(error.pointer) <= REASON_TEXT_MAX:
        reason["pointer"] = error.pointer
    if isinstance(error, InvalidQuery):
        reason["mongo_code"] = error.mongo_code
    if isinstance(error, TooLarge):
        reason["limit"] = error.limit
    return reason


def error_of_reason(code: str, reason: dict[str, Any]) -> RaftdocError:
    """Return the error that a reason was made from."""
    detail, pointer = reason["detail"], reason.get("pointer")
    cls = CATALOGUE.get(code)
    if cls is None:
        return StateCorrupt(f"apply answered an unknown code {code!r}")
    if issubclass(cls, InvalidQuery):
        return cls(detail, pointer=pointer or "", mongo_code=reason["mongo_code"])
    if issubclass(cls, TooLarge):
        error: RaftdocError = TooLarge("", limit=reason["limit"])
        error.detail = detail
        return error
    assert not issubclass(cls, NotFound), code
    error = cls(detail)
    error.pointer = pointer
    return error


def encode_results(results: Sequence[StepResult]) -> tuple[tuple[Any, ...], ...]:
    """Return results in msgpack's own types, short: ok is "" here, and what is nothing is left out."""
    encoded = []
    for code, flags, revision, reason in results:
        short = ("" if code == "ok" else code, flags, revision)
        encoded.append(short if reason is None else (*short, reason))
    return tuple(encoded)


def decode_results(encoded: Sequence[Sequence[Any]]) -> list[StepResult]:
    """Return the results that encode_results was given, also after msgpack."""
    return [StepResult(code or "ok", *rest) for code, *rest in encoded]
