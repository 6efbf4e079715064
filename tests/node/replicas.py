"""Replicas around cores that a test holds by the hand."""

from __future__ import annotations

from raftdoc.ids import GroupId, Incarnation
from raftdoc.node.replica import Replica
from raftdoc.statemachine.database_machine import DatabaseMachine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine
from tests.raft.lone import Lone

GROUP, INCARNATION = GroupId(1), Incarnation(1)


def replica_of(node: Lone) -> Replica:
    """Return a replica with an empty state around a core."""
    return Replica(GROUP, INCARNATION, node.core, DatabaseMachine(MemoryEngine(), GroupKeys(GROUP, INCARNATION)))
