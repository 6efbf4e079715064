"""The one place where documents are stored and removed: with their indexes, their counts and their revision."""

from __future__ import annotations

from raftdoc.statemachine.collection import DOCUMENT_FORMAT, DOCUMENT_HEADER, Collection
from raftdoc.statemachine.database_slice import DatabaseSlice
from raftdoc.statemachine.index_maintenance import maintain


def write_document(
    target: DatabaseSlice, collection: Collection, id_key: bytes, document: bytes, old: bytes | None
) -> int:
    """Store a document (normal JSON) over what is there, `old`; return its revision.

    Raises:
        Refused: an index does; nothing was changed.
    """
    staged, key = target.staged, collection.prefix + id_key
    if collection.indexes:
        maintain(target, collection, id_key, old, document)
    revision = staged.next_revision()
    value = DOCUMENT_HEADER.pack(revision, staged.time_ms, DOCUMENT_FORMAT) + document
    if old is not None:
        collection.remove(key, old)
    collection.add(key, value)
    staged.changes[key] = value
    return revision


def delete_document(target: DatabaseSlice, collection: Collection, id_key: bytes, old: bytes) -> None:
    """Remove the document `old`."""
    staged, key = target.staged, collection.prefix + id_key
    if collection.indexes:
        maintain(target, collection, id_key, old, None)
    collection.remove(key, old)
    staged.changes[key] = None
    # A deletion is a change of the document like any other, and takes its number.
    staged.next_revision()
