"""What the commands about indexes do.

A build is driven by the log. CREATE_INDEX makes a record whose watermark stands before the first document. Each
BUILD_INDEX names a range of ids that begins at the watermark: every replica indexes what is in it at that position of
the log and moves the watermark to its end. Writes maintain what lies below the watermark and leave the rest to the
build. The step without an end makes the index ready on every replica at the same entry. All of it is state, so whoever
leads goes on.
"""

from __future__ import annotations

from typing import Final

import orjson

from raftdoc.document import JsonValue, encode_key
from raftdoc.limits import EXPIRE_BYTES_MAX, INDEXES_MAX
from raftdoc.query.index_definition import IndexDefinition, IndexState, parse_index_definition
from raftdoc.statemachine.collection import Collection
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.document_writes import delete_document
from raftdoc.statemachine.index_maintenance import add_document
from raftdoc.statemachine.index_records import CollectionIndex, new_index, parse_entry
from raftdoc.statemachine.outcome import OK, Outcome
from raftdoc.storage.keyspace import prefix_stop

DATE_TAG: Final = b"\x78"
DATE_TAG_DESCENDING: Final = b"\x87"


def create_index(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, specification = command
    time_ms = target.staged.time_ms
    definition = parse_index_definition(orjson.loads(specification))
    collection = target.collection(name) or target.create_collection(name)
    if collection is None:
        return Outcome("limit_reached", time_ms=time_ms)
    known = collection.index(definition.name)
    if known is not None and known.definition.state != "failed":
        return Outcome(OK if known.definition.is_same_index(definition) else "conflict", time_ms=time_ms)
    if any(index.definition.is_same_index(definition) for index in collection.indexes if index is not known):
        return Outcome("conflict", time_ms=time_ms)
    if known is None and len(collection.indexes) >= INDEXES_MAX:
        return Outcome("limit_reached", time_ms=time_ms)
    collection.indexes = [index for index in collection.indexes if index is not known]
    _add_index(target, collection, definition)
    return Outcome(OK, created=True, time_ms=time_ms)


def _add_index(target: DatabaseSlice, collection: Collection, definition: IndexDefinition) -> None:
    state: IndexState = "building" if collection.document_count else "ready"
    definition = definition._replace(id=collection.next_index_id, state=state)
    collection.next_index_id += 1
    staged = target.staged
    collection.indexes.append(new_index(staged.keys, collection.id, definition, staged.time_ms))
    collection.is_described_anew = True


def drop_index(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, index_name = command
    time_ms = target.staged.time_ms
    collection = target.collection(name)
    if collection is None:
        return Outcome("collection_not_found", time_ms=time_ms)
    index = collection.index(index_name)
    if index is None:
        return Outcome("index_not_found", time_ms=time_ms)
    target.drop_entries(collection, index)
    collection.indexes = [other for other in collection.indexes if other is not index]
    collection.is_described_anew = True
    return Outcome(OK, time_ms=time_ms)


def build_index(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, collection_id, index_id, start, stop = command
    time_ms = target.staged.time_ms
    collection = target.collection(name)
    index = _find(collection, collection_id, index_id)
    if collection is None or index is None:
        return Outcome(OK, time_ms=time_ms)
    if index.built_to == start:
        _build(target, collection, index, start, stop)
    return Outcome(OK, data=index.definition.state, time_ms=time_ms)


def _build(
    target: DatabaseSlice, collection: Collection, index: CollectionIndex, start: bytes, stop: bytes | None
) -> None:
    prefix = collection.prefix
    end = prefix_stop(prefix) if stop is None else prefix + stop
    collection.is_described_anew = True
    for key, value in target.staged.pairs(prefix + start, end):
        failure = add_document(target, collection, index, key[len(prefix) :], value)
        if failure:
            target.fail_index(collection, index, failure)
            return
        index.documents_done += 1
    index.built_to = stop
    if stop is None:
        index.definition = index.definition._replace(state="ready")


def expire(target: DatabaseSlice, command: Command) -> Outcome:
    _, _, _, name, collection_id, index_id, documents_max = command
    staged = target.staged
    collection = target.collection(name)
    index = _find(collection, collection_id, index_id)
    if collection is None or index is None or index.definition.state != "ready":
        return Outcome(OK, data=0, time_ms=staged.time_ms)
    deleted = byte_count = 0
    for key in staged.first_keys(*expired_range(index, staged.time_ms), documents_max):
        value = staged.get(key)
        if value is None:
            # An array of dates: another of its entries has just taken the document away.
            continue
        id_key = parse_entry(index, key, value).id_key
        old = staged.get(collection.prefix + id_key)
        assert old is not None, (name, index.definition.name, id_key)
        delete_document(target, collection, id_key, old)
        deleted += 1
        byte_count += len(old)
        staged.work_bytes += len(old)
        if byte_count >= EXPIRE_BYTES_MAX:
            break
    return Outcome(OK, data=deleted, time_ms=staged.time_ms)


def expired_range(index: CollectionIndex, time_ms: int) -> tuple[bytes, bytes]:
    """Return (start, stop) of the entries whose date is over at time_ms."""
    definition = index.definition
    assert definition.expire_after_s is not None, definition
    ((_, direction),) = definition.fields
    last: JsonValue = {"$date": {"$numberLong": str(time_ms - definition.expire_after_s * 1000)}}
    edge = index.prefix + encode_key(last, descending=direction < 0)
    if direction < 0:
        return edge, prefix_stop(index.prefix + DATE_TAG_DESCENDING)
    return index.prefix + DATE_TAG, prefix_stop(edge)


def _find(collection: Collection | None, collection_id: int, index_id: int) -> CollectionIndex | None:
    """Return the index; None: it was dropped, or its collection was dropped and made anew."""
    if collection is None or collection.id != collection_id:
        return None
    return next((index for index in collection.indexes if index.definition.id == index_id), None)


INDEX_HANDLERS: Final[dict[int, Handler[DatabaseSlice]]] = {
    Op.CREATE_INDEX: create_index,
    Op.DROP_INDEX: drop_index,
    Op.BUILD_INDEX: build_index,
    Op.EXPIRE: expire,
}
