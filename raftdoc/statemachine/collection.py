"""One collection: its descriptor (COLLECTION), its totals (DIGEST), and the header of a stored document.

descriptor    msgpack [id, created ms, options], and with indexes [..., next index id, [record of each index]]
totals        documents, bytes, digest; then those of each index, in the order of the descriptor
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack
import orjson

from raftdoc.errors import InvalidRequest, StateCorrupt
from raftdoc.statemachine.index_records import FIRST_INDEX_ID, CollectionIndex, decode_index, load_totals
from raftdoc.statemachine.outcome import CollectionInfo, StoredDocument
from raftdoc.statemachine.staging import DIGEST_BYTES, DIGEST_MASK, digest_of
from raftdoc.storage.engine import Engine, EngineSnapshot
from raftdoc.storage.keyspace import GroupKeys, KeyKind

DOCUMENT_HEADER: Final = struct.Struct(">QQB")
"""Revision, log time of the write in ms, format of the body."""
DOCUMENT_FORMAT: Final = 1
"""Normal JSON."""

_TOTALS = struct.Struct(f">QQ{DIGEST_BYTES}s")


@dataclass(slots=True)
class Collection:
    name: str
    id: int
    created_ms: int
    options: bytes
    """JSON with sorted names."""
    prefix: bytes
    """Of its documents' keys."""
    document_count: int = 0
    document_bytes: int = 0
    """Of the bodies."""
    digest: int = 0
    """Over the documents."""
    next_index_id: int = FIRST_INDEX_ID
    indexes: list[CollectionIndex] = field(default_factory=list)
    """In the order of their ids."""
    is_described_anew: bool = False
    """The descriptor has changed in this slice."""

    def copy(self) -> Collection:
        return Collection(
            self.name,
            self.id,
            self.created_ms,
            self.options,
            self.prefix,
            self.document_count,
            self.document_bytes,
            self.digest,
            self.next_index_id,
            [index.copy() for index in self.indexes],
        )

    def index(self, name: str) -> CollectionIndex | None:
        """Return the index of this name; None: there is none."""
        return next((index for index in self.indexes if index.definition.name == name), None)

    def add(self, key: bytes, value: bytes) -> None:
        """Count a document in."""
        self.document_count += 1
        self.document_bytes += len(value) - DOCUMENT_HEADER.size
        self.digest = (self.digest + digest_of(key, value)) & DIGEST_MASK

    def remove(self, key: bytes, value: bytes) -> None:
        """Count a document out."""
        self.document_count -= 1
        self.document_bytes -= len(value) - DOCUMENT_HEADER.size
        self.digest = (self.digest - digest_of(key, value)) & DIGEST_MASK

    def encode_descriptor(self) -> bytes:
        fields: tuple[Any, ...] = (self.id, self.created_ms, self.options)
        if self.next_index_id != FIRST_INDEX_ID:
            fields += (self.next_index_id, [index.encode() for index in self.indexes])
        descriptor: bytes = msgpack.packb(fields)
        return descriptor

    def encode_totals(self) -> bytes:
        totals = _TOTALS.pack(self.document_count, self.document_bytes, self.digest.to_bytes(DIGEST_BYTES, "big"))
        if self.indexes:
            totals += b"".join([index.encode_totals() for index in self.indexes])
        return totals

    def digest_text(self) -> str:
        return documents_digest(self.digest, self.document_count, self.document_bytes)

    def info(self) -> CollectionInfo:
        return CollectionInfo(
            self.name,
            self.id,
            self.created_ms,
            self.document_count,
            self.document_bytes,
            orjson.loads(self.options),
        )


def documents_digest(digest: int, document_count: int, document_bytes: int) -> str:
    """Return the state digest of a collection as it is compared."""
    return f"{digest & DIGEST_MASK:032x}/{document_count}/{document_bytes}"


def stored_document(value: bytes) -> StoredDocument:
    """Return what the value of a DOCUMENT key holds.

    Raises:
        StateCorrupt: it is none.
    """
    try:
        revision, time_ms, document_format = DOCUMENT_HEADER.unpack_from(value)
    except struct.error:
        raise StateCorrupt(f"a document of {len(value)} bytes") from None
    if document_format != DOCUMENT_FORMAT:
        raise StateCorrupt(f"a document of format {document_format}; this version knows {DOCUMENT_FORMAT}")
    return StoredDocument(revision, time_ms, value[DOCUMENT_HEADER.size :])


def load_descriptors(reader: Engine | EngineSnapshot, keys: GroupKeys) -> list[Collection]:
    """Return all collections without their totals, in the order of their names.

    Raises:
        StateCorrupt: a record that cannot be read.
    """
    return [parse_descriptor(keys, key, value) for key, value in reader.scan(*keys.kind_range(KeyKind.COLLECTION))]


def parse_descriptor(keys: GroupKeys, key: bytes, value: bytes) -> Collection:
    """Return the collection of a COLLECTION record, without its totals.

    Raises:
        StateCorrupt: it cannot be read.
    """
    try:
        name = keys.collection_name(key)
        id_, created_ms, options, *rest = msgpack.unpackb(value, use_list=False)
        collection = Collection(name, id_, created_ms, options, keys.document_prefix(id_))
        if rest:
            collection.next_index_id, records = rest
            collection.indexes = [decode_index(keys, id_, record) for record in records]
    except (ValueError, TypeError, struct.error, InvalidRequest) as error:
        raise StateCorrupt(f"group {keys.group}: the descriptor of collection {key!r}: {error}") from error
    return collection


def load_collections(engine: Engine, keys: GroupKeys) -> dict[str, Collection]:
    """Return all collections with their totals.

    Raises:
        StateCorrupt: a record that cannot be read.
    """
    collections = load_descriptors(engine, keys)
    for collection in collections:
        stored = engine.get(keys.digest(collection.id))
        if stored is None or len(stored) < _TOTALS.size:
            raise StateCorrupt(f"the totals of collection {collection.name!r} are missing or damaged")
        collection.document_count, collection.document_bytes, digest = _TOTALS.unpack_from(stored)
        collection.digest = int.from_bytes(digest, "big")
        load_totals(collection.name, collection.indexes, stored[_TOTALS.size :])
    return {collection.name: collection for collection in collections}
