"""Every key of the state engine, in one table.

    key = group (4 B) | incarnation (4 B) | kind (1 B) | rest          all numbers big-endian

    kind  name           rest                                    value
    0x01  META           name, ASCII                             applied index, log time, counters, ...
    0x02  COLLECTION     name, UTF-8                             what is known of the collection
    0x03  DIGEST         collection id (4 B)                     state digest of the collection
    0x10  DOCUMENT       collection id (4 B) | id key            revision, time, normalised JSON
    0x20  INDEX          collection id (4 B) | index id (4 B) | value key | id key, of a unique index without id key
    0x30  CHANGE         revision (8 B)                          one document change, for watchers
    0x40  DEDUP          idempotency key, UTF-8                  the outcome that was answered
    0x41  DEDUP_EXPIRY   log time ms (8 B) | idempotency key     empty

So a group's incarnation is one contiguous range, within it each kind is one, and documents lie in the order of
their ids. The id key is order-preserving and self-delimiting (`document.key`); this module never looks inside.
Incarnations let a snapshot be installed beside the live state and the old one be dropped later.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from raftdoc.ids import GroupId, Incarnation


class KeyKind(IntEnum):
    META = 0x01
    COLLECTION = 0x02
    DIGEST = 0x03
    DOCUMENT = 0x10
    INDEX = 0x20
    CHANGE = 0x30
    DEDUP = 0x40
    DEDUP_EXPIRY = 0x41


_HEAD = Struct(">IIB")
_U32 = Struct(">I")
_U64 = Struct(">Q")
_INDEX_IDS = Struct(">II")
HEAD_BYTES = _HEAD.size
COLLECTION_ID_BYTES = _U32.size


class KeyHead(NamedTuple):
    """What every key starts with."""

    group: GroupId
    incarnation: Incarnation
    kind: KeyKind


def parse_head(key: bytes) -> KeyHead:
    """Return the head of a key.

    Raises:
        ValueError: not a key of this table; the message names it.
    """
    if len(key) < HEAD_BYTES:
        raise ValueError(f"key {key.hex()} is shorter than {HEAD_BYTES} bytes")
    group, incarnation, kind = _HEAD.unpack_from(key)
    return KeyHead(GroupId(group), Incarnation(incarnation), KeyKind(kind))


def prefix_stop(prefix: bytes) -> bytes:
    """Return the smallest key above all keys that start with prefix; prefix is not all 0xff."""
    trimmed = prefix.rstrip(b"\xff")
    assert trimmed, prefix
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def group_range(group: GroupId) -> tuple[bytes, bytes]:
    """Return (start, stop) of all incarnations of a group."""
    return _U32.pack(group), _U32.pack(group + 1)


class GroupKeys:
    """The keys of one incarnation of one group. Prefixes are built once: these methods are on the hot path."""

    __slots__ = (
        "_change",
        "_collection",
        "_dedup",
        "_dedup_expiry",
        "_digest",
        "_document",
        "_index",
        "_meta",
        "group",
        "incarnation",
    )

    def __init__(self, group: GroupId, incarnation: Incarnation) -> None:
        self.group = group
        self.incarnation = incarnation
        self._meta = self.prefix(KeyKind.META)
        self._collection = self.prefix(KeyKind.COLLECTION)
        self._digest = self.prefix(KeyKind.DIGEST)
        self._document = self.prefix(KeyKind.DOCUMENT)
        self._index = self.prefix(KeyKind.INDEX)
        self._change = self.prefix(KeyKind.CHANGE)
        self._dedup = self.prefix(KeyKind.DEDUP)
        self._dedup_expiry = self.prefix(KeyKind.DEDUP_EXPIRY)

    def prefix(self, kind: KeyKind) -> bytes:
        """Return what every key of the kind starts with."""
        return _HEAD.pack(self.group, self.incarnation, kind)

    def range(self) -> tuple[bytes, bytes]:
        """Return (start, stop) of everything this incarnation stores."""
        head = self._meta[:-1]
        return head, prefix_stop(head)

    def kind_range(self, kind: KeyKind) -> tuple[bytes, bytes]:
        """Return (start, stop) of one kind."""
        prefix = self.prefix(kind)
        return prefix, prefix_stop(prefix)

    def meta(self, name: str) -> bytes:
        return self._meta + name.encode("ascii")

    def collection(self, name: str) -> bytes:
        return self._collection + name.encode()

    def collection_name(self, key: bytes) -> str:
        """Return the name in a COLLECTION key."""
        assert key.startswith(self._collection), key
        return key[HEAD_BYTES:].decode()

    def digest(self, collection_id: int) -> bytes:
        return self._digest + _U32.pack(collection_id)

    def document(self, collection_id: int, id_key: bytes) -> bytes:
        return self._document + _U32.pack(collection_id) + id_key

    def document_prefix(self, collection_id: int) -> bytes:
        """Return what every document key of the collection starts with; the id key follows."""
        return self._document + _U32.pack(collection_id)

    def document_range(self, collection_id: int) -> tuple[bytes, bytes]:
        prefix = self.document_prefix(collection_id)
        return prefix, prefix_stop(prefix)

    def index_prefix(self, collection_id: int, index_id: int) -> bytes:
        """Return what every key of an index starts with; the value key follows."""
        return self._index + _INDEX_IDS.pack(collection_id, index_id)

    def index_ids(self, key: bytes) -> tuple[int, int]:
        """Return (collection id, index id) of an INDEX key."""
        collection_id, index_id = _INDEX_IDS.unpack_from(key, HEAD_BYTES)
        return collection_id, index_id

    def change(self, revision: int) -> bytes:
        return self._change + _U64.pack(revision)

    def dedup(self, key: str) -> bytes:
        return self._dedup + key.encode()

    def dedup_key(self, key: bytes) -> str:
        """Return the idempotency key in a DEDUP key."""
        assert key.startswith(self._dedup), key
        return key[HEAD_BYTES:].decode()

    def dedup_expiry(self, time_ms: int, key: str) -> bytes:
        return self._dedup_expiry + _U64.pack(time_ms) + key.encode()

    def dedup_expiry_range(self, stop_ms: int) -> tuple[bytes, bytes]:
        """Return (start, stop) of the DEDUP_EXPIRY keys with log time < stop_ms."""
        return self._dedup_expiry, self._dedup_expiry + _U64.pack(stop_ms)

    def dedup_expiry_parts(self, key: bytes) -> tuple[int, str]:
        """Return (log time ms, idempotency key) of a DEDUP_EXPIRY key."""
        assert key.startswith(self._dedup_expiry), key
        (time_ms,) = _U64.unpack_from(key, HEAD_BYTES)
        return time_ms, key[HEAD_BYTES + _U64.size :].decode()
