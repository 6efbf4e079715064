"""The state digest: a number per collection that replicas at equal applied index have in common.

It is the sum mod 2^128 of the xxh3 of every stored pair (`staging.digest_of`), so it can be kept up to date
with each write and does not depend on order. Machines keep it; `recompute_digest` works it out from what is
stored, and what differs names the damage:

    <collection>           its documents, with their number and bytes
    <collection>#<index>   the entries of an index, with their number
    $requests              idempotency records
    $meta                  collections' descriptors, the catalog's records, counters
    #<number>              documents of a collection id that no collection has
    #<number>#<number>     entries of an index id that no index has

What was dropped is not part of it: nobody can read it, and it is being removed.
"""

from __future__ import annotations

from raftdoc.statemachine.collection import DOCUMENT_HEADER, Collection, documents_digest, parse_descriptor
from raftdoc.statemachine.database_slice import DROPPED_PREFIX, documents_name, entries_name
from raftdoc.statemachine.index_records import entries_digest
from raftdoc.statemachine.staging import DIGEST_MASK, STATE_NAME, Progress, digest_of, encode_progress
from raftdoc.storage.engine import Engine, EngineSnapshot
from raftdoc.storage.keyspace import COLLECTION_ID_BYTES, HEAD_BYTES, GroupKeys, KeyKind

REQUESTS = "$requests"
META = "$meta"


def machine_digest(progress: Progress, keys: GroupKeys, collections: dict[str, str]) -> dict[str, str]:
    """Return the whole digest of a machine from what it keeps."""
    state = digest_of(keys.meta(STATE_NAME), encode_progress(progress))
    return {
        **collections,
        REQUESTS: _with_count(progress.request_digest, progress.request_count),
        META: f"{(progress.meta_digest + state) & DIGEST_MASK:032x}",
    }


def recompute_digest(engine: Engine | EngineSnapshot, keys: GroupKeys) -> dict[str, str]:
    """Return the digest of what is stored. Reads everything: in a thread, on a snapshot."""
    digest = StoredDigest(keys)
    for key, value in engine.scan(*keys.range()):
        digest.add(key, value)
    return digest.result()


def index_digest_name(collection: str, index: str) -> str:
    """Return the name that the digest of an index has; no collection has one like it."""
    return f"{collection}#{index}"


def differing(left: dict[str, str], right: dict[str, str]) -> list[str]:
    """Return the names under which two digests differ, sorted."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


class StoredDigest:
    """The digest of what is stored, pair by pair: of a state that is read, or that is being received.

    `add` takes every pair of the incarnation in the order of the keys, so that collections come before their
    documents and these before the entries of indexes. About 0.6 us a pair.
    """

    __slots__ = (
        "_documents",
        "_dropped",
        "_dropped_prefix",
        "_entries",
        "_has_progress",
        "_index_names",
        "_keys",
        "_meta",
        "_names",
        "_requests",
    )

    def __init__(self, keys: GroupKeys) -> None:
        self._keys = keys
        self._dropped_prefix = keys.meta(DROPPED_PREFIX)
        self._names: dict[int, str] = {}
        self._index_names: dict[tuple[int, int], str] = {}
        self._dropped: set[str] = set()
        self._documents: dict[int, tuple[int, int, int]] = {}
        """Per collection id: sum of the shares, number and bytes."""
        self._entries: dict[tuple[int, int], tuple[int, int]] = {}
        """Per collection and index id: sum of the shares and number."""
        self._requests = (0, 0)
        self._meta = 0
        self._has_progress = False

    def add(self, key: bytes, value: bytes) -> None:
        """Take the next pair.

        Raises:
            StateCorrupt: a collection's descriptor that cannot be read.
        """
        kind = key[HEAD_BYTES - 1]
        if kind == KeyKind.DOCUMENT:
            self._add_document(key, value)
        elif kind == KeyKind.INDEX:
            self._add_entry(key, value)
        elif kind == KeyKind.META:
            self._add_meta(key, value)
        elif kind == KeyKind.COLLECTION:
            self._add_names(parse_descriptor(self._keys, key, value))
            self._meta += digest_of(key, value)
        elif kind in (KeyKind.DEDUP, KeyKind.DEDUP_EXPIRY):
            digest, count = self._requests
            self._requests = digest + digest_of(key, value), count + (kind == KeyKind.DEDUP)

    def result(self) -> dict[str, str]:
        """Return the digest of all that was added."""
        sums = {**dict.fromkeys(self._names, (0, 0, 0)), **self._documents}
        documents = {self._names.get(id_, f"#{id_}"): documents_digest(*parts) for id_, parts in sums.items()}
        totals = {**dict.fromkeys(self._index_names, (0, 0)), **self._entries}
        entries = {
            self._index_names.get(ids, f"#{ids[0]}#{ids[1]}"): entries_digest(*parts) for ids, parts in totals.items()
        }
        meta = self._meta
        if not self._has_progress:
            meta += digest_of(self._keys.meta(STATE_NAME), encode_progress(Progress()))
        return {**documents, **entries, REQUESTS: _with_count(*self._requests), META: f"{meta & DIGEST_MASK:032x}"}

    def _add_document(self, key: bytes, value: bytes) -> None:
        collection_id = int.from_bytes(key[HEAD_BYTES : HEAD_BYTES + COLLECTION_ID_BYTES], "big")
        if documents_name(collection_id) not in self._dropped:
            digest, count, size = self._documents.get(collection_id, (0, 0, 0))
            size += len(value) - DOCUMENT_HEADER.size
            self._documents[collection_id] = (digest + digest_of(key, value)) & DIGEST_MASK, count + 1, size

    def _add_entry(self, key: bytes, value: bytes) -> None:
        ids = self._keys.index_ids(key)
        if entries_name(*ids) not in self._dropped:
            digest, count = self._entries.get(ids, (0, 0))
            self._entries[ids] = (digest + digest_of(key, value)) & DIGEST_MASK, count + 1

    def _add_names(self, collection: Collection) -> None:
        self._names[collection.id] = collection.name
        for index in collection.indexes:
            if index.definition.state != "failed":
                name = index_digest_name(collection.name, index.definition.name)
                self._index_names[collection.id, index.definition.id] = name

    def _add_meta(self, key: bytes, value: bytes) -> None:
        self._meta += digest_of(key, value)
        if key.startswith(self._dropped_prefix):
            self._dropped.add(key[len(self._keys.meta("")) :].decode())
        elif key == self._keys.meta(STATE_NAME):
            self._has_progress = True


def _with_count(digest: int, count: int) -> str:
    return f"{digest & DIGEST_MASK:032x}/{count}"
