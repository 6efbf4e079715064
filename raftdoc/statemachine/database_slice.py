"""A database's part of a slice: copies of the collections it touches, and what else its commands change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from raftdoc.limits import COLLECTIONS_MAX
from raftdoc.statemachine.collection import Collection
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.index_records import CollectionIndex
from raftdoc.statemachine.staging import Progress, Staged
from raftdoc.storage.engine import Changes, Engine, EngineSnapshot
from raftdoc.storage.keyspace import GroupKeys, prefix_stop

NEXT_COLLECTION_NAME: Final = "next_collection"
CLOSED_NAME: Final = "closed"
DROPPED_PREFIX: Final = "dropped/"
"""META names: the next collection id; the name of a closed database; what of a dropped collection or index is left."""

FIRST_COLLECTION_ID: Final = 1

EMPTY_OPTIONS: Final = b"{}"

ABOUT_ONE_DOCUMENT: Final = frozenset((Op.PUT, Op.PUT_IF, Op.CREATE, Op.DELETE))
"""Commands (op, level, request, collection, id key, ...) that look up this one document."""


class Savepoint(NamedTuple):
    """A slice as it was at one moment."""

    changes: Changes
    progress: Progress
    ordinal: int
    touched: dict[str, Collection | None]
    described_anew: frozenset[str]
    collection_count: int
    next_collection_id: int
    dropped: dict[str, bytes]


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
        dropped: dict[str, bytes],
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
        """Ranges that are being removed: name (`documents_name`, `entries_name`) to where in the range to go on."""
        self.closed = closed

    def foresee(self, commands: Sequence[Command]) -> None:
        collections = self._collections
        self.staged.foreseen = [
            collection.prefix + command[4]
            for command in commands
            if command[0] in ABOUT_ONE_DOCUMENT and (collection := collections.get(command[3])) is not None
        ]

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
            self._set_dropped(documents_name(collection.id), b"")
        for index in collection.indexes:
            self.drop_entries(collection, index)

    def drop_entries(self, collection: Collection, index: CollectionIndex) -> None:
        """Have the entries of an index removed, in bounded steps; nothing counts them from now on."""
        if index.entry_count:
            self._set_dropped(entries_name(collection.id, index.definition.id), b"")
        index.entry_count = index.digest = 0

    def fail_index(self, collection: Collection, index: CollectionIndex, failure: str) -> None:
        """End the build of an index; its record stays, and says why."""
        assert index.definition.state == "building", index.definition
        index.definition = index.definition._replace(state="failed")
        index.built_to, index.failure = None, failure
        collection.is_described_anew = True
        self.drop_entries(collection, index)

    def sweep(self, keys_max: int) -> None:
        """Remove the next documents and index entries of what was dropped, in the order of the names."""
        staged = self.staged
        while self.dropped and keys_max > 0:
            # The first by name, not the one dropped first: a replica that restarted knows only the names.
            name = min(self.dropped)
            start, stop = dropped_range(staged.keys, name)
            keys = staged.first_keys(start + self.dropped[name], stop, keys_max)
            staged.changes.update(dict.fromkeys(keys))
            # The place to go on from is kept, because a scan over what was just deleted is slow.
            done = len(keys) < keys_max
            self._set_dropped(name, None if done else keys[-1][len(start) :] + b"\x00")
            keys_max -= len(keys)

    def savepoint(self) -> Savepoint:
        """Return what `roll_back` needs to undo all that commands do from now on. Copies the slice."""
        staged = self.staged
        return Savepoint(
            staged.changes.copy(),
            staged.progress.copy(),
            staged.ordinal,
            {name: None if collection is None else collection.copy() for name, collection in self.touched.items()},
            frozenset(name for name, collection in self.touched.items() if collection and collection.is_described_anew),
            self._collection_count,
            self.next_collection_id,
            self.dropped.copy(),
        )

    def roll_back(self, savepoint: Savepoint) -> None:
        """Undo all that was done since the savepoint; copies of collections that a caller holds are void."""
        staged = self.staged
        staged.changes, staged.progress, staged.ordinal = savepoint.changes, savepoint.progress, savepoint.ordinal
        self.touched = savepoint.touched
        for name in savepoint.described_anew:
            collection = self.touched[name]
            assert collection is not None, name
            collection.is_described_anew = True
        self._collection_count = savepoint.collection_count
        self.next_collection_id = savepoint.next_collection_id
        self.dropped = savepoint.dropped

    def finish(self) -> None:
        """Add the totals of touched collections, and the counters, to the changes."""
        staged, keys = self.staged, self.staged.keys
        for collection in self.touched.values():
            if collection is not None:
                staged.changes[keys.digest(collection.id)] = collection.encode_totals()
                if collection.is_described_anew:
                    staged.put_meta(keys.collection(collection.name), collection.encode_descriptor())
                    collection.is_described_anew = False
        staged.finish()

    def _set_dropped(self, name: str, start: bytes | None) -> None:
        if start is None:
            del self.dropped[name]
        else:
            self.dropped[name] = start
        self.staged.put_meta(self.staged.keys.meta(name), start)


def documents_name(collection_id: int) -> str:
    """Return the META name of the documents of a dropped collection; names sort by id."""
    return f"{DROPPED_PREFIX}{collection_id:010d}"


def entries_name(collection_id: int, index_id: int) -> str:
    """Return the META name of the entries of a dropped index."""
    return f"{documents_name(collection_id)}/{index_id:010d}"


def dropped_range(keys: GroupKeys, name: str) -> tuple[bytes, bytes]:
    """Return (start, stop) of the keys that a META name of a dropped collection or index means."""
    collection_id, *index_id = map(int, name[len(DROPPED_PREFIX) :].split("/"))
    if not index_id:
        return keys.document_range(collection_id)
    prefix = keys.index_prefix(collection_id, *index_id)
    return prefix, prefix_stop(prefix)


def load_dropped(reader: Engine | EngineSnapshot, keys: GroupKeys) -> dict[str, bytes]:
    """Return what is being removed, by name."""
    prefix, head = keys.meta(DROPPED_PREFIX), len(keys.meta(""))
    return {key[head:].decode(): start for key, start in reader.scan(prefix, prefix_stop(prefix))}
