"""The catalog: nodes, databases, their groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftdoc.errors import CATALOGUE, StateCorrupt
from raftdoc.ids import CATALOG_GROUP, ClusterId, GroupId, Incarnation, NodeId, StoreId
from raftdoc.limits import CLUSTER_NODES_MAX, DATABASES_MAX
from raftdoc.statemachine import commands
from raftdoc.statemachine.catalog_machine import CatalogMachine, NodeRecord
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.statemachine.outcome import Idempotency, Outcome
from raftdoc.storage.engine import EngineBusy
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

from .histories import contents, entry, noop

KEYS = GroupKeys(CATALOG_GROUP, Incarnation(1))
NODES = [NodeId("n1"), NodeId("n2"), NodeId("n3")]


class Catalog:
    def __init__(self, engine: MemoryEngine | None = None) -> None:
        self.engine = engine or MemoryEngine()
        self.machine = CatalogMachine(self.engine, KEYS)

    def run(self, *payloads: bytes, time_ms: int = 1_000) -> list[Outcome]:
        return self.machine.apply([entry(self.machine.applied_index + 1, payloads, time_ms)])[0]

    def one(self, payload: bytes) -> Outcome:
        (outcome,) = self.run(payload)
        return outcome


def _database(name: str, options: dict[str, object] | None = None, *, key: str | None = None) -> bytes:
    idempotency = None if key is None else Idempotency(key, b"f" * 16)
    return commands.create_database(name, options, replicas=NODES, preferred_leader=NODES[1], idempotency=idempotency)


def _node(node: str, store: str, port: int = 1) -> bytes:
    return commands.register_node(NodeId(node), StoreId(store), http=f"http://h:{port}", peer=f"h:{port + 1}", host="h")


def test_first_cluster_id_and_cursor_key_count() -> None:
    catalog = Catalog()
    assert (catalog.machine.cluster_id, catalog.machine.cursor_key) == (None, None)
    first, again, other = catalog.run(
        commands.initialise(ClusterId("c1"), b"1" * 32),
        commands.initialise(ClusterId("c1"), b"2" * 32),
        commands.initialise(ClusterId("c2"), b"3" * 32),
    )
    assert (first.code, first.created) == ("ok", True)
    assert (again.code, again.created) == ("ok", False)
    assert other.code == "wrong_cluster"
    for machine in (catalog.machine, CatalogMachine(catalog.engine, KEYS)):
        assert (machine.cluster_id, machine.cursor_key) == ("c1", b"1" * 32)


def test_node_may_move_but_not_come_back_with_another_store() -> None:
    catalog = Catalog()
    assert catalog.one(_node("n1", "s1")).created
    moved = catalog.one(_node("n1", "s1", port=5))
    assert (moved.code, moved.created) == ("ok", False)
    wiped = catalog.one(_node("n1", "s2", port=9))
    assert (wiped.code, wiped.data) == ("wrong_store", "s1")
    expected = NodeRecord(NodeId("n1"), StoreId("s1"), "http://h:5", "h:6", "h")
    assert dict(catalog.machine.nodes) == {"n1": expected}
    assert dict(CatalogMachine(catalog.engine, KEYS).nodes) == {"n1": expected}


def test_number_of_nodes_is_bounded() -> None:
    catalog = Catalog()
    catalog.run(*(_node(f"n{number}", f"s{number}") for number in range(CLUSTER_NODES_MAX)))
    assert catalog.one(_node("x", "x")).code == "limit_reached"
    assert catalog.one(_node("n0", "s0", port=7)).code == "ok"


def test_database_is_created_once_with_its_options() -> None:
    catalog = Catalog()
    first, again, other = catalog.run(
        _database("shop", {"a": 1, "b": 2}), _database("shop", {"b": 2, "a": 1}), _database("shop", {"a": 1.0, "b": 2})
    )
    assert (first.code, first.created, first.data) == ("ok", True, 1)
    assert (again.code, again.created, again.data) == ("ok", False, 1)
    assert other.code == "conflict"
    record = catalog.machine.databases["shop"]
    assert (record.group, record.state, record.replicas, record.preferred_leader) == (1, "open", tuple(NODES), "n2")
    assert (record.options, record.created_ms) == ({"a": 1, "b": 2}, 1_000)
    assert CatalogMachine(catalog.engine, KEYS).databases["shop"] == record


def test_number_of_databases_is_bounded() -> None:
    catalog = Catalog()
    catalog.run(*(_database(f"d{number}") for number in range(DATABASES_MAX)))
    assert catalog.one(_database("x")).code == "limit_reached"
    assert catalog.one(_database("d0")).code == "ok"
    catalog.run(commands.drop_database("d0"), commands.forget_database("d0", GroupId(1)))
    assert catalog.one(_database("x")).code == "ok"


def test_database_is_dropped_in_two_steps() -> None:
    catalog = Catalog()
    catalog.one(_database("shop"))
    assert catalog.one(commands.forget_database("shop", GroupId(1))).code == "conflict"
    first, again = catalog.run(commands.drop_database("shop"), commands.drop_database("shop"))
    assert [(outcome.code, outcome.data) for outcome in (first, again)] == [("ok", 1), ("ok", 1)]
    assert catalog.machine.databases["shop"].state == "closing"
    assert catalog.one(_database("shop")).code == "conflict"
    assert catalog.one(commands.forget_database("shop", GroupId(2))).code == "database_not_found"
    assert catalog.one(commands.forget_database("shop", GroupId(1))).code == "ok"
    assert dict(catalog.machine.databases) == {}
    assert catalog.one(commands.forget_database("shop", GroupId(1))).code == "database_not_found"
    assert catalog.one(commands.drop_database("shop")).code == "database_not_found"


def test_group_ids_are_never_reused_not_even_after_a_restart() -> None:
    catalog = Catalog()
    assert catalog.machine.next_group == 1
    catalog.run(_database("shop"), commands.drop_database("shop"), commands.forget_database("shop", GroupId(1)))
    catalog = Catalog(catalog.engine)
    assert catalog.machine.next_group == 2
    assert catalog.one(_database("shop")).data == 2


def test_catalog_writes_have_idempotency_keys_too() -> None:
    catalog = Catalog()
    first = catalog.one(_database("shop", key="k"))
    catalog.one(_database("other"))
    assert catalog.one(_database("shop", key="k")) == first._replace(replayed=True)
    record = catalog.machine.request_outcome("k")
    assert record is not None
    assert record.outcome == first


def test_views_of_the_catalog_cannot_be_written() -> None:
    catalog = Catalog()
    with pytest.raises(TypeError):
        catalog.machine.databases["x"] = None  # type: ignore[index]


def test_every_code_of_the_catalog_is_in_the_error_catalogue() -> None:
    assert {"wrong_cluster", "wrong_store", "conflict", "limit_reached", "key_ahead", "key_expired"} <= set(CATALOGUE)


def test_unreadable_record_stops_the_machine_when_it_loads() -> None:
    catalog = Catalog()
    catalog.one(_database("shop"))
    catalog.engine.write({KEYS.meta("database/shop"): b"\xc1"})
    with pytest.raises(StateCorrupt, match="database/"):
        CatalogMachine(catalog.engine, KEYS)


steps = st.one_of(
    st.builds(_node, st.sampled_from(["n1", "n2"]), st.sampled_from(["s1", "s2"]), st.integers(1, 3)),
    st.builds(
        _database, st.sampled_from("abc"), st.sampled_from([None, {"x": 1}]), key=st.sampled_from([None, "k", "l"])
    ),
    st.builds(commands.drop_database, st.sampled_from("abc")),
    st.builds(commands.forget_database, st.sampled_from("abc"), st.integers(1, 5)),
    st.just(commands.initialise(ClusterId("c"), b"k" * 32)),
)


@given(st.lists(st.lists(steps, max_size=4), min_size=1, max_size=8), st.data())
def test_cutting_refusing_and_restarting_change_no_byte(history, data) -> None:
    entries = [entry(index, batch, 1_000 * index) for index, batch in enumerate(history, start=1)]
    entries.append(noop(len(entries) + 1))
    whole = Catalog()
    outcomes = whole.machine.apply(entries)
    parts = Catalog()
    parts_outcomes: list[list[Outcome]] = []
    while len(parts_outcomes) < len(entries):
        count = data.draw(st.integers(1, len(entries) - len(parts_outcomes)))
        part = entries[len(parts_outcomes) :][:count]
        if data.draw(st.booleans()):
            parts.engine.busy_writes = 1
            with pytest.raises(EngineBusy):
                parts.machine.apply(part)
        if data.draw(st.booleans()):
            parts = Catalog(parts.engine)
        parts_outcomes += parts.machine.apply(part)
    assert parts_outcomes == outcomes
    assert contents(parts.engine) == contents(whole.engine)
    assert parts.machine.digest() == whole.machine.digest() == recompute_digest(parts.engine, KEYS)
