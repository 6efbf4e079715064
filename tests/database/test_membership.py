"""Members come and go under writes: nothing acknowledged is lost, and the catalog says where everything is."""

from __future__ import annotations

import asyncio

import pytest
from world import CLUSTER, World

from raftdoc.database.requests import JoiningNode
from raftdoc.errors import (
    ChangePending,
    InvalidRequest,
    NodeIdUsed,
    NotFound,
    OtherCluster,
    QuorumAtRisk,
    RaftdocError,
    Unavailable,
)
from raftdoc.ids import CATALOG_GROUP, ClusterId, NodeId, StoreId
from raftdoc.statemachine.catalog_machine import DatabaseRecord
from raftdoc.statemachine.outcome import Outcome

DB, COLLECTION = "shop", "orders"


class Writers:
    """Keep putting documents through any node that lives, until told to stop."""

    def __init__(self, world: World, count: int = 4) -> None:
        self._world = world
        self._count = count
        self._is_stopping = False
        self.acknowledged: dict[str, int] = {}

    async def __aenter__(self) -> Writers:
        self._tasks = [asyncio.ensure_future(self._write(number)) for number in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        target = len(self.acknowledged) + count
        await self._world.until(f"{count} more writes", lambda: len(self.acknowledged) >= target)

    async def _write(self, number: int) -> None:
        sequence = 0
        while not self._is_stopping:
            sequence += 1
            id = f"w{number}-{sequence}"
            outcome = await self._put(sequence, id)
            if outcome is not None:
                self.acknowledged[id] = outcome.revision

    async def _put(self, attempt: int, id: str) -> Outcome | None:
        """Put one document under one key, trying node after node; None: told to stop before it was acknowledged."""
        body = b'{"_id":"%s"}' % id.encode()
        while not self._is_stopping:
            attempt += 1
            node = sorted(self._world.processes)[attempt % len(self._world.processes)]
            request = self._world.request(timeout_ms=2000, key=id)
            try:
                return await self._world.database(node).put_document(
                    request, DB, COLLECTION, id, body, if_match=None, if_none_match=False
                )
            except RaftdocError:
                await asyncio.sleep(0)
        return None


def record(world: World, on: str = "") -> DatabaseRecord:
    process = world.processes[NodeId(on)] if on else next(iter(world.processes.values()))
    return process.directory.catalog.databases[DB]


def is_settled(world: World, *nodes: str) -> bool:
    found = record(world)
    return not found.wanted and (not nodes or found.replicas == nodes)


async def found_everywhere(world: World, written: dict[str, int]) -> None:
    """Every replica of the database has every acknowledged document, at its revision."""
    hosts = [process for process in world.processes.values() if process.directory.replica(DB)]
    assert hosts
    for process in hosts:
        page = await process.database.list_documents(world.request(), DB, COLLECTION, after=None, limit=100_000)
        revisions = {document.body[8:-2].decode(): document.revision for document in page.documents}
        assert {id: revisions.get(id) for id in written} == written


async def test_a_fourth_node_takes_the_place_of_one_that_is_removed() -> None:
    async with World() as world:
        await world.create()
        async with Writers(world) as writers:
            await writers.more(50)
            await world.join("n4")
            await writers.more(50)
            await world.remove("n3", via="n1")
            await world.stop(NodeId("n3"))
            await writers.more(50)
        assert is_settled(world, "n1", "n2", "n4")
        await found_everywhere(world, writers.acknowledged)


async def test_three_nodes_become_five_and_three_again_under_writes() -> None:
    async with World() as world:
        await world.create()
        async with Writers(world) as writers:
            for name in ("n4", "n5"):
                await world.join(name)
                await writers.more(20)
            await world.until("five vote in the catalog", lambda: len(voters(world)) == 5)
            for name in ("n1", "n2"):
                await world.remove(name, via="n5")
                await world.stop(NodeId(name))
                await writers.more(20)
            await world.until("three vote in the catalog", lambda: voters(world) == {"n3", "n4", "n5"})
        assert is_settled(world, "n3", "n4", "n5")
        await found_everywhere(world, writers.acknowledged)


async def test_a_move_goes_on_after_the_conductor_and_the_groups_leader_die() -> None:
    async with World() as world:
        await world.create()
        await world.join("n4")
        async with Writers(world) as writers:
            await writers.more(50)
            leaving = record(world).replicas[0]
            others = [id for id in world.ids if id != leaving]
            await world.database(others[0]).remove_member(world.request(), leaving)
            await world.until("the group moves", lambda: bool(record(world, others[0]).wanted))
            conductor = world.node(others[0]).replicas[CATALOG_GROUP].core.leader
            assert conductor is not None
            await world.kill(conductor)
            await world.start(conductor)
            via = next(id for id in others if id != conductor)
            await world.until("it is removed", lambda: world.state_of(leaving, on=via) == "removed", timeout_s=30)
            await writers.more(20)
        assert leaving not in record(world, via).replicas
        assert not record(world, via).wanted


async def test_a_drained_node_is_empty_and_comes_back() -> None:
    async with World() as world:
        await world.create()
        async with Writers(world) as writers:
            await writers.more(50)
            node = NodeId("n3")
            await world.database("n1").drain_member(world.request(), node, undo=False)
            await world.until("it has no replica", lambda: is_settled(world, "n1", "n2"))
            operation = await world.database("n2").operation(world.request(), "drain-n3")
            assert (operation.kind, operation.state) == ("drain", "done")
            await world.until("it dropped its replica", lambda: world.processes[node].directory.replica(DB) is None)
            await writers.more(50)
            await world.database("n2").drain_member(world.request(), node, undo=True)
            await world.until("it has a replica again", lambda: is_settled(world, "n1", "n2", "n3"), timeout_s=20)
        await world.until("it is here", lambda: world.processes[node].directory.replica(DB) is not None)
        await found_everywhere(world, writers.acknowledged)


async def test_one_node_grows_to_three_and_its_database_with_it() -> None:
    async with World(count=1) as world:
        await world.create()
        async with Writers(world, count=2) as writers:
            await writers.more(20)
            await world.join("n2")
            await world.join("n3")
            await world.until("three replicas", lambda: is_settled(world, "n1", "n2", "n3"), timeout_s=20)
        await world.until("all vote", lambda: voters(world) == {"n1", "n2", "n3"})
        await found_everywhere(world, writers.acknowledged)


async def test_a_replica_that_was_placed_elsewhere_is_not_dropped_because_of_an_old_catalog() -> None:
    async with World() as world:
        await world.create()
        process = world.processes[NodeId("n2")]
        process.directory.is_current = False
        group = record(world).group
        assert group in process.node.replicas
        await world.database("n1").drain_member(world.request(), NodeId("n2"), undo=False)
        await world.until("the catalog says so", lambda: record(world, "n2").replicas == ("n1", "n3"))
        await world.until("it is dropped, the catalog being new", lambda: group not in process.node.replicas)
        assert process.directory.is_current


async def test_refusals_change_nothing() -> None:
    async with World() as world:
        await world.create()
        database = world.database("n1")
        joining = JoiningNode(NodeId("n9"), StoreId("s"), CLUSTER, "http://n9", "n9:1", "n9")
        with pytest.raises(OtherCluster):
            await database.add_member(world.request(), joining._replace(cluster_id=ClusterId("other")))
        with pytest.raises(NodeIdUsed):
            await database.add_member(world.request(), joining._replace(id=NodeId("n2")))
        with pytest.raises(NotFound):
            await database.remove_member(world.request(), NodeId("n7"))
        with pytest.raises(InvalidRequest):
            await database.transfer_leader(CATALOG_GROUP, NodeId("n7"))
        with pytest.raises(NotFound):
            await database.operation(world.request(), "remove-n7")
        await world.stop(NodeId("n3"))
        transport = world.processes[NodeId("n1")].transport
        await world.until("its link is down", lambda: not transport.connected(NodeId("n3")))
        with pytest.raises((QuorumAtRisk, Unavailable)):
            await database.remove_member(world.request(), NodeId("n2"))
        outcome, member = await database.add_member(world.request(), joining)
        assert (outcome.created, member.state) == (True, "joining")
        with pytest.raises(ChangePending):
            await database.add_member(world.request(), joining._replace(id=NodeId("n8")))
        with pytest.raises(ChangePending):
            await database.remove_member(world.request(), NodeId("n3"))
        await database.remove_member(world.request(), NodeId("n9"))
        await world.until("it is gone", lambda: world.state_of("n9") == "removed")
        assert record(world).replicas == ("n1", "n2", "n3")


async def test_leadership_is_handed_over_from_any_node() -> None:
    async with World() as world:
        await world.create()
        leader = world.leader_of(DB)
        target, asked = (id for id in world.ids if id != leader)
        await world.database(asked).transfer_leader(record(world).group, target)
        await world.until("the target leads", lambda: world.leader_of(DB) == target)


def voters(world: World) -> set[str]:
    """Return who votes in the catalog, as its leader has it."""
    for process in world.processes.values():
        replica = process.node.replicas[CATALOG_GROUP]
        if replica.is_leader:
            return set(replica.core.configuration.all_voters())
    return set()
