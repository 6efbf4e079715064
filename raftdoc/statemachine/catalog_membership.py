"""What the commands of membership do: the life of a node, and where the replicas of a group are to be.

A node's life, and the commands that change it:

    ADD_NODE -> joining -> member <-> draining
                   \\         |          |
                    `--------+----------+---> leaving -> removed

One node joins or leaves at a time. A removed one stays in the catalog, so that its id is never used again. Every
command may come twice, or late: it is decided by what is there when it is applied.
"""

from __future__ import annotations

from typing import Final

from raftdoc.ids import NodeId
from raftdoc.limits import CLUSTER_NODES_MAX, REMOVED_NODES_MAX, REPLICAS_MAX
from raftdoc.sharding.view import NodeState
from raftdoc.statemachine.catalog_records import NodeRecord
from raftdoc.statemachine.catalog_slice import CatalogSlice
from raftdoc.statemachine.dispatch import Command
from raftdoc.statemachine.outcome import OK, Outcome

WAYS: Final[frozenset[tuple[NodeState, NodeState]]] = frozenset(
    {
        ("joining", "member"),
        ("member", "draining"),
        ("draining", "member"),
        ("joining", "leaving"),
        ("member", "leaving"),
        ("draining", "leaving"),
        ("leaving", "removed"),
    }
)
"""From which state a node may come into which."""

PENDING: Final = frozenset({"joining", "leaving"})
HOSTS: Final = frozenset({"member", "draining", "leaving"})
"""States of nodes that have, or may still have, replicas of databases."""


def register_node(target: CatalogSlice, command: Command) -> Outcome:
    record = NodeRecord(*command[3:])
    time_ms = target.staged.time_ms
    known = target.nodes.get(record.id)
    if known is None:
        if _is_full(target):
            return Outcome("limit_reached", time_ms=time_ms)
        target.set_node(record)
        return Outcome(OK, created=True, time_ms=time_ms)
    if known.state == "removed":
        return Outcome("node_id_used", data=known.state, time_ms=time_ms)
    if known.store_id != record.store_id:
        return Outcome("wrong_store", data=known.store_id, time_ms=time_ms)
    _update(target, known, record)
    return Outcome(OK, time_ms=time_ms)


def add_node(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, cluster_id, node, store_id, http, peer, host = command
    record = NodeRecord(node, store_id, http, peer, host, "joining")
    time_ms = target.staged.time_ms
    if target.cluster is None or target.cluster.id != cluster_id:
        return Outcome("other_cluster", time_ms=time_ms)
    known = target.nodes.get(record.id)
    if known is not None:
        if known.state == "removed" or known.store_id != record.store_id:
            return Outcome("node_id_used", data=known.state, time_ms=time_ms)
        _update(target, known, record)
        return Outcome(OK, time_ms=time_ms)
    pending = _pending(target, record.id)
    if pending is not None:
        return Outcome("change_pending", data=pending, time_ms=time_ms)
    if _is_full(target):
        return Outcome("limit_reached", time_ms=time_ms)
    target.set_node(record)
    return Outcome(OK, created=True, time_ms=time_ms)


def set_node_state(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, node, state = command
    time_ms = target.staged.time_ms
    known = target.nodes.get(node)
    if known is None:
        return Outcome("node_not_found", time_ms=time_ms)
    if known.state == state or (known.state == "removed" and state == "leaving"):
        return Outcome(OK, data=known.state, time_ms=time_ms)
    if (known.state, state) not in WAYS:
        return Outcome("conflict", data=known.state, time_ms=time_ms)
    refusal = _refuse_leaving(target, node) if state == "leaving" else None
    if refusal is None and state == "removed" and _has_replicas(target, node):
        refusal = Outcome("conflict", data=known.state, time_ms=time_ms)
    if refusal is not None:
        return refusal
    target.set_node(known._replace(state=state))
    return Outcome(OK, data=state, time_ms=time_ms)


def place_group(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, group, generation, replicas, note = command
    time_ms = target.staged.time_ms
    record = target.database_of(group)
    if record is None:
        return Outcome("group_not_found", time_ms=time_ms)
    nodes = [target.nodes.get(node) for node in replicas]
    are_hosts = all(node is not None and node.state in HOSTS for node in nodes)
    if record.generation != generation or not are_hosts or not 0 < len(set(replicas)) <= REPLICAS_MAX:
        return Outcome("conflict", data=record.generation, time_ms=time_ms)
    target.set_database(
        record._replace(
            replicas=tuple(sorted({*record.replicas, *replicas})),
            wanted=tuple(sorted(set(replicas))),
            generation=generation + 1,
            note=note,
        )
    )
    return Outcome(OK, data=generation + 1, time_ms=time_ms)


def settle_group(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, group, generation = command
    time_ms = target.staged.time_ms
    record = target.database_of(group)
    if record is None:
        return Outcome("group_not_found", time_ms=time_ms)
    if record.generation != generation:
        return Outcome("conflict", data=record.generation, time_ms=time_ms)
    if record.wanted:
        target.set_database(record._replace(replicas=record.wanted, wanted=()))
    return Outcome(OK, time_ms=time_ms)


def is_removed(target: CatalogSlice, node: NodeId) -> bool:
    known = target.nodes.get(node)
    return known is not None and known.state == "removed"


def _update(target: CatalogSlice, known: NodeRecord, record: NodeRecord) -> None:
    """Take over the addresses of a node that is known; its state is not its own to say."""
    record = record._replace(state=known.state)
    if record != known:
        target.set_node(record)


def _is_full(target: CatalogSlice) -> bool:
    removed = sum(record.state == "removed" for record in target.nodes.values())
    return len(target.nodes) - removed >= CLUSTER_NODES_MAX or removed >= REMOVED_NODES_MAX


def _pending(target: CatalogSlice, node: NodeId) -> NodeId | None:
    """Return another node that joins or leaves now."""
    return next((other.id for other in target.nodes.values() if other.state in PENDING and other.id != node), None)


def _refuse_leaving(target: CatalogSlice, node: NodeId) -> Outcome | None:
    time_ms = target.staged.time_ms
    pending = _pending(target, node)
    if pending is not None:
        return Outcome("change_pending", data=pending, time_ms=time_ms)
    if not any(other.state == "member" for other in target.nodes.values() if other.id != node):
        return Outcome("quorum_at_risk", time_ms=time_ms)
    return None


def _has_replicas(target: CatalogSlice, node: NodeId) -> bool:
    return any(node in record.replicas for record in target.databases.values())
