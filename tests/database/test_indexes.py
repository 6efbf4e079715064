"""Indexes of a whole cluster: built while writes go on, through a change of leader, and alike everywhere."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import orjson
import pytest
from world import World

from raftdoc.cluster.directory import database_machine
from raftdoc.database.requests import OperationInfo
from raftdoc.errors import Conflict, DuplicateKey, InvalidQuery, NotFound, NotIndexable
from raftdoc.statemachine.database_machine import DatabaseMachine

DB, C = "shop", "orders"


def machines(world: World) -> list[DatabaseMachine]:
    replicas = [process.directory.replica(DB) for process in world.processes.values()]
    return [database_machine(replica) for replica in replicas if replica is not None]


async def put(world: World, id_: str, value: dict[str, Any], on: str = "n1") -> None:
    body = orjson.dumps({"_id": id_, **value})
    await world.database(on).put_document(world.request(), DB, C, id_, body, if_match=None, if_none_match=False)


async def put_many(world: World, count: int, on: str = "n1") -> None:
    items = [(f"d{number:05}", orjson.dumps({"_id": f"d{number:05}", "n": number % 50})) for number in range(count)]
    await world.database(on).create_documents(world.request(), DB, C, items, atomic=False)


async def make_index(world: World, on: str = "n1", **specification: Any) -> str:
    """Return the id of its operation."""
    _, status = await world.database(on).create_index(world.request(), DB, C, {"name": "i", **specification})
    return status.operation


async def operation(world: World, id_: str, on: str) -> OperationInfo:
    return await world.database(on).operation(world.request(), id_)


def states(world: World) -> list[str]:
    """Return the state of every index on every replica that has applied as much."""
    found: list[str] = []
    for machine in machines(world):
        with suppress(NotFound):
            found += [definition.state for definition in machine.indexes(C)]
    return found


async def are_alike(world: World) -> None:
    await world.until("all are at one index", lambda: len({m.applied_index for m in machines(world)}) == 1)
    digests = [machine.digest() for machine in machines(world)]
    assert digests == digests[:1] * len(digests)


async def test_index_is_built_on_every_node_and_its_operation_tells_how_far() -> None:
    async with World() as world:
        await world.create()
        await put_many(world, 1000)
        id_ = await make_index(world, on="n2", fields={"n": 1})
        await world.until("it is built", lambda: states(world) == ["ready"] * 3)
        for on in ("n1", "n2", "n3"):
            info = await operation(world, id_, on)
            assert (info.kind, info.state, info.done, info.total) == ("build_index", "done", 1000, 1000)
        assert [machine.index_infos(C)[0].entry_count for machine in machines(world)] == [1000] * 3
        await are_alike(world)


async def test_build_survives_the_leader_while_writes_go_on() -> None:
    async with World() as world:
        await world.create()
        await put_many(world, 3000)
        leader = world.leader_of(DB)
        assert leader is not None
        other = next(id_ for id_ in world.ids if id_ != leader)
        await make_index(world, on=other, fields={"n": 1})
        machine = database_machine(world.processes[other].directory.replica(DB))  # type: ignore[arg-type]
        await world.until("it has begun", lambda: machine.index_infos(C)[0].documents_done > 0)
        await world.stop(leader)
        await put(world, "d00000", {"n": "changed"}, on=other)
        await put(world, "zzz", {"n": "new"}, on=other)
        await world.until("it is built", lambda: states(world) == ["ready"] * 2)
        await are_alike(world)
        assert [machine.index_infos(C)[0].entry_count for machine in machines(world)] == [3001] * 2
        await world.start(leader)
        await world.until("it is ready here too", lambda: states(world) == ["ready"] * 3)
        await are_alike(world)


async def test_duplicate_fails_a_unique_build_and_the_operation_names_both() -> None:
    async with World() as world:
        await world.create()
        await put(world, "x", {"n": 1})
        await put(world, "y", {"n": 1})
        id_ = await make_index(world, fields={"n": 1}, unique=True)
        await world.until("it failed", lambda: states(world) == ["failed"] * 3)
        info = await operation(world, id_, "n3")
        assert info.state == "failed"
        assert '"x"' in info.detail
        assert '"y"' in info.detail


async def test_refusals_of_an_index_are_errors_that_say_which() -> None:
    async with World() as world:
        await world.create()
        await make_index(world, fields={"a": 1, "b": 1}, unique=True)
        await put(world, "x", {"a": 1, "b": 2})
        with pytest.raises(DuplicateKey) as caught:
            await put(world, "y", {"a": 1, "b": 2}, on="n2")
        assert (caught.value.index, caught.value.mongo_code) == ("i", 11000)
        assert orjson.loads(caught.value.key or "") == {"a": 1, "b": 2}
        with pytest.raises(NotIndexable) as refused:
            await put(world, "y", {"a": [1], "b": [2]})
        assert (refused.value.index, refused.value.mongo_code) == ("i", 171)
        items = [("z", b'{"_id":"z","a":1,"b":2}'), ("w", b'{"_id":"w","a":2,"b":2}')]
        with pytest.raises(DuplicateKey):
            await world.database("n1").create_documents(world.request(), DB, C, items, atomic=True)
        outcomes = await world.database("n1").create_documents(world.request(), DB, C, items, atomic=False)
        assert [outcome.code for outcome in outcomes] == ["duplicate_key", "ok"]
        assert outcomes[0].data == {"index": "i"}


async def test_indexes_are_listed_and_dropped() -> None:
    async with World() as world:
        await world.create()
        database = world.database("n1")
        with pytest.raises(NotFound, match="orders"):
            await database.list_indexes(world.request(), DB, C)
        with pytest.raises(InvalidQuery):
            await make_index(world, fields={"a": 3})
        await make_index(world, fields={"a": 1})
        with pytest.raises(Conflict):
            await make_index(world, fields={"a": -1})
        outcome, status = await database.create_index(world.request(), DB, C, {"name": "i", "fields": {"a": 1}})
        assert not outcome.created
        assert [one.info for one in await database.list_indexes(world.request(), DB, C)] == [status.info]
        await database.drop_index(world.request(), DB, C, "i")
        with pytest.raises(NotFound, match="'i'"):
            await database.drop_index(world.request(), DB, C, "i")
        with pytest.raises(NotFound, match="'i'"):
            await database.get_index(world.request(), DB, C, "i")
        for id_ in (status.operation, "index-999-1-1", "index-x", "nothing", "nothing-1"):
            with pytest.raises(NotFound, match=id_):
                await operation(world, id_, "n1")


async def test_documents_expire_on_every_node() -> None:
    async with World() as world:
        await world.create()
        await make_index(world, fields={"t": 1}, expire_after_s=1)
        now_ms = time.time_ns() // 1_000_000
        for number in range(100):
            await put(world, f"old{number}", {"t": {"$date": {"$numberLong": str(now_ms - 2000 - number)}}})
        await put(world, "new", {"t": {"$date": {"$numberLong": str(now_ms + 3_600_000)}}})
        await world.until(
            "only the new one is there",
            lambda: all([info.document_count for info in m.collections()] == [1] for m in machines(world)),
        )
        await are_alike(world)


async def test_entries_of_a_dropped_index_are_removed_in_the_background() -> None:
    async with World() as world:
        await world.create()
        await make_index(world, fields={"n": 1})
        await put_many(world, 2000)
        await world.database("n1").drop_index(world.request(), DB, C, "i")
        await world.until("nothing is left", lambda: not any(m.has_dropped_documents for m in machines(world)))
        await are_alike(world)
