"""What the commands about collections, and about the life of a database, do."""

from __future__ import annotations

from typing import Final

from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_slice import CLOSED_NAME, DatabaseSlice
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.document_commands import DOCUMENT_HANDLERS
from raftdoc.statemachine.index_commands import INDEX_HANDLERS
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.statemachine.update_commands import UPDATE_HANDLERS


def create_collection(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, options = command
    time_ms = target.staged.time_ms
    collection = target.collection(name)
    if collection is not None:
        code = OK if collection.options == options else "conflict"
        return Outcome(code, data=collection.id, time_ms=time_ms)
    collection = target.create_collection(name, options)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    return Outcome(OK, created=True, data=collection.id, time_ms=time_ms)


def drop_collection(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name = command
    collection = target.collection(name)
    if collection is None:
        return Outcome("collection_not_found", time_ms=target.staged.time_ms)
    target.drop_collection(collection)
    return Outcome(OK, time_ms=target.staged.time_ms)


def sweep(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, keys_max = command
    target.sweep(keys_max)
    return Outcome(OK, data=bool(target.dropped), time_ms=target.staged.time_ms)


def close_database(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name = command
    staged = target.staged
    target.closed = name
    target.handlers = CLOSED_HANDLERS
    staged.put_meta(staged.keys.meta(CLOSED_NAME), name.encode())
    return Outcome(OK, time_ms=staged.time_ms)


def _already_closed(target: DatabaseSlice, command: Command) -> Outcome:
    return Outcome(OK, time_ms=target.staged.time_ms)


def _refuse(target: DatabaseSlice, command: Command) -> Outcome:
    return Outcome("database_not_found", time_ms=target.staged.time_ms)


OPEN_HANDLERS: Final[dict[int, Handler[DatabaseSlice]]] = {
    **DOCUMENT_HANDLERS,
    **UPDATE_HANDLERS,
    **INDEX_HANDLERS,
    Op.CREATE_COLLECTION: create_collection,
    Op.DROP_COLLECTION: drop_collection,
    Op.SWEEP: sweep,
    Op.CLOSE_DATABASE: close_database,
}

CLOSED_HANDLERS: Final[dict[int, Handler[DatabaseSlice]]] = {
    **dict.fromkeys(OPEN_HANDLERS, _refuse),
    Op.CLOSE_DATABASE: _already_closed,
}
