"""The state digest: a number per collection that replicas at equal applied index have in common.

It is the sum mod 2^128 of the xxh3 of every stored pair (`staging.digest_of`), so it can be kept up to date
with each write and does not depend on order. Machines keep it; `recompute_digest` works it out from what is
stored, and what differs names the damage:

    <collection>   its documents, with their number and bytes
    $requests      idempotency records
    $meta          collections' descriptors, the catalog's records, counters
    #<number>      documents of a collection id that no collection has

Documents of dropped collections are not part of it: nobody can read them, and they are being removed.
"""

from __future__ import annotations

from collections.abc import Iterator

from raftdoc.statemachine.collection import DOCUMENT_HEADER, documents_digest, load_descriptors
from raftdoc.statemachine.database_slice import DROPPED_PREFIX
from raftdoc.statemachine.staging import DIGEST_MASK, STATE_NAME, Progress, digest_of, encode_progress
from raftdoc.storage.engine import Engine, EngineSnapshot
from raftdoc.storage.keyspace import COLLECTION_ID_BYTES, HEAD_BYTES, GroupKeys, KeyKind, prefix_stop

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
    return {**_documents(engine, keys), REQUESTS: _requests(engine, keys), META: _meta(engine, keys)}


def differing(left: dict[str, str], right: dict[str, str]) -> list[str]:
    """Return the names under which two digests differ, sorted."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


def _documents(reader: Engine | EngineSnapshot, keys: GroupKeys) -> dict[str, str]:
    names = {collection.id: collection.name for collection in load_descriptors(reader, keys)}
    sums = dict.fromkeys(names, (0, 0, 0))
    dropped = _dropped_ids(reader, keys)
    for key, value in reader.scan(*keys.kind_range(KeyKind.DOCUMENT)):
        collection_id = int.from_bytes(key[HEAD_BYTES : HEAD_BYTES + COLLECTION_ID_BYTES], "big")
        if collection_id not in dropped:
            digest, count, size = sums.get(collection_id, (0, 0, 0))
            size += len(value) - DOCUMENT_HEADER.size
            sums[collection_id] = (digest + digest_of(key, value), count + 1, size)
    return {names.get(id_, f"#{id_}"): documents_digest(*parts) for id_, parts in sums.items()}


def _dropped_ids(reader: Engine | EngineSnapshot, keys: GroupKeys) -> set[int]:
    prefix = keys.meta(DROPPED_PREFIX)
    return {int(key[len(prefix) :]) for key, _ in reader.scan(prefix, prefix_stop(prefix))}


def _requests(reader: Engine | EngineSnapshot, keys: GroupKeys) -> str:
    digest, count = _sum(reader.scan(*keys.kind_range(KeyKind.DEDUP)))
    order_digest, _ = _sum(reader.scan(*keys.kind_range(KeyKind.DEDUP_EXPIRY)))
    return _with_count(digest + order_digest, count)


def _meta(reader: Engine | EngineSnapshot, keys: GroupKeys) -> str:
    digest, _ = _sum(reader.scan(*keys.kind_range(KeyKind.META)))
    descriptors_digest, _ = _sum(reader.scan(*keys.kind_range(KeyKind.COLLECTION)))
    if reader.get(keys.meta(STATE_NAME)) is None:
        digest += digest_of(keys.meta(STATE_NAME), encode_progress(Progress()))
    return f"{(digest + descriptors_digest) & DIGEST_MASK:032x}"


def _sum(pairs: Iterator[tuple[bytes, bytes]]) -> tuple[int, int]:
    """Return the sum of the shares, and the number of pairs."""
    digest, count = 0, 0
    for key, value in pairs:
        digest += digest_of(key, value)
        count += 1
    return digest, count


def _with_count(digest: int, count: int) -> str:
    return f"{digest & DIGEST_MASK:032x}/{count}"
