"""Those who look after the catalog, placement and indexes in the background: they go on, whatever passes."""

from __future__ import annotations

import time

import orjson
from world import World

from raftdoc.cluster.view import ClusterView
from raftdoc.database.catalog import Catalog
from raftdoc.ids import CATALOG_GROUP, GroupId, NodeId
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands
from raftdoc.statemachine.database_machine import DatabaseMachine

C = "orders"
N1 = NodeId("n1")


def replica_of(world: World, database: str, on: NodeId = N1) -> Replica:
    replica = world.processes[on].directory.replica(database)
    assert replica is not None
    return replica


def machine_of(world: World, database: str, on: NodeId = N1) -> DatabaseMachine:
    machine = replica_of(world, database, on).machine
    assert isinstance(machine, DatabaseMachine)
    return machine


def leader_in(world: World, group: GroupId) -> NodeId | None:
    """Return the node that leads a group, once only one does."""
    leaders = [id for id, process in world.processes.items() if is_led(process.node, group)]
    return leaders[0] if len(leaders) == 1 else None


def is_led(node: Node, group: GroupId) -> bool:
    replica = node.replicas.get(group)
    return replica is not None and replica.is_leader


async def put_many(world: World, database: str, count: int, on: str = "n1") -> None:
    now = {"$date": {"$numberLong": str(time.time_ns() // 1_000_000)}}
    items = [(f"d{number}", orjson.dumps({"_id": f"d{number}", "t": now})) for number in range(count)]
    await world.database(on).create_documents(world.request(), database, C, items, atomic=False)


async def test_documents_that_expire_while_the_disk_is_full_go_when_there_is_space() -> None:
    async with World(count=1) as world:
        await world.create()
        await put_many(world, "shop", 3)
        specification = {"name": "i", "fields": {"t": 1}, "expire_after_s": 1}
        await world.database("n1").create_index(world.request(), "shop", C, specification)
        machine, proposals = machine_of(world, "shop"), replica_of(world, "shop").proposals
        await world.until("the index is built", lambda: machine.indexes(C)[0].state == "ready")
        node, files = world.node("n1"), world.members[N1].files
        had, files.capacity_bytes = files.capacity_bytes, 0
        await world.until("the disk is known to be full", lambda: node.health.is_disk_full)
        known_count = proposals.added_count
        await world.until("it was tried", lambda: proposals.added_count > known_count and not proposals.queued)
        assert machine.collection(C).document_count == 3
        files.capacity_bytes = had
        await world.until("they are gone", lambda: machine.collection(C).document_count == 0)


async def test_a_database_that_goes_while_others_are_swept_keeps_nobody_from_looking_after_the_rest() -> None:
    async with World(count=1) as world:
        for name, count in (("a", 8000), ("b", 2000)):
            await world.create(name)
            await put_many(world, name, count)
        machine, proposals = machine_of(world, "a"), replica_of(world, "a").proposals
        for name in ("b", "a"):
            await world.database("n1").drop_collection(world.request(), name, C)
        known_count = proposals.added_count
        await world.until("it has begun", lambda: proposals.added_count > known_count)
        assert machine_of(world, "b").has_dropped_documents
        await world.database("n1").drop_database(world.request(), "b")
        assert machine.has_dropped_documents
        await world.until("all of the other is swept", lambda: not machine.has_dropped_documents)
        await put_many(world, "a", 1000)
        await world.database("n1").drop_collection(world.request(), "a", C)
        await world.until("what is dropped later is swept", lambda: not machine.has_dropped_documents)


async def test_a_drop_that_somebody_else_has_finished_is_finished() -> None:
    async with World(count=1) as world:
        await world.create()
        process, router = world.processes[N1], world.router("n1")
        views = ClusterView(process.directory, process.leaders, lambda _: True)
        catalog = Catalog(process.node, process.directory, router, views, 3)
        record, deadline_ns = process.directory.database("shop"), world.request().deadline_ns
        assert record is not None
        for command in (commands.drop_database("shop"), commands.forget_database("shop", record.group)):
            await router.write(CATALOG_GROUP, command, deadline_ns, has_key=True)
        await catalog.finish_drop(record, deadline_ns)
        assert "shop" not in process.directory.catalog.databases


async def test_a_drop_that_cannot_be_finished_keeps_nothing_else_from_being_looked_after() -> None:
    async with World(count=5) as world:
        for name in ("lost", "shop"):
            await world.database("n1").create_database(world.request(), name, {})
        databases = world.processes[N1].directory.catalog.databases
        lost, kept = databases["lost"], databases["shop"]
        for node in set(lost.replicas) - set(kept.replicas):
            await world.kill(node)
        names = sorted(world.processes)
        await put_many(world, "shop", 3000, on=names[0])
        await world.until("the catalog is led", lambda: leader_in(world, CATALOG_GROUP) is not None)
        leader = leader_in(world, CATALOG_GROUP)
        assert leader is not None
        await world.database(leader).transfer_leader(kept.group, leader)
        await world.until("it leads both", lambda: leader_in(world, kept.group) == leader)
        command, deadline_ns = commands.drop_database("lost"), world.request().deadline_ns
        await world.router(leader).write(CATALOG_GROUP, command, deadline_ns, has_key=True)
        machine = machine_of(world, "shop", leader)
        await world.database(leader).drop_collection(world.request(), "shop", C)
        await world.until("it is swept", lambda: not machine.has_dropped_documents, timeout_s=20)
