"""Keeps the indexes of a collection true to its documents: every write of a document comes through here.

What an index has of a document follows from the document, so the entries to remove are worked out from what was stored,
and only the difference is written. First everything is checked, then everything is changed: a write that a unique index
refuses, or that an index cannot take, has changed nothing. An index that is still being built refuses no write, for it
promises nothing yet: its build fails instead, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from raftdoc.document import decode_key
from raftdoc.document.path import MISSING
from raftdoc.errors import DuplicateKey, NotIndexable
from raftdoc.query.index_keys import IndexEntries, decode_values
from raftdoc.query.index_work import DocumentWork
from raftdoc.statemachine.collection import DOCUMENT_HEADER, Collection
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.index_records import CollectionIndex, parse_entry
from raftdoc.statemachine.outcome import Outcome
from raftdoc.statemachine.refusal import Refused

DOCUMENT_BODY: Final = DOCUMENT_HEADER.size
NO_WORK: Final = DocumentWork(None)
"""Of no document."""
NO_ENTRIES: Final[dict[bytes, bytes]] = {}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a write does to one index: entries by value key."""

    index: CollectionIndex
    removed: dict[bytes, bytes]
    made: IndexEntries


def maintain(
    target: DatabaseSlice, collection: Collection, id_key: bytes, old: bytes | None, new: bytes | None
) -> None:
    """Change the entries of one document from those of the stored value `old` to those of the body `new`.

    Raises:
        Refused: a unique index has the key for another document, or an index cannot take the document.
    """
    before = None if old is None else orjson.loads(old[DOCUMENT_BODY:])
    after = None if new is None else orjson.loads(new)
    # What is in the indexes has to go out of them, whatever work that is.
    removing = NO_WORK if old is None else DocumentWork(None)
    making = NO_WORK if new is None else DocumentWork(len(new))
    plans, failures = [], []
    for index in collection.indexes:
        if not index.holds(id_key):
            continue
        try:
            plan = _plan(index, before, after, removing, making)
            if index.definition.unique:
                _check_unique(target, id_key, plan)
        except (NotIndexable, DuplicateKey) as fault:
            if index.definition.state == "ready":
                raise Refused(_refusal(fault, target.staged.time_ms)) from None
            failures.append((index, f"document {shown_id(id_key)}: {fault.detail}"))
        else:
            plans.append(plan)
    changes = target.staged.changes
    for plan in plans:
        plan.index.remove_entries(changes, id_key, plan.removed)
        plan.index.add_entries(changes, id_key, plan.made.entries)
        if plan.index.note_arrays(plan.made.multikey_paths):
            collection.is_described_anew = True
    for index, failure in failures:
        target.fail_index(collection, index, failure)


def add_document(
    target: DatabaseSlice, collection: Collection, index: CollectionIndex, id_key: bytes, stored: bytes
) -> str:
    """Add the entries of a document that is not in the index yet; return why that cannot be, empty if it was done."""
    body = stored[DOCUMENT_BODY:]
    try:
        entries, multikey_paths = made = index.maker.entries(orjson.loads(body), DocumentWork(len(body)))
        if index.definition.unique:
            _check_unique(target, id_key, _Plan(index, NO_ENTRIES, made))
    except (NotIndexable, DuplicateKey) as fault:
        return f"document {shown_id(id_key)}: {fault.detail}"
    index.add_entries(target.staged.changes, id_key, entries)
    if index.note_arrays(multikey_paths):
        collection.is_described_anew = True
    return ""


def shown_id(id_key: bytes) -> str:
    """Return an id for people: its JSON."""
    return orjson.dumps(decode_key(id_key)[0]).decode()


def _plan(
    index: CollectionIndex,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    removing: DocumentWork,
    making: DocumentWork,
) -> _Plan:
    removed = NO_ENTRIES if before is None else index.maker.entries(before, removing).entries
    if after is None:
        return _Plan(index, removed, IndexEntries(NO_ENTRIES, index.definition.multikey_paths))
    made, multikey_paths = index.maker.entries(after, making)
    if removed == made:
        removed = made = NO_ENTRIES
    elif removed:
        kept = removed.items() & made.items()
        removed = {key: exact for key, exact in removed.items() if (key, exact) not in kept}
        made = {key: exact for key, exact in made.items() if (key, exact) not in kept}
    return _Plan(index, removed, IndexEntries(made, multikey_paths))


def _check_unique(target: DatabaseSlice, id_key: bytes, plan: _Plan) -> None:
    """Check that no other document has a key of this one.

    Raises:
        DuplicateKey: one has.
    """
    index = plan.index
    for value_key, exact in plan.made.entries.items():
        if value_key in plan.removed:
            continue
        key = index.prefix + value_key
        taken = target.staged.get(key)
        if taken is not None:
            other = parse_entry(index, key, taken).id_key
            assert other != id_key, (index.definition.name, id_key)
            shown = _shown_key(index, value_key, exact)
            raise DuplicateKey(
                f"the key {shown} of the unique index {index.definition.name} belongs to document {shown_id(other)}",
                index=index.definition.name,
                key=shown,
            )


def _shown_key(index: CollectionIndex, value_key: bytes, exact: bytes) -> str:
    paths = [path for path, _ in index.definition.fields]
    values = decode_values(value_key, exact)
    return orjson.dumps(
        {path: None if value is MISSING else value for path, value in zip(paths, values, strict=True)}
    ).decode()


def _refusal(fault: NotIndexable | DuplicateKey, time_ms: int) -> Outcome:
    data: dict[str, Any] = {"index": fault.index, "detail": fault.detail}
    if isinstance(fault, DuplicateKey):
        data["key"] = fault.key
    else:
        data["mongo_code"] = fault.mongo_code
    return Outcome(fault.code, data=data, time_ms=time_ms)
