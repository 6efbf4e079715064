"""The state of group 0: nodes, databases, which group serves a database and where its replicas are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from raftdoc.ids import ClusterId, GroupId, Index, NodeId
from raftdoc.limits import IDEMPOTENCY_RECORDS_MAX
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.catalog_commands import CATALOG_HANDLERS
from raftdoc.statemachine.catalog_records import (
    FIRST_GROUP,
    NEXT_GROUP_NAME,
    ClusterRecord,
    DatabaseRecord,
    NodeRecord,
    RebalancingRecord,
    load_cluster,
    load_databases,
    load_nodes,
    load_rebalancing,
)
from raftdoc.statemachine.catalog_slice import CatalogSlice
from raftdoc.statemachine.digest import machine_digest
from raftdoc.statemachine.dispatch import apply_commands, holds_commands
from raftdoc.statemachine.outcome import Outcome, RequestRecord
from raftdoc.statemachine.requests import Requests
from raftdoc.statemachine.staging import Ahead, Staged, load_number, load_progress
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys

__all__ = ["CatalogMachine", "ClusterRecord", "DatabaseRecord", "NodeRecord", "RebalancingRecord"]


class CatalogMachine:
    """Same entries in, same bytes out, however they are cut into calls of apply."""

    def __init__(self, engine: Engine, keys: GroupKeys, *, requests_max: int = IDEMPOTENCY_RECORDS_MAX) -> None:
        """Load the state from the engine. `requests_max` has to be the same on every replica.

        Raises:
            StateCorrupt: a record that cannot be read.
            FormatTooNew: a newer version has written here.
        """
        self._engine = engine
        self._keys = keys
        self._progress = load_progress(engine, keys)
        self._requests = Requests(engine, keys, records_max=requests_max)
        self._cluster = load_cluster(engine, keys)
        self._nodes = load_nodes(engine, keys)
        self._databases = load_databases(engine, keys)
        self._next_group = GroupId(load_number(engine, keys, NEXT_GROUP_NAME, FIRST_GROUP))
        self._rebalancing = load_rebalancing(engine, keys)
        self._ahead: Ahead[CatalogSlice] = Ahead()

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
    def cluster_id(self) -> ClusterId | None:
        """None until the catalog is initialised."""
        return None if self._cluster is None else self._cluster.id

    @property
    def cursor_key(self) -> bytes | None:
        """Signs cursors, 32 bytes; None until the catalog is initialised."""
        return None if self._cluster is None else self._cluster.cursor_key

    @property
    def nodes(self) -> Mapping[NodeId, NodeRecord]:
        """By id; those that were removed are in it, for good."""
        return MappingProxyType(self._nodes)

    @property
    def databases(self) -> Mapping[str, DatabaseRecord]:
        """By name; those being dropped are in it, with state `closing`."""
        return MappingProxyType(self._databases)

    @property
    def next_group(self) -> GroupId:
        """Every group id given so far is below it."""
        return self._next_group

    @property
    def rebalancing(self) -> RebalancingRecord:
        """The last rebalancing pass."""
        return self._rebalancing

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        """Apply the entries that follow applied_index, in one engine batch; return the outcomes per entry.

        Raises:
            EngineBusy: nothing was written and nothing changed in memory; call again later.
            FormatTooNew: a command that this version does not know.
            StateCorrupt: an entry that is not what entries are.
        """
        if not entries:
            return []
        target, outcomes = self._ahead.take(entries[0], self._slice)
        outcomes += [self._apply_entry(target, entry) for entry in entries[len(outcomes) :]]
        staged = target.staged
        staged.finish()
        self._engine.write(staged.changes)
        self._commit(target)
        return outcomes

    def weight(self, command: bytes) -> int:
        """Return its bytes: there are no large records."""
        return len(command)

    def prepare(self, entry: Entry) -> None:
        """Work out what the entry after applied_index will do, which may never be applied: nothing is changed by it.

        `apply` goes on from there if it is given this very entry next. Raises what `apply` raises.
        """
        self._ahead.prepare(entry, self._slice, self._apply_entry)

    def _slice(self) -> CatalogSlice:
        return CatalogSlice(
            Staged(self._engine, self._keys, self._progress),
            self._cluster,
            self._nodes,
            self._databases,
            self._next_group,
            self._rebalancing,
            CATALOG_HANDLERS,
        )

    def _apply_entry(self, target: CatalogSlice, entry: Entry) -> list[Outcome]:
        target.staged.begin(entry)
        if not holds_commands(entry):
            return []
        self._requests.forget(target.staged)
        return apply_commands(target, self._requests, entry)

    def _commit(self, target: CatalogSlice) -> None:
        self._progress = target.staged.progress
        self._requests.commit(target.staged)
        self._cluster = target.cluster
        self._nodes = target.nodes
        self._databases = target.databases
        self._next_group = target.next_group
        self._rebalancing = target.rebalancing

    def request_outcome(self, key: str) -> RequestRecord | None:
        """Return what is remembered of an idempotency key."""
        return self._requests.get(key)

    def digest(self) -> dict[str, str]:
        """Return the state digest of `$requests` and `$meta`: equal on replicas at equal applied index."""
        return machine_digest(self._progress, self._keys, {})
