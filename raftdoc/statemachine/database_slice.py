"""A database's part of a slice: copies of the collections it touches, and what else its commands change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from raftdoc.limits import COLLECTIONS_MAX
from raftdoc.statemachine.collection import Collection
from raftdoc.statemachine.dispatch import Handler
from raftdoc.statemachine.staging import Staged

NEXT_COLLECTION_NAME: Final = "next_collection"
CLOSED_NAME: Final = "closed"
DROPPED_PREFIX: Final = "dropped/"
"""META names: the next collection id; the name of a closed database; a dropped collection by id."""

FIRST_COLLECTION_ID: Final = 1

EMPTY_OPTIONS: Final = b"{}"


class DatabaseSlice:
    """What the handlers of DatabaseMachine work on."""

    __slots__ = (
        "_collection_count",
        "_collections",
        "closed",
        "dropped",
        "handlers",
        "next_collection_id",
        "staged",
        "touched",
    )

    def __init__(
        self,
        staged: Staged,
        handlers: Mapping[int, Handler[DatabaseSlice]],
        collections: Mapping[str, Collection],
        *,
        next_collection_id: int,
        dropped: dict[int, bytes],
        closed: str | None,
    ) -> None:
        self.staged = staged
        self.handlers = handlers
        self._collections = collections
        self._collection_count = len(collections)
        self.touched: dict[str, Collection | None] = {}
        """Copies of what this slice looked at; None: dropped."""
        self.next_collection_id = next_collection_id
        self.dropped = dropped.copy()
        """Collections whose documents are being removed: id to the id key to go on from. Ids ascend."""
        self.closed = closed

    def collection(self, name: str) -> Collection | None:
        """Return this slice's copy of a collection; None: there is none."""
        try:
            return self.touched[name]
        except KeyError:
            committed = self._collections.get(name)
        if committed is None:
            return None
        copy = self.touched[name] = committed.copy()
        return copy

    def create_collection(self, name: str, options: bytes = EMPTY_OPTIONS) -> Collection | None:
        """Return a new collection of this name, which is free; None: the database is full of them."""
        if self._collection_count >= COLLECTIONS_MAX:
            return None
        staged, collection_id = self.staged, self.next_collection_id
        prefix = staged.keys.document_prefix(collection_id)
        collection = Collection(name, collection_id, staged.time_ms, options, prefix)
        self.touched[name] = collection
        self._collection_count += 1
        self.next_collection_id = collection_id + 1
        staged.put_meta(staged.keys.meta(NEXT_COLLECTION_NAME), b"%d" % self.next_collection_id)
        staged.put_meta(staged.keys.collection(name), collection.encode_descriptor())
        return collection

    def drop_collection(self, collection: Collection) -> None:
        """Take a collection away at once; its documents go later, in bounded steps (`sweep`)."""
        staged = self.staged
        self.touched[collection.name] = None
        self._collection_count -= 1
        staged.put_meta(staged.keys.collection(collection.name), None)
        staged.changes[staged.keys.digest(collection.id)] = None
        if collection.document_count:
            self._set_dropped(collection.id, b"")

    def sweep(self, documents_max: int) -> None:
        """Remove the next documents of dropped collections, oldest collection first."""
        staged = self.staged
        while self.dropped and documents_max > 0:
            collection_id = next(iter(self.dropped))
            start, stop = staged.keys.document_range(collection_id)
            keys = staged.first_keys(start + self.dropped[collection_id], stop, documents_max)
            staged.changes.update(dict.fromkeys(keys))
            # The place to go on from is kept, because a scan over what was just deleted is slow.
            done = len(keys) < documents_max
            self._set_dropped(collection_id, None if done else keys[-1][len(start) :] + b"\x00")
            documents_max -= len(keys)

    def finish(self) -> None:
        """Add the totals of touched collections, and the counters, to the changes."""
        changes, keys = self.staged.changes, self.staged.keys
        for collection in self.touched.values():
            if collection is not None:
                changes[keys.digest(collection.id)] = collection.encode_totals()
        self.staged.finish()

    def _set_dropped(self, collection_id: int, start: bytes | None) -> None:
        if start is None:
            del self.dropped[collection_id]
        else:
            self.dropped[collection_id] = start
        self.staged.put_meta(self.staged.keys.meta(dropped_name(collection_id)), start)


def dropped_name(collection_id: int) -> str:
    """Return the META name of a dropped collection; in the order of ids."""
    return f"{DROPPED_PREFIX}{collection_id:010d}"
