"""The catalog: the life of a node, and where groups are placed. Every command is decided when it is applied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.ids import CATALOG_GROUP, ClusterId, GroupId, Incarnation, NodeId, StoreId
from raftdoc.limits import CLUSTER_NODES_MAX
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import CatalogMachine, NodeRecord
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import Outcome
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

from .histories import entry

KEYS = GroupKeys(CATALOG_GROUP, Incarnation(1))
CLUSTER = ClusterId("c")
STATES = ("joining", "member", "draining", "leaving", "removed")
G1 = GroupId(1)


class Catalog:
    def __init__(self, *members: str) -> None:
        self.engine = MemoryEngine()
        self.machine = CatalogMachine(self.engine, KEYS)
        self.one(commands.initialise(CLUSTER, b"k" * 32))
        for member in members:
            self.one(register(member))

    def one(self, payload: bytes) -> Outcome:
        ((outcome,),) = self.machine.apply([entry(self.machine.applied_index + 1, [payload])])
        return outcome

    def code(self, payload: bytes) -> str:
        return self.one(payload).code

    def state(self, node: str) -> str:
        return self.machine.nodes[NodeId(node)].state


def register(node: str, store: str = "") -> bytes:
    return commands.register_node(NodeId(node), StoreId(store or f"s-{node}"), http="http://h:1", peer="h:2", host="h")


def add(node: str, store: str = "", *, cluster: ClusterId = CLUSTER, peer: str = "h:2") -> bytes:
    store_id = StoreId(store or f"s-{node}")
    return commands.add_node(cluster, NodeId(node), store_id, http="http://h:1", peer=peer, host="h")


def state(node: str, wanted: str) -> bytes:
    return commands.set_node_state(NodeId(node), wanted)  # type: ignore[arg-type]


def database(name: str, *nodes: str) -> bytes:
    return commands.create_database(name, None, replicas=list(map(NodeId, nodes)), preferred_leader=NodeId(nodes[0]))


def place(generation: int, *nodes: str, note: str = "") -> bytes:
    return commands.place_group(G1, generation, list(map(NodeId, nodes)), note=note)


def test_a_node_joins_becomes_a_member_leaves_and_is_never_forgotten() -> None:
    catalog = Catalog("n1", "n2", "n3")
    first, again = catalog.one(add("n4")), catalog.one(add("n4", peer="h:9"))
    assert (first.code, first.created, again.code, again.created) == ("ok", True, "ok", False)
    assert catalog.machine.nodes[NodeId("n4")] == NodeRecord(
        NodeId("n4"), StoreId("s-n4"), "http://h:1", "h:9", "h", "joining"
    )
    for wanted in ("member", "draining", "member", "leaving", "removed"):
        assert catalog.code(state("n4", wanted)) == "ok"
        assert catalog.code(state("n4", wanted)) == "ok"
        assert catalog.state("n4") == wanted
    assert catalog.code(add("n4")) == catalog.code(register("n4")) == "node_id_used"
    assert catalog.code(state("n4", "leaving")) == "ok"
    assert catalog.code(state("n4", "member")) == "conflict"
    assert CatalogMachine(catalog.engine, KEYS).nodes == catalog.machine.nodes


def test_an_id_belongs_to_its_data_directory_and_a_cluster_to_its_id() -> None:
    catalog = Catalog("n1")
    assert catalog.code(add("n1", "other")) == "node_id_used"
    assert catalog.code(register("n1", "other")) == "wrong_store"
    assert catalog.code(add("n2", cluster=ClusterId("x"))) == "other_cluster"
    assert catalog.code(state("n9", "leaving")) == "node_not_found"


def test_a_registration_does_not_change_the_state() -> None:
    catalog = Catalog("n1", "n2")
    catalog.one(state("n2", "draining"))
    assert catalog.code(register("n2")) == catalog.code(add("n2")) == "ok"
    assert catalog.state("n2") == "draining"


def test_one_node_joins_or_leaves_at_a_time() -> None:
    catalog = Catalog("n1", "n2", "n3")
    catalog.one(add("n4"))
    refused = catalog.one(add("n5"))
    assert (refused.code, refused.data) == ("change_pending", "n4")
    assert catalog.code(state("n3", "leaving")) == "change_pending"
    assert catalog.code(state("n4", "leaving")) == "ok"
    assert catalog.code(state("n3", "leaving")) == "change_pending"
    assert catalog.code(state("n3", "draining")) == "ok"
    catalog.one(state("n4", "removed"))
    assert catalog.code(state("n3", "leaving")) == "ok"


def test_the_last_member_does_not_leave() -> None:
    catalog = Catalog("n1", "n2")
    assert catalog.code(state("n1", "draining")) == "ok"
    assert catalog.code(state("n2", "leaving")) == "quorum_at_risk"
    assert catalog.code(state("n1", "leaving")) == "ok"


def test_the_number_of_nodes_is_bounded_without_those_that_were_removed() -> None:
    catalog = Catalog(*(f"n{number}" for number in range(CLUSTER_NODES_MAX)))
    assert catalog.code(add("x")) == "limit_reached"
    catalog.one(state("n1", "leaving"))
    catalog.one(state("n1", "removed"))
    assert catalog.code(add("x")) == "ok"


def test_a_group_is_where_it_was_and_where_it_goes_until_it_is_settled() -> None:
    catalog = Catalog("n1", "n2", "n3", "n4")
    catalog.one(database("shop", "n1", "n2", "n3"))
    assert catalog.code(place(0, "n4", "n2", "n3")) == "ok"
    moving = catalog.machine.databases["shop"]
    assert (moving.replicas, moving.wanted, moving.generation) == (("n1", "n2", "n3", "n4"), ("n2", "n3", "n4"), 1)
    assert moving.placement == moving.wanted
    assert catalog.code(place(0, "n1")) == "conflict"
    assert catalog.code(commands.settle_group(G1, 0)) == "conflict"
    assert catalog.code(commands.settle_group(G1, 1)) == catalog.code(commands.settle_group(G1, 1)) == "ok"
    settled = catalog.machine.databases["shop"]
    assert (settled.replicas, settled.wanted, settled.placement) == (("n2", "n3", "n4"), (), ("n2", "n3", "n4"))
    assert CatalogMachine(catalog.engine, KEYS).databases["shop"] == settled


@pytest.mark.parametrize("nodes", [(), ("n9",), ("n4",), ("n5",)])
def test_a_group_is_placed_on_nodes_that_may_have_it(nodes: tuple[str, ...]) -> None:
    catalog = Catalog("n1", "n2", "n3", "n5")
    catalog.one(database("shop", "n1", "n2", "n3"))
    catalog.one(state("n5", "leaving"))
    catalog.one(state("n5", "removed"))
    catalog.one(add("n4"))
    assert catalog.code(place(0, *nodes)) == "conflict"
    assert catalog.code(commands.place_group(GroupId(9), 0, [NodeId("n1")])) == "group_not_found"
    assert catalog.code(commands.settle_group(GroupId(9), 0)) == "group_not_found"


def test_a_node_with_replicas_is_not_removed() -> None:
    catalog = Catalog("n1", "n2")
    catalog.one(database("shop", "n1", "n2"))
    catalog.one(state("n2", "leaving"))
    assert catalog.code(state("n2", "removed")) == "conflict"
    catalog.one(place(0, "n1", note="why"))
    assert catalog.machine.databases["shop"].note == "why"
    assert catalog.code(state("n2", "removed")) == "conflict"
    catalog.one(commands.settle_group(G1, 1))
    assert catalog.code(state("n2", "removed")) == "ok"


def test_a_database_made_from_an_old_view_gets_no_replica_on_a_removed_node() -> None:
    catalog = Catalog("n1", "n2")
    catalog.one(state("n1", "leaving"))
    catalog.one(state("n1", "removed"))
    catalog.one(database("shop", "n1", "n2"))
    record = catalog.machine.databases["shop"]
    assert (record.replicas, record.preferred_leader, record.replica_count) == (("n2",), "n2", 3)


nodes = st.sampled_from(["n1", "n2", "n3", "n4"])
steps = st.one_of(
    st.builds(add, nodes, st.sampled_from(["", "other"])),
    st.builds(register, nodes),
    st.builds(state, nodes, st.sampled_from(STATES)),
    st.builds(database, st.sampled_from(["a", "b"]), nodes, nodes),
    st.builds(place, st.integers(0, 3), nodes, nodes),
    st.builds(commands.settle_group, st.sampled_from([G1, GroupId(2)]), st.integers(0, 3)),
    st.builds(commands.drop_database, st.sampled_from(["a", "b"])),
    st.builds(commands.forget_database, st.sampled_from(["a", "b"]), st.sampled_from([G1, GroupId(2)])),
)


@given(st.lists(steps, max_size=40))
def test_whatever_comes_the_catalog_keeps_its_rules(history: list[bytes]) -> None:
    catalog = Catalog("n1")
    for step in history:
        before = {id_: record.state for id_, record in catalog.machine.nodes.items()}
        catalog.one(step)
        after = {id_: record.state for id_, record in catalog.machine.nodes.items()}
        assert before.keys() <= after.keys()
        assert all(after[id_] == "removed" for id_, was in before.items() if was == "removed")
        assert sum(state in ("joining", "leaving") for state in after.values()) <= 1
        assert any(state in ("member", "draining") for state in after.values())
        for record in catalog.machine.databases.values():
            assert set(record.wanted) <= set(record.replicas)
            assert all(after.get(node) != "removed" for node in record.replicas)
    assert catalog.machine.digest() == recompute_digest(catalog.engine, KEYS)


@given(st.lists(steps, max_size=20))
def test_every_command_may_come_twice(history: list[bytes]) -> None:
    once, twice = Catalog("n1"), Catalog("n1")
    made_twice = {commands.Op.PLACE_GROUP}
    for step in history:
        once.one(step)
        twice.one(step)
        if step[1] not in made_twice:
            twice.one(step)
    assert dict(once.machine.nodes) == dict(twice.machine.nodes)
    for name, record in once.machine.databases.items():
        assert twice.machine.databases[name] == record
