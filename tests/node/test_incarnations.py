"""Fresh numbers for copies of groups, and the removal of copies that nobody speaks of."""

from __future__ import annotations

import asyncio
import time

from raftdoc.ids import GroupId, Incarnation
from raftdoc.node.incarnations import Incarnations
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.memory import MemoryEngine

A, B = GroupId(1), GroupId(2)


def keys(group: GroupId, incarnation: int) -> GroupKeys:
    return GroupKeys(group, Incarnation(incarnation))


def fill(engine: MemoryEngine, of: GroupKeys, count: int = 3) -> None:
    engine.write({of.document(1, b"%05d" % n): b"v" for n in range(count)})


async def done(incarnations: Incarnations) -> None:
    deadline = time.monotonic() + 10
    while incarnations.doomed_count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


def is_stored(engine: MemoryEngine, of: GroupKeys) -> bool:
    return next(iter(engine.scan(*of.range())), None) is not None


async def test_first_incarnation_is_1_and_each_later_one_is_new() -> None:
    incarnations = Incarnations(MemoryEngine())
    assert [incarnations.fresh(A), incarnations.fresh(A), incarnations.fresh(B)] == [1, 2, 1]


async def test_fresh_incarnation_is_above_everything_stored() -> None:
    engine = MemoryEngine()
    fill(engine, keys(A, 7))
    fill(engine, keys(B, 900))
    assert Incarnations(engine).fresh(A) == 8


async def test_number_of_one_that_is_being_removed_is_not_given_again() -> None:
    engine = MemoryEngine()
    fill(engine, keys(A, 7))
    incarnations = Incarnations(engine)
    incarnations.drop(keys(A, 7))
    await done(incarnations)
    assert not is_stored(engine, keys(A, 7))
    assert incarnations.fresh(A) == 8


async def test_start_removes_what_is_not_live_and_nothing_else() -> None:
    engine = MemoryEngine()
    live, leftover, gone = keys(A, 3), keys(A, 4), keys(B, 1)
    for of in (live, leftover, gone):
        fill(engine, of)
    incarnations = Incarnations(engine)
    found = incarnations.recover([(A, Incarnation(3))])
    assert [(of.group, of.incarnation) for of in found] == [(A, 4), (B, 1)]
    await done(incarnations)
    assert is_stored(engine, live)
    assert not is_stored(engine, leftover)
    assert not is_stored(engine, gone)
    assert incarnations.fresh(A) == 5


async def test_large_incarnation_goes_in_slices_and_waits_where_the_engine_is_busy() -> None:
    engine = MemoryEngine()
    fill(engine, keys(A, 1), 1800)
    fill(engine, keys(A, 2), 5)
    engine.busy_writes = 2
    incarnations = Incarnations(engine)
    incarnations.drop(keys(A, 1))
    await done(incarnations)
    assert incarnations.dropped_keys == 1800
    assert is_stored(engine, keys(A, 2))


async def test_closed_in_the_middle_the_next_life_goes_on() -> None:
    engine = MemoryEngine()
    fill(engine, keys(A, 1), 1800)
    incarnations = Incarnations(engine)
    incarnations.drop(keys(A, 1))
    incarnations.close()
    again = Incarnations(engine)
    again.recover([])
    await done(again)
    assert not is_stored(engine, keys(A, 1))
