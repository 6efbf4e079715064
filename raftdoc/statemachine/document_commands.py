"""What the commands that write documents do."""

from __future__ import annotations

from typing import Final

from raftdoc.statemachine.collection import Collection
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.document_writes import delete_document, write_document
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.statemachine.refusal import Refused
from raftdoc.statemachine.results import ItemResult


def put(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, document = command
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", 0, False, False, None, target.staged.time_ms)
    old = target.staged.get(collection.prefix + id_key)
    revision = write_document(target, collection, id_key, document, old)
    return Outcome(OK, revision, old is None, False, None, target.staged.time_ms)


def put_if(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, document, expected = command
    time_ms = target.staged.time_ms
    collection = target.collection(name)
    old = None if collection is None else target.staged.get(collection.prefix + id_key)
    if _revision(old) != expected:
        return Outcome("precondition_failed", time_ms=time_ms)
    collection = collection or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    revision = write_document(target, collection, id_key, document, old)
    return Outcome(OK, revision, old is None, time_ms=time_ms)


def create(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, document = command
    time_ms = target.staged.time_ms
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    if target.staged.get(collection.prefix + id_key) is not None:
        return Outcome("duplicate_key", time_ms=time_ms)
    return Outcome(OK, write_document(target, collection, id_key, document, None), True, time_ms=time_ms)


def create_many(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, items, atomic = command
    time_ms = target.staged.time_ms
    if not items:
        return Outcome(OK, data=(), time_ms=time_ms)
    if atomic:
        existing = _first_existing(target, name, items[::2])
        if existing is not None:
            return Outcome("duplicate_key", data=existing, time_ms=time_ms)
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    if atomic and collection.indexes:
        return _create_all(target, collection, items)
    pairs = zip(items[::2], items[1::2], strict=True)
    results = tuple([_create_one(target, collection, id_key, document) for id_key, document in pairs])
    return Outcome(OK, created=True, data=results, time_ms=time_ms)


def _create_all(target: DatabaseSlice, collection: Collection, items: tuple[bytes, ...]) -> Outcome:
    """Create documents whose ids are free, or none: an index may refuse any of them."""
    savepoint = target.savepoint()
    results = []
    for position in range(0, len(items), 2):
        try:
            results.append((OK, write_document(target, collection, items[position], items[position + 1], None)))
        except Refused as refusal:
            target.roll_back(savepoint)
            outcome = refusal.outcome
            return outcome._replace(data={**outcome.data, "position": position // 2})
    return Outcome(OK, created=True, data=tuple(results), time_ms=target.staged.time_ms)


def delete(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, expected = command
    staged = target.staged
    collection = target.collection(name)
    if collection is None:
        return Outcome("collection_not_found", time_ms=staged.time_ms)
    old = staged.get(collection.prefix + id_key)
    if expected is not None and _revision(old) != expected:
        return Outcome("precondition_failed", time_ms=staged.time_ms)
    if old is None:
        return Outcome("document_not_found", time_ms=staged.time_ms)
    delete_document(target, collection, id_key, old)
    return Outcome(OK, time_ms=staged.time_ms)


def _revision(stored: bytes | None) -> int:
    """Return the revision of a stored document, 0 of none."""
    return 0 if stored is None else int.from_bytes(stored[:8], "big")


def _create_one(target: DatabaseSlice, collection: Collection, id_key: bytes, document: bytes) -> ItemResult:
    if target.staged.get(collection.prefix + id_key) is not None:
        return "duplicate_key", 0
    try:
        return OK, write_document(target, collection, id_key, document, None)
    except Refused as refusal:
        return refusal.outcome.code, 0, refusal.outcome.data["index"]


def _first_existing(target: DatabaseSlice, name: str, id_keys: tuple[bytes, ...]) -> int | None:
    """Return the position of the first id that is taken, by a stored document or by one before it in the list."""
    collection = target.collection(name)
    seen: set[bytes] = set()
    for position, id_key in enumerate(id_keys):
        if id_key in seen:
            return position
        if collection is not None and target.staged.get(collection.prefix + id_key) is not None:
            return position
        seen.add(id_key)
    return None


DOCUMENT_HANDLERS: Final[dict[int, Handler[DatabaseSlice]]] = {
    Op.PUT: put,
    Op.PUT_IF: put_if,
    Op.CREATE: create,
    Op.CREATE_MANY: create_many,
    Op.DELETE: delete,
}
