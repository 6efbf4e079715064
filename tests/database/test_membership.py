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
