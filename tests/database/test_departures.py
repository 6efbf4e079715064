"""Replicas that leave their node, at the worst moment, and come back without their state."""

from __future__ import annotations

import asyncio

import pytest
from world import World

from raftdoc.errors import NotFound, NotLeader, RaftdocError
from raftdoc.ids import CATALOG_GROUP, GroupId, Index, NodeId, Term
from raftdoc.node.replica import Replica
from raftdoc.statemachine import commands

DB, COLLECTION = "shop", "orders"
N3 = NodeId("n3")


async def put(world: World, id: str) -> None:
    body = b'{"_id":"%s"}' % id.encode()
    await world.database("n1").put_document(
        world.request(), DB, COLLECTION, id, body, if_match=None, if_none_match=False
    )


def replica_at(world: World, node: NodeId) -> Replica | None:
    return world.processes[node].directory.replica(DB)


def leader_count(world: World) -> int:
    """Return how many groups of databases are led."""
    replicas = [replica for process in world.processes.values() for replica in process.node.replicas.values()]
    return sum(replica.is_leader and replica.group != CATALOG_GROUP for replica in replicas)


async def drain(world: World, node: NodeId) -> Replica:
    """Have a node give its replica away; return the replica as it was."""
    replica = replica_at(world, node)
    assert replica is not None
    await world.database("n1").drain_member(world.request(), node, undo=False)
    log = world.processes[node].log
    await world.until("it has no replica", lambda: replica.group in log.left_groups)
    return replica


async def take_back(world: World, node: NodeId) -> Replica:
    await world.database("n1").drain_member(world.request(), node, undo=True)
    await world.until("it has a replica again", lambda: replica_at(world, node) is not None, timeout_s=20)
    replica = replica_at(world, node)
    assert replica is not None
    return replica


async def test_a_replica_applies_nothing_after_the_catalog_dropped_it_in_the_same_turn() -> None:
    async with World(count=1) as world:
        await world.create()
        replica, router = replica_at(world, NodeId("n1")), world.router("n1")
        assert replica is not None
        applied_index = replica.machine.applied_index
        deadline_ns = world.request().deadline_ns
        writes = [
            asyncio.ensure_future(router.write(CATALOG_GROUP, command, deadline_ns, has_key=True))
            for command in (commands.drop_database(DB), commands.forget_database(DB, replica.group))
        ]
        last = asyncio.ensure_future(put(world, "last"))
        await asyncio.gather(*writes)
        with pytest.raises(RaftdocError):
            await last
        assert replica.group not in world.node("n1").replicas
        assert replica.machine.applied_index == applied_index


async def test_a_write_for_a_group_that_is_gone_is_told_of_its_database() -> None:
    async with World(count=1) as world:
        await world.create()
        replica, router = replica_at(world, NodeId("n1")), world.router("n1")
        await world.database("n1").drop_database(world.request(), DB)
        with pytest.raises(NotFound) as missing:
            await router.write(replica.group, commands.sweep(1), world.request().deadline_ns, has_key=True)
        assert missing.value.code == "database_not_found"
        with pytest.raises(NotFound) as missing:
            await router.hosted(GroupId(999), world.request().deadline_ns)
        assert missing.value.code == "group_not_found"


async def test_a_replica_that_left_takes_no_reads_and_no_writes_into_the_log() -> None:
    async with World() as world:
        await world.create()
        await put(world, "a")
        node, replica = world.node("n3"), await drain(world, N3)
        with pytest.raises(NotLeader):
            node.read_barrier(replica, world.request().deadline_ns)
        node.touch(replica)
        replica.core.tick(1 << 62)
        await put(world, "b")
        assert replica.group not in world.processes[N3].log.groups


async def test_a_replica_that_comes_back_keeps_to_what_was_promised_before_it() -> None:
    async with World() as world:
        await world.create()
        for number in range(20):
            await put(world, f"a{number}")
        before = await drain(world, N3)
        left = world.processes[N3].log.left_groups[before.group]
        assert left.hard_state.term == before.core.term
        assert left.hard_state.vote == before.core.vote
        assert left.floor > (Term(0), Index(20))
        await world.kill(N3)
        await world.start(N3)
        assert world.processes[N3].log.left_groups[before.group].floor == left.floor
        after = await take_back(world, N3)
        assert after.core.term >= before.core.term
        log = world.processes[N3].log
        await world.until("it is in the log", lambda: before.group in log.groups)
        assert log.groups[before.group].floor == left.floor


async def test_what_a_replica_promised_is_forgotten_with_its_database() -> None:
    async with World() as world:
        await world.create()
        replica = await drain(world, N3)
        await world.database("n1").drop_database(world.request(), DB)
        await world.until("nothing is left", lambda: world.processes[N3].log.group(replica.group) is None)


async def test_a_replica_that_comes_back_is_not_taken_for_as_fresh_as_the_one_before() -> None:
    async with World() as world:
        await world.create()
        await put(world, "a")
        node = world.node("n3")
        before = replica_at(world, N3)
        assert before is not None
        await world.until("it is known how old", lambda: node.staleness.staleness_ms(before, node.clock.now_ns()))
        await drain(world, N3)
        assert node.staleness.staleness_ms(before, node.clock.now_ns()) is None


async def test_a_group_without_a_quorum_keeps_no_other_from_moving() -> None:
    async with World(count=5) as world:
        for name in ("lost", DB):
            await world.database("n1").create_database(world.request(), name, {})
        await world.until("both are led", lambda: leader_count(world) == 2)
        databases = world.processes[NodeId("n1")].directory.catalog.databases
        lost, kept = set(databases["lost"].replicas), set(databases[DB].replicas)
        (leaving,) = lost & kept
        for node in lost - kept:
            await world.kill(node)
        command = commands.set_node_state(leaving, "draining")
        await world.router(leaving).write(CATALOG_GROUP, command, world.request().deadline_ns, has_key=True)
        catalog = world.processes[leaving].directory
        await world.until(
            "the other group has moved", lambda: leaving not in catalog.catalog.databases[DB].replicas, timeout_s=20
        )
