"""The state of one database: its collections, documents and idempotency records.

`apply` is the only way in. Reads are of the state as the last apply left it; whether that is recent enough
is the host's business, before it asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgpack

from raftdoc.errors import NotFound
from raftdoc.ids import Index
from raftdoc.limits import APPLY_WORK_BYTES_MAX, ENTRY_BYTES_MAX, IDEMPOTENCY_RECORDS_MAX
from raftdoc.query.index_definition import IndexDefinition
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.collection import Collection, load_collections, stored_document
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_commands import CLOSED_HANDLERS, OPEN_HANDLERS
from raftdoc.statemachine.database_slice import (
    CLOSED_NAME,
    FIRST_COLLECTION_ID,
    NEXT_COLLECTION_NAME,
    DatabaseSlice,
    load_dropped,
)
from raftdoc.statemachine.digest import index_digest_name, machine_digest
from raftdoc.statemachine.dispatch import apply_commands, holds_commands
from raftdoc.statemachine.index_reads import Build, IndexRef, IndexView, builds, expired, fewer_documents, next_stop
from raftdoc.statemachine.index_records import IndexInfo
from raftdoc.statemachine.outcome import CollectionInfo, Outcome, RequestRecord, StoredDocument
from raftdoc.statemachine.reader import DatabaseReader
from raftdoc.statemachine.requests import Requests
from raftdoc.statemachine.staging import Ahead, Staged, load_number, load_progress
from raftdoc.statemachine.update_commands import Modify
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys, prefix_stop

SWEEP_PER_ENTRY_MAX: Final = 256
"""Keys of dropped collections and indexes that each entry of commands removes on the side."""


class DatabaseMachine:
    """Same entries in, same bytes out, however they are cut into calls of apply."""

    def __init__(
        self,
        engine: Engine,
        keys: GroupKeys,
        *,
        requests_max: int = IDEMPOTENCY_RECORDS_MAX,
        changes_max: int | None = None,
    ) -> None:
        """Load the state from the engine. `requests_max` has to be the same on every replica.

        With `changes_max` a call of apply ends with the entry that brings it to so many changed keys.

        Raises:
            StateCorrupt: a record that cannot be read.
            FormatTooNew: a newer version has written here.
        """
        self._engine = engine
        self._keys = keys
        self._changes_max = changes_max
        self._progress = load_progress(engine, keys)
        self._requests = Requests(engine, keys, records_max=requests_max)
        self._collections = load_collections(engine, keys)
        self._next_collection_id = load_number(engine, keys, NEXT_COLLECTION_NAME, FIRST_COLLECTION_ID)
        self._dropped = load_dropped(engine, keys)
        self._driven: set[str] = set()
        """Collections with an index that is being built, or by which documents expire."""
        for collection in self._collections.values():
            self._note_driven(collection)
        closed = engine.get(keys.meta(CLOSED_NAME))
        self._closed = None if closed is None else closed.decode()
        self._ahead: Ahead[DatabaseSlice] = Ahead()

    @property
    def applied_index(self) -> Index:
        return self._progress.applied_index

    @property
    def log_time_ms(self) -> int:
        """Of the last applied entry."""
        return self._progress.log_time_ms

    @property
    def feature_level(self) -> int:
        """The highest level of a command applied so far."""
        return self._progress.feature_level

    @property
    def is_closed(self) -> bool:
        return self._closed is not None

    @property
    def has_dropped_documents(self) -> bool:
        """True while something of dropped collections or indexes is left: every entry removes some, `sweep` more."""
        return bool(self._dropped)

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        """Apply the entries that follow applied_index, in one engine batch; return the outcomes per entry applied.

        These are all entries, or the first ones up to `changes_max` or APPLY_WORK_BYTES_MAX: apply the rest with the
        next call.

        Raises:
            EngineBusy: nothing was written and nothing changed in memory; call again later.
            FormatTooNew: a command that this version does not know.
            StateCorrupt: an entry that is not what entries are.
        """
        if not entries:
            return []
        target, outcomes = self._ahead.take(entries[0], self._slice)
        staged = target.staged
        for entry in entries[len(outcomes) :]:
            if outcomes and (staged.work_bytes >= APPLY_WORK_BYTES_MAX or self._is_full(staged)):
                break
            outcomes.append(self._apply_entry(target, entry))
        target.finish()
        self._engine.write(staged.changes)
        self._commit(target)
        return outcomes

    def _is_full(self, staged: Staged) -> bool:
        return self._changes_max is not None and len(staged.changes) >= self._changes_max

    def weight(self, command: bytes) -> int:
        """Return what a command counts where entries are cut: its bytes, and those of a document that it changes.

        A small change of a large document takes the time of the document. A bulk has an entry of its own.
        """
        op, size = command[1], len(command)
        if op == Op.WRITE_MANY:
            return max(size, ENTRY_BYTES_MAX)
        if op != Op.MODIFY or size >= ENTRY_BYTES_MAX:
            return size
        fields = Modify(*msgpack.unpackb(command))
        collection = self._collections.get(fields.collection)
        stored = None if collection is None else self._engine.get(collection.prefix + fields.step[1])
        return size + len(stored or b"")

    def prepare(self, entry: Entry) -> None:
        """Work out what the entry after applied_index will do, which may never be applied: nothing is changed by it.

        `apply` goes on from there if it is given this very entry next. Raises what `apply` raises.
        """
        self._ahead.prepare(entry, self._slice, self._apply_entry)

    def _slice(self) -> DatabaseSlice:
        return DatabaseSlice(
            Staged(self._engine, self._keys, self._progress),
            OPEN_HANDLERS if self._closed is None else CLOSED_HANDLERS,
            self._collections,
            next_collection_id=self._next_collection_id,
            dropped=self._dropped,
            closed=self._closed,
        )

    def _apply_entry(self, target: DatabaseSlice, entry: Entry) -> list[Outcome]:
        target.staged.begin(entry)
        if not holds_commands(entry):
            return []
        self._requests.forget(target.staged)
        if target.dropped:
            target.sweep(SWEEP_PER_ENTRY_MAX)
        return apply_commands(target, self._requests, entry)

    def _commit(self, target: DatabaseSlice) -> None:
        self._progress = target.staged.progress
        self._requests.commit(target.staged)
        for name, collection in target.touched.items():
            if collection is None:
                self._collections.pop(name, None)
                self._driven.discard(name)
            else:
                self._collections[name] = collection
                if collection.indexes or name in self._driven:
                    self._note_driven(collection)
        self._next_collection_id = target.next_collection_id
        self._dropped = target.dropped
        self._closed = target.closed

    def get(self, collection: str, id_key: bytes) -> StoredDocument | None:
        """Return a document; None: the collection has none of this id.

        Raises:
            NotFound: there is no such collection, or the database is closed.
        """
        value = self._engine.get(self._collection(collection).prefix + id_key)
        return None if value is None else stored_document(value)

    def list_documents(
        self, collection: str, *, after: bytes | None = None, limit: int, bytes_max: int
    ) -> tuple[list[StoredDocument], bytes | None]:
        """Return documents in the order of their ids, from behind the id key `after`.

        At most `limit` (at least 1), and no further than the first that reaches bytes_max. Second: the id key to go
        on after, None at the end.

        Raises:
            NotFound: there is no such collection, or the database is closed.
        """
        prefix = self._collection(collection).prefix
        start = prefix if after is None else prefix + after + b"\x00"
        documents: list[StoredDocument] = []
        byte_count, last = 0, b""
        for key, value in self._engine.scan(start, prefix_stop(prefix)):
            if len(documents) >= limit or byte_count >= bytes_max:
                return documents, last[len(prefix) :]
            documents.append(stored_document(value))
            byte_count += len(value)
            last = key
        return documents, None

    def reader(self) -> DatabaseReader:
        """Return the state as it is now, for queries; it has to be closed.

        Raises:
            NotFound: the database is closed.
        """
        self._check_open()
        return DatabaseReader(self._engine, self._collections)

    def collections(self) -> list[CollectionInfo]:
        """Return all collections in the order of their names.

        Raises:
            NotFound: the database is closed.
        """
        self._check_open()
        return [self._collections[name].info() for name in sorted(self._collections)]

    def collection(self, name: str) -> CollectionInfo:
        """Return a collection.

        Raises:
            NotFound: there is none, or the database is closed.
        """
        return self._collection(name).info()

    def indexes(self, collection: str) -> tuple[IndexDefinition, ...]:
        """Return the indexes of a collection, in the order they were made; those that are not ready among them.

        Raises:
            NotFound: there is no such collection, or the database is closed.
        """
        return tuple([index.definition for index in self._collection(collection).indexes])

    def index_infos(self, collection: str) -> list[IndexInfo]:
        """Return what is told of each index. Raises as `indexes` does."""
        return [index.info() for index in self._collection(collection).indexes]

    def index_view(self, collection: str, name: str) -> IndexView:
        """Return what reads the entries of an index that is ready.

        Raises:
            NotFound: there is no such index, or it is not ready; and as `indexes`.
        """
        index = self._collection(collection).index(name)
        if index is None or index.definition.state != "ready":
            raise NotFound("index", name)
        return IndexView(index)

    def index_builds(self) -> list[Build]:
        """Return the builds that are under way; none of a database that is closed."""
        return builds(self._driven_collections()) if self._driven else []

    def next_stop(self, build: Build, *, documents_max: int, bytes_max: int) -> bytes | None:
        """Return where the step of a build that begins at `built_to` ends; None: at the end of the collection.

        Documents that make several entries each, by what the build has seen so far, count so often.
        """
        prefix = self._keys.document_prefix(build.ref.collection_id)
        documents_max = fewer_documents(self._collections.get(build.ref.collection), build.ref, documents_max)
        return next_stop(self._engine, prefix, build.built_to, documents_max, bytes_max)

    def expired(self, time_ms: int) -> list[IndexRef]:
        """Return the time-to-live indexes by which some document is over at time_ms."""
        return expired(self._engine, self._driven_collections(), time_ms) if self._driven else []

    def request_outcome(self, key: str) -> RequestRecord | None:
        """Return what is remembered of an idempotency key."""
        return self._requests.get(key)

    def digest(self) -> dict[str, str]:
        """Return the state digest by collection, and of `$requests` and `$meta`.

        Replicas at equal applied index have equal digests; `digest` recomputes them from what is stored.
        """
        collections = {}
        for name, collection in self._collections.items():
            collections[name] = collection.digest_text()
            for index in collection.indexes:
                if index.definition.state != "failed":
                    collections[index_digest_name(name, index.definition.name)] = index.digest_text()
        return machine_digest(self._progress, self._keys, collections)

    def _note_driven(self, collection: Collection) -> None:
        if any(index.needs_driver for index in collection.indexes):
            self._driven.add(collection.name)
        else:
            self._driven.discard(collection.name)

    def _driven_collections(self) -> list[Collection]:
        return [] if self.is_closed else [self._collections[name] for name in sorted(self._driven)]

    def _collection(self, name: str) -> Collection:
        self._check_open()
        try:
            return self._collections[name]
        except KeyError:
            raise NotFound("collection", name) from None

    def _check_open(self) -> None:
        if self._closed is not None:
            raise NotFound("database", self._closed)
