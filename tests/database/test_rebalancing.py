"""Rebalancing passes on whole nodes: replicas first, then leaderships, whoever conducts."""

from __future__ import annotations

from collections import Counter

import pytest
from world import World

from raftdoc.database.requests import OperationInfo
from raftdoc.errors import NotFound
from raftdoc.ids import CATALOG_GROUP, NodeId

NAMES = tuple(f"d{number}" for number in range(6))


async def lopsided(world: World) -> None:
    """Make some databases that n1 leads, all of them."""
    for name in NAMES:
        await world.create(name)
    for name in NAMES:
        group = world.processes[NodeId("n1")].directory.catalog.databases[name].group
        await world.until("it is led", lambda name=name: world.leader_of(name))
        await world.database("n1").transfer_leader(group, NodeId("n1"))
    await world.until("n1 leads them", lambda: leads(world) == {"n1": 6})
    await world.until("all know it", lambda: all(len(led_by_view(world, id)) == 1 for id in world.processes))


def leads(world: World) -> Counter[str | None]:
    return Counter(world.leader_of(name) for name in NAMES)


def led_by_view(world: World, on: str) -> Counter[str | None]:
    """Return who leads how many, as a node sees it."""
    groups = world.database(on).cluster_status().groups
    return Counter(group.leader for group in groups if group.id != CATALOG_GROUP)


async def operation(world: World, id: str, on: str) -> OperationInfo:
    return await world.database(on).operation(world.request(), id)


async def until_done(world: World, id: str, on: str) -> OperationInfo:
    catalog = world.processes[NodeId(on)].directory.catalog
    number = int(id.partition("-")[2])
    await world.until(
        "the pass is over", lambda: catalog.rebalancing.number == number and not catalog.rebalancing.is_open, 20
    )
    return await operation(world, id, on)


async def test_a_pass_evens_out_who_leads_and_tells_how_far_it_is_on_any_node() -> None:
    async with World() as world:
        await lopsided(world)
        info = await world.database("n2").rebalance(world.request(), dry_run=False)
        assert (len(info.steps), info.operation) == (4, "rebalance-1")
        assert {step.kind for step in info.steps} == {"leadership"}
        done = await until_done(world, "rebalance-1", "n3")
        assert (done.state, done.done, done.total) == ("done", 4, 4)
        await world.until("each leads two", lambda: sorted(leads(world).values()) == [2, 2, 2])
        again = await world.database("n1").rebalance(world.request(), dry_run=False)
        assert (again.steps, again.operation) == ((), None)


async def test_a_dry_run_begins_nothing() -> None:
    async with World() as world:
        await lopsided(world)
        info = await world.database("n3").rebalance(world.request(), dry_run=True)
        assert (len(info.steps), info.operation) == (4, None)
        assert world.processes[NodeId("n1")].directory.catalog.rebalancing.number == 0
        with pytest.raises(NotFound):
            await operation(world, "rebalance-1", "n1")


async def test_replicas_are_in_their_place_before_leaderships_are() -> None:
    async with World() as world:
        await lopsided(world)
        await world.join("n4")
        info = await world.database("n2").rebalance(world.request(), dry_run=False)
        assert {step.target for step in info.steps if step.kind == "replica"} == {"n4"}
        assert info.operation is not None
        done = await until_done(world, info.operation, "n4")
        assert done.state == "done"
        records = world.processes[NodeId("n1")].directory.catalog.databases.values()
        replicas = Counter(node for record in records for node in record.replicas)
        assert max(replicas.values()) - min(replicas.values()) <= 1
        await world.until("nobody leads many", lambda: max(led_by_view(world, "n1").values()) <= 2)


async def test_a_pass_goes_on_under_another_conductor() -> None:
    async with World() as world:
        await lopsided(world)
        conductor = world.node("n2").replicas[CATALOG_GROUP].core.leader
        assert conductor is not None
        via = next(id for id in world.ids if id != conductor)
        info = await world.database(via).rebalance(world.request(), dry_run=False)
        assert info.operation is not None
        await world.kill(conductor)
        await world.start(conductor)
        assert (await until_done(world, info.operation, via)).state == "done"
