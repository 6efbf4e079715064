"""One database as of one moment, for queries: the DocumentReader of each collection, over one engine snapshot.

    reader = DatabaseReader(engine, collections)        # machine.reader()
    orders = reader.collection("orders")
    ...
    reader.close()

Nothing of it changes while entries are applied: descriptors and counts are those of the moment, for apply puts a
changed collection in the place of the old one and never changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

import orjson

from raftdoc.document import JsonValue
from raftdoc.errors import NotFound
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.query.reader import IndexEntry
from raftdoc.statemachine.collection import DOCUMENT_HEADER, Collection
from raftdoc.statemachine.index_reads import IndexView
from raftdoc.storage.engine import Engine, EngineSnapshot
from raftdoc.storage.keyspace import prefix_stop

ESTIMATE_EXACT_MAX: Final = 256
_BODY: Final = DOCUMENT_HEADER.size


class DatabaseReader:
    """Every collection of one database. Whoever made it closes it."""

    __slots__ = ("_collections", "_engine", "_snapshot")

    def __init__(self, engine: Engine, collections: Mapping[str, Collection]) -> None:
        self._engine = engine
        self._snapshot = engine.snapshot()
        self._collections = dict(collections)

    def collection(self, name: str) -> CollectionReader:
        """Return the reader of a collection.

        Raises:
            NotFound: there is none.
        """
        collection = self._collections.get(name)
        if collection is None:
            raise NotFound("collection", name)
        return CollectionReader(self._engine, self._snapshot, collection)

    def documents(self, collection: str) -> Iterable[dict[str, JsonValue]]:
        """Iterate over a collection in the order of ids; one that does not exist is empty."""
        found = self._collections.get(collection)
        if found is None:
            return iter(())
        # A scan of its own: the caller reads another collection in between.
        return (
            orjson.loads(value[_BODY:]) for _, value in self._snapshot.scan(found.prefix, prefix_stop(found.prefix))
        )

    def close(self) -> None:
        self._snapshot.close()


class CollectionReader:
    """See `query.reader.DocumentReader`."""

    __slots__ = ("_collection", "_engine", "_snapshot", "_views", "indexes")

    def __init__(self, engine: Engine, snapshot: EngineSnapshot, collection: Collection) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._collection = collection
        ready = [index for index in collection.indexes if index.definition.state == "ready"]
        self._views = {index.definition.id: IndexView(index) for index in ready}
        self.indexes: tuple[IndexDefinition, ...] = tuple([index.definition for index in ready])

    @property
    def document_count(self) -> int:
        return self._collection.document_count

    def get(self, id_key: bytes) -> bytes | None:
        value = self._snapshot.get(self._collection.prefix + id_key)
        return None if value is None else value[_BODY:]

    def scan(self, start: bytes, stop: bytes | None, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        first, end = self._range(start, stop)
        length = len(self._collection.prefix)
        for key, value in self._snapshot.scan(first, end, reverse=reverse):
            yield key[length:], value[_BODY:]

    def scan_index(
        self,
        index: IndexDefinition,
        start: bytes,
        stop: bytes | None,
        *,
        after: tuple[bytes, bytes] | None = None,
        reverse: bool = False,
    ) -> Iterator[IndexEntry]:
        view = self._views[index.id]
        for entry in view.scan(self._snapshot, start, stop, after=after, reverse=reverse):
            yield IndexEntry(entry.value_key, entry.id_key, entry.exact)

    def estimate(self, index: IndexDefinition | None, start: bytes, stop: bytes | None) -> int:
        if index is not None:
            return self._views[index.id].estimate(self._engine, start, stop)
        if not start and stop is None:
            return self.document_count
        first, end = self._range(start, stop)
        count = sum(1 for _ in islice(self._engine.scan(first, end), ESTIMATE_EXACT_MAX))
        if count < ESTIMATE_EXACT_MAX:
            return count
        part, whole = (self._engine.approximate_bytes(*bounds) for bounds in ((first, end), self._range(b"", None)))
        by_bytes = self.document_count * part // whole if whole else 0
        return max(count, min(by_bytes, self.document_count))

    def _range(self, start: bytes, stop: bytes | None) -> tuple[bytes, bytes]:
        prefix = self._collection.prefix
        return prefix + start, prefix_stop(prefix) if stop is None else prefix + stop
