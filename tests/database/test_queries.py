"""Queries on whole nodes: one snapshot after one barrier, in slices that let others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
import pytest_asyncio
from world import World

from raftdoc.errors import DeadlineExceeded, IndexRequired, NotFound, QueryOverBudget
from raftdoc.query.answers import Steps, Work, aggregate_work, count_work, find_work
from raftdoc.query.context import Context
from raftdoc.query.reader import DocumentReader
from raftdoc.query.requests import parse_aggregate, parse_count, parse_find

COUNT = 500


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with World(3) as world:
        await world.create("shop")
        items = [(n, orjson.dumps({"_id": n, "qty": n % 10, "text": "x" * 50})) for n in range(COUNT)]
        await world.database("n1").create_documents(world.request(), "shop", "c", items, atomic=False)
        yield world


async def run(world: World, work: Work[Any], on: str = "n1", max_time_ms: int | None = None) -> Any:
    return await world.database(on).run_query(world.request(), "shop", "c", work, max_time_ms=max_time_ms)


async def test_query_on_a_follower_includes_the_last_acknowledged_write(world: World) -> None:
    leader = world.leader_of("shop")
    (follower, *_) = [id for id in world.ids if id != leader]
    for n in range(20):
        await world.database("n1").create_document(world.request(), "shop", "c", f"new{n}", b'{"_id":"new%d"}' % n)
        answer = await run(world, count_work(parse_count({"filter": {"_id": f"new{n}"}}).query), on=follower)
        assert answer.members == {"count": 1}


async def test_find_gives_what_the_filter_means_and_what_it_cost(world: World) -> None:
    query = parse_find({"filter": {"qty": 3}, "sort": {"_id": -1}, "projection": {"qty": 1}, "limit": 3}).query
    answer = await run(world, find_work(query))
    assert [orjson.loads(body) for body in answer.documents] == [{"_id": n, "qty": 3} for n in (493, 483, 473)]
    assert answer.stats.documents_examined == 37
    assert answer.after is not None


async def test_missing_collection_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="collection"):
        await world.database("n1").run_query(
            world.request(), "shop", "none", find_work(parse_find({}).query), max_time_ms=None
        )


async def test_pipeline_reads_other_collections_of_the_same_database(world: World) -> None:
    await world.database("n1").create_document(world.request(), "shop", "d", "x", b'{"_id":"x","n":3}')
    pipeline = [{"$match": {"_id": 3}}, {"$lookup": {"from": "d", "localField": "qty", "foreignField": "n", "as": "d"}}]
    answer = await run(world, aggregate_work(parse_aggregate({"pipeline": pipeline}).query))
    (found,) = [orjson.loads(body) for body in answer.documents]
    assert found["d"] == [{"_id": "x", "n": 3}]


async def test_budget_of_documents_ends_a_query(world: World) -> None:
    with pytest.raises(QueryOverBudget):
        await run(world, find_work(parse_find({"filter": {"qty": 77}, "max_docs_examined": 100}).query))


async def test_query_that_requires_an_index_is_refused_without_one(world: World) -> None:
    with pytest.raises(IndexRequired):
        await run(world, find_work(parse_find({"filter": {"qty": 7}, "require_index": True}).query))
    await run(world, find_work(parse_find({"filter": {"_id": {"$gt": 7}}, "require_index": True}).query))


def endless(trace: list[str], name: str, steps_max: int = 1 << 60) -> Work[str]:
    """Return work that goes on until it is stopped, and says when it is."""

    def work(reader: DocumentReader, context: Context) -> Steps[str]:
        try:
            for _ in range(steps_max):
                if trace[-1:] != [name]:
                    trace.append(name)
                yield None
            yield name
        finally:
            trace.append(f"{name} ended")

    return work


async def test_deadline_ends_a_query(world: World) -> None:
    trace: list[str] = []
    with pytest.raises(DeadlineExceeded):
        await run(world, endless(trace, "a"), max_time_ms=20)


async def test_long_queries_take_turns_and_others_are_served_between(world: World) -> None:
    trace: list[str] = []
    scans = [asyncio.ensure_future(run(world, endless(trace, name))) for name in "abc"]
    await world.until("each had several turns", lambda: all(trace.count(name) >= 3 for name in "abc"))
    document = await asyncio.ensure_future(run(world, find_work(parse_find({"filter": {"_id": 7}}).query)))
    assert len(document.documents) == 1
    for scan in scans:
        scan.cancel()
    await asyncio.gather(*scans, return_exceptions=True)
    turns = [name for name in trace if name in "abc"][3:-3]
    assert all(first != second for first, second in pairwise(turns))


async def test_cancelled_query_does_no_more_work(world: World) -> None:
    trace: list[str] = []
    scan = asyncio.ensure_future(run(world, endless(trace, "a")))
    await world.until("it runs", lambda: trace)
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan
    assert trace[-1] == "a ended"
