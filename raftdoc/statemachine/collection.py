"""One collection: its descriptor (COLLECTION), its totals (DIGEST), and the header of a stored document."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import msgpack
import orjson

from raftdoc.errors import StateCorrupt
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
        )

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
        descriptor: bytes = msgpack.packb((self.id, self.created_ms, self.options))
        return descriptor

    def encode_totals(self) -> bytes:
        return _TOTALS.pack(self.document_count, self.document_bytes, self.digest.to_bytes(DIGEST_BYTES, "big"))

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
        collection_id, created_ms, options = msgpack.unpackb(value)
        prefix = keys.document_prefix(collection_id)
    except (ValueError, TypeError, struct.error) as error:
        raise StateCorrupt(f"group {keys.group}: the descriptor of collection {key!r}: {error}") from error
    return Collection(name, collection_id, created_ms, options, prefix)


def load_collections(engine: Engine, keys: GroupKeys) -> dict[str, Collection]:
    """Return all collections with their totals.

    Raises:
        StateCorrupt: a record that cannot be read.
    """
    collections = load_descriptors(engine, keys)
    for collection in collections:
        stored = engine.get(keys.digest(collection.id))
        if stored is None or len(stored) != _TOTALS.size:
            raise StateCorrupt(f"the totals of collection {collection.name!r} are missing or damaged")
        collection.document_count, collection.document_bytes, digest = _TOTALS.unpack(stored)
        collection.digest = int.from_bytes(digest, "big")
    return {collection.name: collection for collection in collections}
