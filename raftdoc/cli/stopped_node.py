"""The data directory of a node that is stopped, open for reading: its log, its groups, its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgpack

from raftdoc.document import decode_key
from raftdoc.errors import StateCorrupt
from raftdoc.ids import CATALOG_GROUP, GroupId, Incarnation, Index, NodeId
from raftdoc.raft.messages import Entry, EntryKind
from raftdoc.statemachine.catalog_machine import CatalogMachine
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.digest import differing, recompute_digest
from raftdoc.storage.data_directory import DataDirectory, Identity
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.log.files import DirectoryFiles
from raftdoc.storage.log.reading import FrameReader, GroupReader
from raftdoc.storage.log.recovery import Recovered, recover
from raftdoc.storage.memory import MemoryEngine
from raftdoc.storage.rocksdb import RocksEngine

ENTRIES_READ_BYTES = 1 << 20
ENTRIES_REPLAYED_MAX = 1 << 40
SHOWN_CHARS_MAX = 60
OPS_ON_ONE_DOCUMENT = (Op.PUT, Op.PUT_IF, Op.CREATE, Op.DELETE)
ID_KEY_POSITION = 1
"""Among the fields of those."""


class GroupReport(NamedTuple):
    """What log and state know of one group."""

    group: GroupId
    database: str | None
    """None: the catalog, or no database has this group any more."""
    term: int
    vote: str | None
    voters: tuple[NodeId, ...]
    first_index: Index
    last_index: Index
    applied_index: Index
    """Of the state as it was last flushed; what follows is replayed at the next start."""
    collections: int
    documents: int


class StoppedNode:
    """Made by `open_stopped`. Changes nothing on disk."""

    def __init__(self, identity: Identity, files: DirectoryFiles, engine: Engine) -> None:
        self.identity = identity
        self.log: Recovered = recover(files)
        self._frames = FrameReader(files)
        self._engine = engine
        self._catalog = self._catalog_machine()

    def groups(self) -> list[GroupReport]:
        """Return a report of every group in the log.

        Raises:
            StateCorrupt: a record of the state cannot be read.
        """
        return [self._group(group) for group, log in sorted(self.log.groups.items()) if not log.has_left]

    def entries(self, group: GroupId, first: Index, count: int) -> Iterator[Entry]:
        """Yield up to count entries of a group from first on, or from the first that is kept.

        Raises:
            LogCorrupt: a frame is damaged.
        """
        log = self.log.groups[group]
        index = max(first, log.compacted_index + 1)
        last = min(log.last_index, index + count - 1)
        reader = GroupReader(group, self.log.groups, self._frames)
        while index <= last:
            entries = reader.read(Index(index), Index(last), ENTRIES_READ_BYTES)
            yield from entries
            index = entries[-1].index + 1

    def nodes(self) -> dict[NodeId, str]:
        """Return the URLs of the cluster's nodes, by all that this node's log says of the catalog, committed or not."""
        catalog = self._replayed_catalog()
        return {node: record.http for node, record in catalog.nodes.items() if record.state != "removed"}

    def digest(self, group: GroupId) -> tuple[dict[str, str], list[str]]:
        """Return the digests of a group worked out from what is stored, and the names whose kept digest differs."""
        keys = GroupKeys(group, self.log.groups[group].incarnation)
        found = recompute_digest(self._engine, keys)
        return found, differing(found, self._machine(group).digest())

    def close(self) -> None:
        self._frames.close()
        self._engine.close()

    def _group(self, group: GroupId) -> GroupReport:
        log, machine = self.log.groups[group], self._machine(group)
        is_readable = isinstance(machine, DatabaseMachine) and not machine.is_closed
        collections = machine.collections() if is_readable and isinstance(machine, DatabaseMachine) else []
        return GroupReport(
            group=group,
            database=self._database_of(group),
            term=log.hard_state.term,
            vote=log.hard_state.vote,
            voters=log.configuration.voters if log.configuration else (),
            first_index=Index(log.compacted_index + 1),
            last_index=log.last_index,
            applied_index=machine.applied_index,
            collections=len(collections),
            documents=sum(info.document_count for info in collections),
        )

    def _machine(self, group: GroupId) -> CatalogMachine | DatabaseMachine:
        if group == CATALOG_GROUP:
            return self._catalog
        return DatabaseMachine(self._engine, GroupKeys(group, self.log.groups[group].incarnation))

    def _catalog_machine(self) -> CatalogMachine:
        log = self.log.groups.get(CATALOG_GROUP)
        return CatalogMachine(self._engine, GroupKeys(CATALOG_GROUP, log.incarnation if log else Incarnation(1)))

    def _replayed_catalog(self) -> CatalogMachine:
        """Return the catalog as a start would bring it about, made in memory."""
        if CATALOG_GROUP not in self.log.groups:
            return self._catalog
        keys = GroupKeys(CATALOG_GROUP, self.log.groups[CATALOG_GROUP].incarnation)
        memory = MemoryEngine()
        memory.write(dict(self._engine.scan(*keys.range())))
        machine = CatalogMachine(memory, keys)
        machine.apply(list(self.entries(CATALOG_GROUP, Index(machine.applied_index + 1), ENTRIES_REPLAYED_MAX)))
        return machine

    def _database_of(self, group: GroupId) -> str | None:
        return next((name for name, record in self._catalog.databases.items() if record.group == group), None)


@contextmanager
def open_stopped(path: Path) -> Iterator[StoppedNode]:
    """Open a directory and keep its node from starting meanwhile.

    Raises:
        DataDirectoryLocked: the node runs.
        FormatTooNew, LogCorrupt, StateCorrupt: as at a start of the node.
        NotADirectoryError: this is no data directory of a node.
    """
    identity = DataDirectory.identity_at(path)
    directory = DataDirectory.open(path, cluster=identity.cluster, node=identity.node)
    try:
        stopped = StoppedNode(
            directory.identity, DirectoryFiles(directory.log_path), RocksEngine(directory.state_path, read_only=True)
        )
        try:
            yield stopped
        finally:
            stopped.close()
    finally:
        directory.close()


def describe_entry(entry: Entry) -> str:
    """Return what an entry is, in one line, and a line for each command it carries.

    Raises:
        StateCorrupt: the payload is no array of commands.
    """
    commands = _commands(entry) if entry.kind == EntryKind.COMMANDS else []
    head = f"{entry.index}  term {entry.term}  {EntryKind(entry.kind).name.lower()}  {len(entry.payload)} bytes"
    return "\n".join([head, *(f"    {_describe_command(command)}" for command in commands)])


def _commands(entry: Entry) -> list[list[Any]]:
    try:
        commands = msgpack.unpackb(entry.payload)
    except ValueError as error:
        raise StateCorrupt(f"the payload of entry {entry.index} is not msgpack: {error}") from error
    return list(commands)


def _describe_command(command: list[Any]) -> str:
    op, _, request, *fields = command
    name = Op(op).name.lower() if op in set(Op) else f"op {op}"
    shown = ", ".join(_describe_field(op, position, field) for position, field in enumerate(fields))
    return f"{name} {shown}" + (f"  key {request[0]}" if request else "")


def _describe_field(op: int, position: int, field: Any) -> str:
    if op in OPS_ON_ONE_DOCUMENT and position == ID_KEY_POSITION:
        return repr(decode_key(field)[0])
    if isinstance(field, list):
        return f"[{len(field)} items]"
    text = field.decode(errors="replace") if isinstance(field, bytes) else str(field)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}... ({len(text)} characters)"
