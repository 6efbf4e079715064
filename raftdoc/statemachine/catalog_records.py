"""What the catalog knows, and how it is stored: one META record per node and per database."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgpack
import orjson

from raftdoc.errors import StateCorrupt
from raftdoc.ids import ClusterId, GroupId, NodeId, StoreId
from raftdoc.limits import REPLICAS
from raftdoc.sharding.view import NodeState
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys, prefix_stop

CLUSTER_NAME: Final = "cluster"
NEXT_GROUP_NAME: Final = "next_group"
REBALANCING_NAME: Final = "rebalancing"
NODE_PREFIX: Final = "node/"
DATABASE_PREFIX: Final = "database/"

FIRST_GROUP: Final = GroupId(1)

DatabaseState = Literal["open", "closing"]


class ClusterRecord(NamedTuple):
    id: ClusterId
    cursor_key: bytes
    created_ms: int


class NodeRecord(NamedTuple):
    id: NodeId
    store_id: StoreId
    http: str
    peer: str
    host: str
    state: NodeState = "member"


class DatabaseRecord(NamedTuple):
    name: str
    group: GroupId
    created_ms: int
    options_json: bytes
    """Sorted names."""
    state: DatabaseState
    replicas: tuple[NodeId, ...]
    """Who has a replica now; while the group moves, those it leaves and those it goes to."""
    preferred_leader: NodeId
    replica_count: int = REPLICAS
    wanted: tuple[NodeId, ...] = ()
    """Where the replicas are to be, while the group moves; empty: they are there."""
    generation: int = 0
    """How often the group was placed anew. 0: its replicas begin with `replicas` as their configuration; later ones
    begin with none and learn it from the log."""
    note: str = ""
    """Why the last move was given up; empty: it was not."""

    @property
    def placement(self) -> tuple[NodeId, ...]:
        """Where the replicas are to be."""
        return self.wanted or self.replicas

    @property
    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = orjson.loads(self.options_json)
        return options


class RebalancingRecord(NamedTuple):
    """The last rebalancing pass; number 0: there was none yet."""

    number: int = 0
    total: int = 0
    """How many steps were to be done when it began."""
    is_open: bool = False
    note: str = ""
    """What it had to leave as it was."""


def encode_record(record: ClusterRecord | NodeRecord | DatabaseRecord | RebalancingRecord) -> bytes:
    encoded: bytes = msgpack.packb(tuple(record))
    return encoded


def load_cluster(engine: Engine, keys: GroupKeys) -> ClusterRecord | None:
    stored = engine.get(keys.meta(CLUSTER_NAME))
    return None if stored is None else ClusterRecord(*_decode(keys, CLUSTER_NAME, stored))


def load_nodes(engine: Engine, keys: GroupKeys) -> dict[NodeId, NodeRecord]:
    records = [NodeRecord(*fields) for fields in _load(engine, keys, NODE_PREFIX)]
    return {record.id: record for record in records}


def load_databases(engine: Engine, keys: GroupKeys) -> dict[str, DatabaseRecord]:
    records = [DatabaseRecord(*fields) for fields in _load(engine, keys, DATABASE_PREFIX)]
    return {record.name: record for record in records}


def load_rebalancing(engine: Engine, keys: GroupKeys) -> RebalancingRecord:
    stored = engine.get(keys.meta(REBALANCING_NAME))
    return RebalancingRecord() if stored is None else RebalancingRecord(*_decode(keys, REBALANCING_NAME, stored))


def _load(engine: Engine, keys: GroupKeys, prefix: str) -> list[Any]:
    start = keys.meta(prefix)
    return [_decode(keys, prefix, value) for _, value in engine.scan(start, prefix_stop(start))]


def _decode(keys: GroupKeys, name: str, stored: bytes) -> Any:
    try:
        return msgpack.unpackb(stored, use_list=False)
    except ValueError as error:
        raise StateCorrupt(f"group {keys.group}: the record META {name!r}: {error}") from error
