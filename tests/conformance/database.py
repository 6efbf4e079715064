"""A database of one process: the machine of a home group over the memory engine, fed by entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from raftdoc.document import parse_document, with_id
from raftdoc.errors import DuplicateKey, NotFound
from raftdoc.ids import GroupId, Incarnation, Index, Term
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

NOW_MS = 1_750_000_000_000
NOW = {"$date": "2025-06-15T15:06:40Z"}
"""The moment of every step, as milliseconds and as a value."""


class Database:
    def __init__(self) -> None:
        self.engine = MemoryEngine()
        self.machine = DatabaseMachine(self.engine, GroupKeys(GroupId(7), Incarnation(1)))
        self._next_id = 0

    def apply(self, command: bytes) -> Outcome:
        """Apply one command as an entry of its own."""
        index = Index(self.machine.applied_index + 1)
        entry = Entry(index, Term(1), EntryKind.COMMANDS, NOW_MS, commands.batch([command]))
        ((outcome,),) = self.machine.apply([entry])
        return outcome

    def create_collection(self, name: str) -> None:
        self.apply(commands.create_collection(name))

    def drop_collection(self, name: str) -> None:
        self.apply(commands.drop_collection(name))

    def insert(self, collection: str, documents: list[dict[str, Any]]) -> None:
        """Create documents; one without an id gets the next object id.

        Raises:
            InvalidDocument: one is none.
            DuplicateKey: an id is taken.
        """
        self.create_collection(collection)
        for document in documents:
            parsed = parse_document(orjson.dumps(document))
            id_ = self.new_id() if parsed.id is None else parsed.id
            outcome = self.apply(commands.create(collection, id_, with_id(parsed.normal, id_)))
            if outcome.code != "ok":
                raise DuplicateKey(f"{outcome.code}: {id_!r}")

    def new_id(self) -> dict[str, Any]:
        self._next_id += 1
        return {"$oid": f"{self._next_id:024x}"}

    def documents(self, collection: str) -> Iterator[dict[str, Any]]:
        """Iterate over the documents in the order of their ids; of no collection there are none."""
        try:
            listed, _ = self.machine.list_documents(collection, limit=1 << 30, bytes_max=1 << 40)
        except NotFound:
            return
        for stored in listed:
            yield orjson.loads(stored.body)
