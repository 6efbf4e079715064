"""One index of a collection: its definition, how far its build is, what it counts; and how its entries are stored.

    INDEX key                                              value
    prefix | value key | id key                            length of the value key (2 B) | exact
    prefix | value key                 (unique)            length of the id key (2 B) | id key | exact

A unique index has one document per key, so the key says it alone, and whether it is taken is one look-up. `exact` is of
`query.index_keys`: the values themselves where the key does not say them exactly.

The definition is part of the collection's descriptor; the counts change with every write and stand with its totals.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any, Final, NamedTuple

import orjson

from raftdoc.errors import StateCorrupt
from raftdoc.query.index_definition import IndexDefinition, parse_index_definition
from raftdoc.query.index_keys import IndexKeyMaker
from raftdoc.query.reader import IndexEntry
from raftdoc.statemachine.staging import DIGEST_BYTES, DIGEST_MASK, digest_of
from raftdoc.storage.engine import Changes
from raftdoc.storage.keyspace import GroupKeys

INDEX_TOTALS: Final = Struct(f">IQ{DIGEST_BYTES}s")
"""Id, number of entries, digest over them."""

FIRST_INDEX_ID: Final = 1
FIRST_KEY: Final = b""
"""The watermark of a build that has done nothing."""

_LENGTH = Struct(">H")


class IndexInfo(NamedTuple):
    """What is told of an index."""

    definition: IndexDefinition
    created_ms: int
    entry_count: int
    documents_done: int
    """By the build; of an index that is ready and was built, as many as there were."""
    failure: str
    """Why the build failed; empty: it did not."""


@dataclass(slots=True)
class CollectionIndex:
    definition: IndexDefinition
    maker: IndexKeyMaker
    """Shared by all copies."""
    prefix: bytes
    """Of its entries' keys."""
    created_ms: int
    built_to: bytes | None = None
    """While it is built: documents whose id key is below this are in it. None: all are, or it has failed."""
    documents_done: int = 0
    failure: str = ""
    entry_count: int = 0
    digest: int = 0

    def copy(self) -> CollectionIndex:
        return CollectionIndex(
            self.definition,
            self.maker,
            self.prefix,
            self.created_ms,
            self.built_to,
            self.documents_done,
            self.failure,
            self.entry_count,
            self.digest,
        )

    @property
    def needs_driver(self) -> bool:
        """Whether somebody has to propose commands for it: steps of its build, or the end of documents."""
        return self.built_to is not None or self.definition.expire_after_s is not None

    def holds(self, id_key: bytes) -> bool:
        """Return whether the document of this id has its entries in the index, if it exists."""
        if self.built_to is not None:
            return id_key < self.built_to
        return self.definition.state == "ready"

    def entry(self, value_key: bytes, id_key: bytes, exact: bytes) -> tuple[bytes, bytes]:
        """Return key and value of an entry."""
        if self.definition.unique:
            return self.prefix + value_key, _LENGTH.pack(len(id_key)) + id_key + exact
        return self.prefix + value_key + id_key, _LENGTH.pack(len(value_key)) + exact

    def add_entries(self, changes: Changes, id_key: bytes, entries: dict[bytes, bytes]) -> None:
        """Store entries (value key to `exact`) of a document, and count them in."""
        digest = self.digest
        for value_key, exact in entries.items():
            key, value = self.entry(value_key, id_key, exact)
            digest += digest_of(key, value)
            changes[key] = value
        self.digest = digest & DIGEST_MASK
        self.entry_count += len(entries)

    def remove_entries(self, changes: Changes, id_key: bytes, entries: dict[bytes, bytes]) -> None:
        """Remove entries of a document, and count them out."""
        digest = self.digest
        for value_key, exact in entries.items():
            key, value = self.entry(value_key, id_key, exact)
            digest -= digest_of(key, value)
            changes[key] = None
        self.digest = digest & DIGEST_MASK
        self.entry_count -= len(entries)

    def note_arrays(self, multikey_paths: tuple[bool, ...]) -> bool:
        """Take up on which paths a document has arrays; return whether that is news."""
        known = self.definition.multikey_paths
        if multikey_paths == known or not any(multikey_paths):
            return False
        both = tuple([new or old for new, old in zip(multikey_paths, known, strict=True)])
        self.definition = self.definition._replace(multikey_paths=both)
        return both != known

    def encode(self) -> tuple[Any, ...]:
        """Return its part of the descriptor."""
        definition = self.definition
        return (
            definition.id,
            orjson.dumps(definition.specification()),
            definition.state,
            definition.multikey_paths,
            self.created_ms,
            self.built_to,
            self.documents_done,
            self.failure,
        )

    def encode_totals(self) -> bytes:
        return INDEX_TOTALS.pack(self.definition.id, self.entry_count, self.digest.to_bytes(DIGEST_BYTES, "big"))

    def digest_text(self) -> str:
        return entries_digest(self.digest, self.entry_count)

    def info(self) -> IndexInfo:
        return IndexInfo(self.definition, self.created_ms, self.entry_count, self.documents_done, self.failure)


def parse_entry(index: CollectionIndex, key: bytes, value: bytes) -> IndexEntry:
    """Return the parts of a stored entry."""
    rest = key[len(index.prefix) :]
    length = value[0] << 8 | value[1]
    if index.definition.unique:
        return IndexEntry(rest, value[2 : 2 + length], value[2 + length :])
    return IndexEntry(rest[:length], rest[length:], value[2:])


def entries_digest(digest: int, entry_count: int) -> str:
    """Return the digest of an index as it is compared."""
    return f"{digest & DIGEST_MASK:032x}/{entry_count}"


def new_index(keys: GroupKeys, collection_id: int, definition: IndexDefinition, created_ms: int) -> CollectionIndex:
    """Return an index without entries; `definition` has its id and state."""
    built_to = FIRST_KEY if definition.state == "building" else None
    prefix = keys.index_prefix(collection_id, definition.id)
    return CollectionIndex(definition, IndexKeyMaker(definition), prefix, created_ms, built_to)


def decode_index(keys: GroupKeys, collection_id: int, record: tuple[Any, ...]) -> CollectionIndex:
    """Return an index from its part of the descriptor, without its totals.

    Raises:
        ValueError, TypeError: it is none.
    """
    id_, specification, state, multikey_paths, created_ms, built_to, documents_done, failure = record
    definition = parse_index_definition(orjson.loads(specification))
    definition = definition._replace(id=id_, state=state, multikey_paths=tuple(multikey_paths))
    index = new_index(keys, collection_id, definition, created_ms)
    index.built_to, index.documents_done, index.failure = built_to, documents_done, failure
    return index


def load_totals(collection: str, indexes: list[CollectionIndex], stored: bytes) -> None:
    """Take up what is stored of the counts, behind the totals of the collection.

    Raises:
        StateCorrupt: they are not those of these indexes.
    """
    totals = list(INDEX_TOTALS.iter_unpack(stored)) if len(stored) % INDEX_TOTALS.size == 0 else []
    if [id_ for id_, _, _ in totals] != [index.definition.id for index in indexes]:
        raise StateCorrupt(f"the totals of the indexes of collection {collection!r} are missing or damaged")
    for index, (_, entry_count, digest) in zip(indexes, totals, strict=True):
        index.entry_count = entry_count
        index.digest = int.from_bytes(digest, "big")
