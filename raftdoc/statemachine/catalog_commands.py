"""What the commands of the catalog do: its identity, databases, passes. Those of membership stand beside."""

from __future__ import annotations

from typing import Final

from raftdoc.limits import DATABASES_MAX, REPLICAS
from raftdoc.statemachine.catalog_membership import (
    add_node,
    is_removed,
    place_group,
    register_node,
    set_node_state,
    settle_group,
)
from raftdoc.statemachine.catalog_records import ClusterRecord, DatabaseRecord, RebalancingRecord
from raftdoc.statemachine.catalog_slice import CatalogSlice
from raftdoc.statemachine.commands import Op
from raftdoc.statemachine.dispatch import Command, Handler
from raftdoc.statemachine.outcome import OK, Outcome


def initialise(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, cluster_id, cursor_key = command
    time_ms = target.staged.time_ms
    if target.cluster is None:
        target.set_cluster(ClusterRecord(cluster_id, cursor_key, time_ms))
        return Outcome(OK, created=True, time_ms=time_ms)
    return Outcome(OK if target.cluster.id == cluster_id else "wrong_cluster", time_ms=time_ms)


def create_database(target: CatalogSlice, command: Command) -> Outcome:
    # The count is missing in commands of before there was one.
    _, _, _, name, options, replicas, preferred_leader, *count = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is not None:
        is_same = known.state == "open" and known.options_json == options
        return Outcome(OK if is_same else "conflict", data=known.group, time_ms=time_ms)
    if len(target.databases) >= DATABASES_MAX:
        return Outcome("limit_reached", time_ms=time_ms)
    group = target.take_group()
    replica_count = count[0] if count else REPLICAS
    # Chosen from an older view: a node that is gone by now gets nothing.
    replicas = tuple(node for node in replicas if not is_removed(target, node)) or replicas
    preferred_leader = preferred_leader if preferred_leader in replicas else replicas[0]
    target.set_database(
        DatabaseRecord(name, group, time_ms, options, "open", replicas, preferred_leader, replica_count)
    )
    return Outcome(OK, created=True, data=group, time_ms=time_ms)


def drop_database(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, name = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is None:
        return Outcome("database_not_found", time_ms=time_ms)
    if known.state != "closing":
        target.set_database(known._replace(state="closing"))
    return Outcome(OK, data=known.group, time_ms=time_ms)


def forget_database(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, name, group = command
    time_ms = target.staged.time_ms
    known = target.databases.get(name)
    if known is None or known.group != group:
        return Outcome("database_not_found", time_ms=time_ms)
    if known.state != "closing":
        return Outcome("conflict", time_ms=time_ms)
    target.remove_database(name)
    return Outcome(OK, time_ms=time_ms)


def begin_rebalancing(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, total = command
    time_ms = target.staged.time_ms
    known = target.rebalancing
    if known.is_open:
        return Outcome(OK, data=known.number, time_ms=time_ms)
    target.set_rebalancing(RebalancingRecord(known.number + 1, total, is_open=True))
    return Outcome(OK, created=True, data=known.number + 1, time_ms=time_ms)


def end_rebalancing(target: CatalogSlice, command: Command) -> Outcome:
    _, _, _, number, note = command
    time_ms = target.staged.time_ms
    known = target.rebalancing
    if number != known.number or not number:
        return Outcome("conflict", data=known.number, time_ms=time_ms)
    if known.is_open:
        target.set_rebalancing(known._replace(is_open=False, note=note))
    return Outcome(OK, time_ms=time_ms)


CATALOG_HANDLERS: Final[dict[int, Handler[CatalogSlice]]] = {
    Op.INITIALISE: initialise,
    Op.REGISTER_NODE: register_node,
    Op.CREATE_DATABASE: create_database,
    Op.DROP_DATABASE: drop_database,
    Op.FORGET_DATABASE: forget_database,
    Op.ADD_NODE: add_node,
    Op.SET_NODE_STATE: set_node_state,
    Op.PLACE_GROUP: place_group,
    Op.SETTLE_GROUP: settle_group,
    Op.BEGIN_REBALANCING: begin_rebalancing,
    Op.END_REBALANCING: end_rebalancing,
}
