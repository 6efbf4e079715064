"""What the commands that write documents do."""

from __future__ import annotations

from typing import Final

from raftdoc.statemachine.collection import DOCUMENT_FORMAT, DOCUMENT_HEADER, Collection
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.statemachine.results import ItemResult


def put(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, document = command
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", 0, False, False, None, target.staged.time_ms)
    key = collection.prefix + id_key
    old = target.staged.get(key)
    return Outcome(OK, _write(target, collection, key, document, old), old is None, False, None, target.staged.time_ms)


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
    revision = _write(target, collection, collection.prefix + id_key, document, old)
    return Outcome(OK, revision, old is None, time_ms=time_ms)


def create(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, document = command
    time_ms = target.staged.time_ms
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    code, revision = _create_one(target, collection, id_key, document)
    return Outcome(code, revision, code == OK, time_ms=time_ms)


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
    pairs = zip(items[::2], items[1::2], strict=True)
    results = tuple([_create_one(target, collection, id_key, document) for id_key, document in pairs])
    return Outcome(OK, created=True, data=results, time_ms=time_ms)


def delete(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, id_key, expected = command
    staged = target.staged
    collection = target.collection(name)
    if collection is None:
        return Outcome("collection_not_found", time_ms=staged.time_ms)
    key = collection.prefix + id_key
    old = staged.get(key)
    if expected is not None and _revision(old) != expected:
        return Outcome("precondition_failed", time_ms=staged.time_ms)
    if old is None:
        return Outcome("document_not_found", time_ms=staged.time_ms)
    collection.remove(key, old)
    staged.changes[key] = None
    # A deletion is a change of the document like any other, and takes its number.
    staged.next_revision()
    return Outcome(OK, time_ms=staged.time_ms)


def _revision(stored: bytes | None) -> int:
    """Return the revision of a stored document, 0 of none."""
    return 0 if stored is None else int.from_bytes(stored[:8], "big")


def _write(target: DatabaseSlice, collection: Collection, key: bytes, document: bytes, old: bytes | None) -> int:
    """Store a document over what is there; return its revision."""
    staged = target.staged
    revision = staged.next_revision()
    value = DOCUMENT_HEADER.pack(revision, staged.time_ms, DOCUMENT_FORMAT) + document
    if old is not None:
        collection.remove(key, old)
    collection.add(key, value)
    staged.changes[key] = value
    return revision


def _create_one(target: DatabaseSlice, collection: Collection, id_key: bytes, document: bytes) -> ItemResult:
    key = collection.prefix + id_key
    if target.staged.get(key) is not None:
        return "duplicate_key", 0
    return OK, _write(target, collection, key, document, None)


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
