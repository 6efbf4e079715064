"""State machines that tell the world what they applied, and the factory that builds replicas around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from raftdoc.cluster.factory import ReplicaFactory
from raftdoc.ids import CATALOG_GROUP, GroupId, Incarnation
from raftdoc.limits import APPLY_CHANGES_MAX
from raftdoc.node.replica import StateMachine
from raftdoc.raft.messages import Entry
from raftdoc.statemachine.catalog_machine import CatalogMachine
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys

Applied: TypeAlias = Callable[[GroupId, StateMachine, Sequence[Entry], list[list[Outcome]]], None]
"""Called after each apply, with the entries that were applied and what became of their commands."""


class WatchedDatabase(DatabaseMachine):
    def __init__(self, engine: Engine, keys: GroupKeys, on_applied: Applied) -> None:
        super().__init__(engine, keys, changes_max=APPLY_CHANGES_MAX)
        self._on_applied = on_applied
        self._group = keys.group

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        outcomes = super().apply(entries)
        self._on_applied(self._group, self, entries[: len(outcomes)], outcomes)
        return outcomes


class WatchedCatalog(CatalogMachine):
    def __init__(self, engine: Engine, keys: GroupKeys, on_applied: Applied) -> None:
        super().__init__(engine, keys)
        self._on_applied = on_applied

    def apply(self, entries: Sequence[Entry]) -> list[list[Outcome]]:
        outcomes = super().apply(entries)
        self._on_applied(CATALOG_GROUP, self, entries[: len(outcomes)], outcomes)
        return outcomes


class WatchedFactory(ReplicaFactory):
    """Builds the product's replicas; `watch` before the first."""

    def watch(self, engine: Engine, on_applied: Applied) -> None:
        self._watched_engine = engine
        self._on_applied = on_applied

    def machine(self, group: GroupId, incarnation: Incarnation) -> StateMachine:
        keys = GroupKeys(group, incarnation)
        if group == CATALOG_GROUP:
            return WatchedCatalog(self._watched_engine, keys, self._on_applied)
        return WatchedDatabase(self._watched_engine, keys, self._on_applied)
