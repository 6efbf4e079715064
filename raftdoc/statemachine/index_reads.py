"""What is read of indexes: what there is, what a driver has to propose next, and ranges of entries.

    view = IndexView(index)
    for entry in view.scan(snapshot, start, stop):        # bounds are value keys; see `query.index_keys`
        entry.id_key, decode_values(entry.value_key, entry.exact)

Bounds are bytes in the order of the value keys: a whole value key, or the keys of its first fields. A range that
includes a bound `key` at its end stops at `after(key)`: value keys that begin with key, and only these, lie between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.reader import IndexEntry
from raftdoc.statemachine.collection import Collection
from raftdoc.statemachine.index_commands import expired_range
from raftdoc.statemachine.index_records import CollectionIndex, parse_entry
from raftdoc.storage.engine import Engine, EngineSnapshot
from raftdoc.storage.keyspace import prefix_stop

COUNT_EXACT_MAX: Final = 256
"""An estimate counts so many entries, and then goes by bytes on disk."""
SHARE_UNKNOWN: Final = 3
"""Where nothing of the index is on disk yet, a range with more is taken for a third of it."""


class IndexRef(NamedTuple):
    """An index as commands name it: not another one of the same name."""

    collection: str
    collection_id: int
    index_id: int


class Build(NamedTuple):
    """An index that is being built, and where its build stands."""

    ref: IndexRef
    built_to: bytes


class IndexView:
    """Reads the entries of one index, over a snapshot or the engine itself."""

    __slots__ = ("_index", "definition")

    def __init__(self, index: CollectionIndex) -> None:
        self._index = index
        self.definition: IndexDefinition = index.definition

    @property
    def entry_count(self) -> int:
        """Exactly, as of the last apply."""
        return self._index.entry_count

    def scan(
        self,
        reader: Engine | EngineSnapshot,
        start: bytes = b"",
        stop: bytes | None = None,
        *,
        after: tuple[bytes, bytes] | None = None,
        reverse: bool = False,
    ) -> Iterator[IndexEntry]:
        """Yield the entries with start <= value key < stop, by value key and then id; stop None: to the end.

        `after` is (value key, id key) of the last entry that is not wanted, in the direction of the scan.
        """
        index = self._index
        first, end = self._range(start, stop)
        if after is not None:
            place = index.entry(*after, b"")[0]
            first, end = (first, min(place, end)) if reverse else (max(place + b"\x00", first), end)
        for key, value in reader.scan(first, end, reverse=reverse):
            yield parse_entry(index, key, value)

    def estimate(self, engine: Engine, start: bytes = b"", stop: bytes | None = None) -> int:
        """Return about how many entries have start <= value key < stop: exactly up to COUNT_EXACT_MAX."""
        if not start and stop is None:
            return self.entry_count
        first, end = self._range(start, stop)
        count = sum(1 for _ in islice(engine.scan(first, end), COUNT_EXACT_MAX))
        if count < COUNT_EXACT_MAX:
            return count
        prefix = self._index.prefix
        part, whole = engine.approximate_bytes(first, end), engine.approximate_bytes(prefix, prefix_stop(prefix))
        by_bytes = self.entry_count * part // whole if whole else self.entry_count // SHARE_UNKNOWN
        return max(count, min(by_bytes, self.entry_count))

    def _range(self, start: bytes, stop: bytes | None) -> tuple[bytes, bytes]:
        prefix = self._index.prefix
        return prefix + start, prefix_stop(prefix) if stop is None else prefix + stop


def after(key: bytes) -> bytes:
    """Return the bound behind every value key that begins with `key`, and their ids."""
    return prefix_stop(key)


def builds(collections: Iterable[Collection]) -> list[Build]:
    """Return the builds that are under way."""
    return [
        Build(IndexRef(collection.name, collection.id, index.definition.id), index.built_to)
        for collection in collections
        for index in collection.indexes
        if index.built_to is not None
    ]


def fewer_documents(collection: Collection | None, ref: IndexRef, documents_max: int) -> int:
    """Return how many documents make about documents_max entries in an index that is being built, at least one."""
    for index in collection.indexes if collection is not None and collection.id == ref.collection_id else ():
        if index.definition.id == ref.index_id and index.entry_count > index.documents_done > 0:
            return max(1, documents_max * index.documents_done // index.entry_count)
    return documents_max


def next_stop(engine: Engine, prefix: bytes, start: bytes, documents_max: int, bytes_max: int) -> bytes | None:
    """Return the id key before which the next step of a build ends; None: there are no more documents than that."""
    byte_count = 0
    for position, (key, value) in enumerate(engine.scan(prefix + start, prefix_stop(prefix))):
        if position and (position >= documents_max or byte_count + len(value) > bytes_max):
            return key[len(prefix) :]
        byte_count += len(value)
    return None


def expired(engine: Engine, collections: Iterable[Collection], time_ms: int) -> list[IndexRef]:
    """Return the time-to-live indexes by which some document is over at time_ms."""
    return [
        IndexRef(collection.name, collection.id, index.definition.id)
        for collection in collections
        for index in collection.indexes
        if index.definition.expire_after_s is not None
        and index.definition.state == "ready"
        and any(engine.scan(*expired_range(index, time_ms)))
    ]
