"""Updates by filter, patches and bulks on whole nodes: in chunks, under contention, and once under one key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from world import World

from raftdoc.database.bulk_writes import BulkItem
from raftdoc.database.update_plan import Wanted
from raftdoc.database.update_task import Changed
from raftdoc.document import id_key
from raftdoc.errors import (
    DuplicateKey,
    InvalidQuery,
    NotFound,
    PatchConflict,
    PreconditionFailed,
    TooLarge,
    UpdateRefused,
)
from raftdoc.limits import MIB
from raftdoc.statemachine import update_steps
from raftdoc.statemachine.update_steps import STEPS_MAX, Answer, ChangeKind, Mode

MANY = 2 * STEPS_MAX + 10


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with World(3) as world:
        await world.create("shop")
        yield world


async def fill(world: World, count: int, **members: Any) -> None:
    items = [(f"{number:04}", orjson.dumps({"_id": f"{number:04}", "n": number, **members})) for number in range(count)]
    await world.database("n1").create_documents(world.request(), "shop", "c", items, atomic=False)


async def change(world: World, on: str = "n1", key: str | None = None, **wanted: Any) -> Changed:
    request = world.request(key=key)
    return await world.database(on).change_documents(request, "shop", "c", Wanted(**wanted))


async def documents(world: World, on: str = "n1") -> dict[Any, Any]:
    page = await world.database(on).list_documents(world.request(), "shop", "c", after=None, limit=10_000)
    found = [orjson.loads(stored.body) for stored in page.documents]
    return {document["_id"]: document for document in found}


async def snapshots(world: World) -> AsyncIterator[dict[Any, Any]]:
    while True:
        yield await documents(world)


async def patch(world: World, kind: ChangeKind, body: Any, *, if_match: int | None = None, id: str = "0000") -> Any:
    return await world.database("n1").patch_document(
        world.request(), "shop", "c", id, kind=kind, body=body, if_match=if_match, bytes_max=MIB
    )


async def test_update_by_filter_goes_through_all_documents_in_chunks(world: World) -> None:
    await fill(world, MANY)
    changed = await change(world, filter={"n": {"$gte": 5}}, update={"$inc": {"n": 1}}, multi=True)
    assert (changed.matched, changed.modified) == (MANY - 5, MANY - 5)
    found = await documents(world)
    assert [document["n"] for document in found.values()] == [0, 1, 2, 3, 4, *range(6, MANY + 1)]


async def test_retry_of_an_update_in_chunks_changes_nothing_twice(world: World) -> None:
    await fill(world, MANY)
    wanted = {"filter": {}, "update": {"$inc": {"n": 1}}, "multi": True}
    first = await change(world, key="k", **wanted)
    again = await change(world, on="n2", key="k", **wanted)
    assert (again.matched, again.modified, again.replayed) == (first.matched, first.modified, True)
    assert [document["n"] for document in (await documents(world)).values()] == list(range(1, MANY + 1))


async def test_retry_goes_on_where_the_first_attempt_stopped(world: World) -> None:
    await fill(world, MANY)
    wanted = {"filter": {}, "update": {"$inc": {"n": 1}}, "multi": True}
    first = asyncio.ensure_future(change(world, key="k", **wanted))
    async for found in snapshots(world):
        if found["0000"]["n"]:
            first.cancel()
            break
    again = await change(world, on="n3", key="k", **wanted)
    assert again.modified == MANY
    assert [document["n"] for document in (await documents(world)).values()] == list(range(1, MANY + 1))


async def test_any_node_tells_how_far_an_update_is(world: World) -> None:
    await fill(world, MANY)
    changed = await change(world, key="k/1", filter={}, update={"$inc": {"n": 1}}, multi=True)
    assert changed.operation is not None
    told = await world.database("n2").operation(world.request(), changed.operation)
    assert (told.kind, told.state, told.done, told.total) == ("update", "done", MANY, MANY)
    with pytest.raises(NotFound):
        await world.database("n2").operation(world.request(), changed.operation + "x")


async def test_update_through_an_index_changes_what_it_finds(world: World) -> None:
    await fill(world, MANY)
    await world.database("n1").create_index(world.request(), "shop", "c", {"fields": {"n": -1}})
    changed = await change(world, filter={"n": {"$lt": 150}}, update={"$inc": {"n": 1000}}, multi=True)
    assert changed.modified == 150
    assert sorted(document["n"] for document in (await documents(world)).values())[-1] == 1149


async def test_documents_that_do_not_take_the_update_are_counted_and_named(world: World) -> None:
    await fill(world, 3)
    await change(world, filter={"_id": "0001"}, update={"$set": {"n": "text"}})
    changed = await change(world, filter={}, update={"$inc": {"n": 1}}, multi=True)
    assert (changed.matched, changed.modified, changed.refused) == (3, 2, 1)
    ((id_, error),) = changed.errors
    assert (id_, error.code) == ("0001", "update_refused")
    with pytest.raises(UpdateRefused):
        await change(world, filter={"n": "text"}, update={"$inc": {"n": 1}}, multi=True)


async def test_update_that_is_done_here_is_guarded_by_the_revision(world: World) -> None:
    await fill(world, 4, text="abc")
    changed = await change(
        world,
        filter={"text": {"$regex": "^a"}},
        update={"$pull": {"missing": {"$regex": "x"}}, "$inc": {"n": 10}},
        multi=True,
    )
    assert (changed.matched, changed.modified) == (4, 4)
    assert [document["n"] for document in (await documents(world)).values()] == [10, 11, 12, 13]


@pytest.mark.parametrize("atomic", [True, False])
@pytest.mark.parametrize("part", ["update", "filter"])
async def test_the_loop_has_its_turn_between_documents_that_take_long(world: World, part: str, atomic: bool) -> None:
    looping = {"$size": {"$map": {"input": {"$range": ["$z", 20_000]}, "in": "$z"}}}
    await fill(world, 20, z=0)
    wanted: dict[str, Any] = {"filter": {}, "update": [{"$set": {"x": looping}}]}
    if part == "filter":
        wanted = {"filter": {"$expr": {"$eq": [looping, 20_000]}}, "update": {"$inc": {"n": 1}}}
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        handle.append(asyncio.get_running_loop().call_soon(count))

    handle: list[asyncio.Handle] = []
    count()
    changed = await change(world, **wanted, multi=True, atomic=atomic)
    handle[-1].cancel()
    assert changed.modified == 20
    assert turns > 20


async def test_atomic_update_changes_all_or_nothing(world: World) -> None:
    await fill(world, MANY)
    await change(world, filter={"_id": "0001"}, update={"$set": {"n": "text"}})
    with pytest.raises(UpdateRefused):
        await change(world, filter={}, update={"$inc": {"n": 1}}, multi=True, atomic=True)
    assert (await documents(world))["0000"]["n"] == 0
    changed = await change(world, filter={}, update={"$set": {"done": True}}, multi=True, atomic=True)
    assert changed.modified == MANY


async def test_atomic_update_of_more_than_one_command_can_do_is_refused(world: World) -> None:
    await fill(world, 9, text="x" * 1_000_000)
    with pytest.raises(TooLarge):
        await change(world, filter={}, update={"$inc": {"n": 1}}, multi=True, atomic=True)


async def test_delete_by_filter(world: World) -> None:
    await fill(world, MANY)
    changed = await change(world, filter={"n": {"$lt": MANY - 1}}, is_delete=True, multi=True)
    assert changed.modified == MANY - 1
    assert list(await documents(world)) == [f"{MANY - 1:04}"]


async def test_one_document_is_the_first_by_the_sort(world: World) -> None:
    await fill(world, 5)
    changed = await change(
        world, filter={"n": {"$gt": 0}}, update={"$set": {"taken": True}}, sort={"n": -1}, answer=Answer.AFTER
    )
    assert changed.document is not None
    assert orjson.loads(changed.document) == {"_id": "0004", "n": 4, "taken": True}


async def test_workers_that_take_from_a_queue_never_take_the_same(world: World) -> None:
    await fill(world, 24, state="new")
    taken: list[str] = []

    async def work(on: str) -> None:
        while True:
            changed = await change(
                world, on=on, filter={"state": "new"}, update={"$set": {"state": "done"}}, answer=Answer.BEFORE
            )
            if changed.document is None:
                return
            taken.append(orjson.loads(changed.document)["_id"])

    await asyncio.gather(*(work(on) for on in ("n1", "n2", "n3")))
    assert sorted(taken) == [f"{number:04}" for number in range(24)]


async def test_increments_that_meet_all_count(world: World) -> None:
    await fill(world, 10)
    wanted = {"filter": {}, "update": {"$inc": {"m": 1}}, "multi": True}
    await asyncio.gather(*(change(world, on=on, **wanted) for on in ("n1", "n2", "n3", "n1")))
    assert [document["m"] for document in (await documents(world)).values()] == [4] * 10


@pytest.mark.parametrize("multi", [False, True])
async def test_upsert_makes_a_document_from_the_filter_once_under_a_key(world: World, multi: bool) -> None:
    wanted = {"filter": {"name": "ink"}, "update": {"$inc": {"n": 1}}, "upsert": True, "new_id": "new", "multi": multi}
    first = await change(world, key="k", **wanted)
    again = await change(world, on="n2", key="k", **wanted)
    assert (first.upserted_id, again.upserted_id, again.replayed) == ("new", "new", True)
    assert (await change(world, **wanted)).modified == 1
    assert await documents(world) == {"new": {"_id": "new", "name": "ink", "n": 2}}


async def test_upsert_by_id_is_one_command(world: World) -> None:
    wanted = {"filter": {"_id": 7, "n": {"$lt": 2}}, "update": {"$inc": {"n": 1}}, "upsert": True}
    results = [await change(world, **wanted) for _ in range(2)]
    assert [changed.upserted_id for changed in results] == [7, None]
    with pytest.raises(DuplicateKey):
        await change(world, **wanted)


async def test_nothing_found_is_remembered_as_well(world: World) -> None:
    await fill(world, 1)
    wanted = {"filter": {"n": 99}, "update": {"$set": {"m": 1}}}
    assert (await change(world, key="k", **wanted)).matched == 0
    await change(world, filter={"_id": "0000"}, update={"$set": {"n": 99}})
    again = await change(world, key="k", **wanted)
    assert (again.matched, again.replayed) == (0, True)
    assert "m" not in (await documents(world))["0000"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"filter": {"n": 99}, "update": {"$set": {"m": 1}}},
        {"filter": {"n": 99}, "update": {"$set": {"m": 1}}, "answer": Answer.AFTER},
        {"filter": {"n": 99}, "is_delete": True, "multi": True},
        {"filter": {"_id": "0000", "n": 99}, "update": {"$set": {"m": 1}}},
        {"filter": {"_id": "none"}, "update": {"$set": {"m": 1}}, "answer": Answer.BEFORE},
        {"filter": {"_id": "none"}, "is_delete": True},
    ],
)
async def test_what_found_nothing_to_change_is_remembered_as_done(world: World, wanted: Any) -> None:
    await fill(world, 1)
    changed = await change(world, key="k", **wanted)
    assert (changed.matched, changed.modified, changed.replayed) == (0, 0, False)
    again = await change(world, on="n2", key="k", **wanted)
    assert (again.matched, again.modified, again.replayed, again.time_ms) == (0, 0, True, changed.time_ms)
    record = await world.database("n1").request_outcome(world.request(), "shop", "k")
    assert (record.outcome.code, record.outcome.revision) == ("ok", 0)


async def test_patch_of_a_document_that_is_not_there_is_remembered_as_refused(world: World) -> None:
    await fill(world, 1)
    wanted = {"filter": {"_id": "none"}, "update": [{"$set": {"m": 1}}], "named": "none"}
    for is_replay in (False, True):
        with pytest.raises(NotFound) as caught:
            await change(world, key="k", **wanted)
        assert (caught.value.code, caught.value.name, caught.value.replayed) == (
            "document_not_found",
            "none",
            is_replay,
        )
    record = await world.database("n1").request_outcome(world.request(), "shop", "k")
    assert record.outcome.code == "document_not_found"


async def test_success_is_remembered_when_the_filter_no_longer_matches(world: World) -> None:
    await fill(world, 1)
    wanted = {"filter": {"n": 0}, "update": {"$set": {"n": 1}}}
    assert (await change(world, key="k", **wanted)).modified == 1
    again = await change(world, key="k", **wanted)
    assert (again.matched, again.modified, again.replayed) == (1, 1, True)


async def test_what_cannot_be_understood_is_refused_before_anything_is_done(world: World) -> None:
    await fill(world, 1)
    for wanted in (
        {"filter": {"$nope": 1}},
        {"filter": {}, "update": {"$nope": {}}},
        {"filter": {}, "update": {}, "multi": True},
    ):
        with pytest.raises(InvalidQuery):
            await change(world, **wanted)


async def test_update_in_a_missing_collection_is_a_404_unless_it_makes_a_document(world: World) -> None:
    for filter_ in ({"_id": 1}, {"n": 1}):
        with pytest.raises(NotFound):
            await change(world, filter=filter_, update={"$set": {"a": 1}})


async def test_patches_that_meet_both_count(world: World) -> None:
    await fill(world, 1)
    await asyncio.gather(*(patch(world, ChangeKind.MERGE_PATCH, {f"m{number}": number}) for number in range(8)))
    assert len((await documents(world))["0000"]) == 10


async def test_patch_that_does_not_fit_changes_nothing(world: World) -> None:
    await fill(world, 1)
    with pytest.raises(PatchConflict) as conflict:
        await patch(world, ChangeKind.JSON_PATCH, [{"op": "test", "path": "/n", "value": 1}])
    assert conflict.value.pointer == "/0"
    with pytest.raises(PreconditionFailed):
        await patch(world, ChangeKind.MERGE_PATCH, {"n": 5}, if_match=1)
    with pytest.raises(NotFound):
        await patch(world, ChangeKind.MERGE_PATCH, {"n": 5}, id="none")
    assert (await documents(world))["0000"]["n"] == 0


def bulk_items(count: int) -> list[BulkItem]:
    items = []
    for number in range(count):
        body = orjson.dumps({"_id": number, "n": number})
        items.append(BulkItem(number, update_steps.insert(number, body), None, len(body)))
        increment = update_steps.change(ChangeKind.UPDATE, {"$inc": {"n": number}})
        items.append(BulkItem(number, update_steps.update(id_key(number)), increment, 20))
    return items


@pytest.mark.parametrize("mode", [Mode.ORDERED, Mode.ATOMIC])
async def test_bulk_does_its_items_in_order_and_once(world: World, mode: Mode) -> None:
    items = bulk_items(STEPS_MAX)
    for on in ("n1", "n2"):
        request = world.request(key="k")
        bulk = await world.database(on).write_bulk(request, "shop", "c", items, mode=mode, bytes_max=MIB)
        assert bulk.is_ok
        assert len(bulk.results) == len(items)
        assert bulk.replayed == (on == "n2")
    assert (await documents(world))[5]["n"] == 10


async def test_ordered_bulk_stops_at_the_first_that_is_refused(world: World) -> None:
    items = bulk_items(3)
    items[3:3] = [items[0]]
    bulk = await world.database("n1").write_bulk(world.request(), "shop", "c", items, mode=Mode.ORDERED, bytes_max=MIB)
    assert [result.code for result in bulk.results] == ["ok", "ok", "ok", "duplicate_key"]
    unordered = await world.database("n1").write_bulk(
        world.request(), "shop", "d", items, mode=Mode.UNORDERED, bytes_max=MIB
    )
    assert sum(result.code == "ok" for result in unordered.results) == 6


async def test_atomic_bulk_says_what_refused_it(world: World) -> None:
    items = bulk_items(2)
    none = BulkItem("none", update_steps.delete(id_key("none")), None, 4)
    for last, error, detail in (
        (items[0], DuplicateKey, "item 5, document 0: a document with the id 0 exists in c"),
        (none, NotFound, "item 5, document none: there is no document 'none'"),
    ):
        with pytest.raises(error) as raised:
            await world.database("n1").write_bulk(
                world.request(), "shop", "c", [*items, last], mode=Mode.ATOMIC, bytes_max=MIB
            )
        assert raised.value.detail == detail
    assert await world.database("n1").collections(world.request(), "shop") == []
