"""A member that the log does not reach back to gets the state, while writes go on, and whatever breaks meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import World

from raftdoc.ids import GroupId, NodeId
from raftdoc.limits import KIB, MIB
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_receiver import Incoming, Stage
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.storage.keyspace import GroupKeys, group_range

DB, COLLECTION = "shop", "orders"


async def put(world: World, first: int, stop: int) -> None:
    on = next(iter(world.processes))
    items = [(f"d{n}", b'{"_id":"d%d","pad":"%b"}' % (n, b"x" * 400)) for n in range(first, stop)]
    await world.database(on).create_documents(world.request(), DB, COLLECTION, items, atomic=False)


def replica_on(world: World, id: NodeId) -> Replica | None:
    process = world.processes.get(id)
    return None if process is None else process.directory.replica(DB)


def replicas(world: World) -> list[Replica]:
    found = [replica_on(world, id) for id in world.processes]
    return [replica for replica in found if replica is not None]


def follower(world: World) -> NodeId:
    return next(id for id in world.ids if id != world.leader_of(DB))


def is_equal(world: World) -> bool:
    """Return whether all members are there, with one applied index and one digest."""
    there = replicas(world)
    states = {(replica.machine.applied_index, str(replica.machine.digest())) for replica in there}
    return len(there) == len(world.ids) and len(states) == 1


def is_stored_right(world: World, id: NodeId) -> bool:
    replica = replica_on(world, id)
    assert replica is not None
    keys = GroupKeys(replica.group, replica.incarnation)
    return recompute_digest(world.members[id].engine, keys) == replica.machine.digest()


def stored_incarnations(world: World, id: NodeId, group: GroupId) -> set[int]:
    return {int.from_bytes(key[4:8], "big") for key, _ in world.members[id].engine.scan(*group_range(group))}


def incoming(world: World, id: NodeId) -> Incoming | None:
    process, replica = world.processes.get(id), replica_on(world, id)
    return None if process is None or replica is None else process.snapshots.receiver.streams.get(replica.group)


def small_log() -> World:
    return World(flush_bytes=256 * KIB, log_bytes_max=2 * MIB)


async def leave_behind(world: World) -> NodeId:
    """Stop a follower, write until the log no longer reaches back to it, and return it."""
    await world.create()
    await put(world, 0, 500)
    away = follower(world)
    await world.until("all have it", lambda: is_equal(world))
    reached = replicas(world)[0].core.last_index
    await world.stop(away)
    first = 500
    while not all(replica.core.log.compacted_index > reached for replica in replicas(world)):
        await put(world, first, first + 1000)
        first += 1000
        assert first < 40_000, "the log is kept for ever"
    return away


async def test_member_that_slept_through_compaction_catches_up_while_writes_go_on() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        first = 100_000
        while replica_on(world, away) is None or not incoming(world, away):
            await put(world, first, first + 50)
            first += 50
        await put(world, first, first + 200)
        await world.until("the digests agree", lambda: is_equal(world))
        replica = replica_on(world, away)
        assert replica is not None
        assert replica.incarnation > 1, "it came by the log"
        assert is_stored_right(world, away)
        await put(world, first + 200, first + 300)
        await world.until("the log goes on from there", lambda: is_equal(world))


async def test_old_incarnation_is_removed_in_the_background() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("the digests agree", lambda: is_equal(world))
        replica = replica_on(world, away)
        assert replica is not None
        live = {replica.incarnation}
        await world.until("only the live one is left", lambda: stored_incarnations(world, away, replica.group) == live)


async def test_state_that_was_installed_survives_a_power_cut_of_everybody() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("the digests agree", lambda: is_equal(world))
        expected = replicas(world)[0].machine.digest()
        for id in world.ids:
            await world.kill(id)
        for id in world.ids:
            await world.start(id)
        await world.until("all are there", lambda: is_equal(world))
        assert {**replicas(world)[0].machine.digest(), "$meta": ""} == {**expected, "$meta": ""}
        assert all(is_stored_right(world, id) for id in world.ids)


def has_written(count: int) -> Callable[[Incoming], bool]:
    return lambda stream: stream.chunk_count >= count


STEPS: dict[str, Callable[[Incoming], bool]] = {
    "accepted": has_written(0),
    "first chunk": has_written(1),
    "third chunk": has_written(3),
    "flushing": lambda stream: stream.stage is not Stage.RECEIVING,
    "record on its way": lambda stream: stream.stage is Stage.INSTALLING,
}


@pytest.mark.parametrize("step", STEPS)
async def test_crash_at_every_step_of_an_install_leaves_the_old_state_or_the_new(step: str) -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until(step, lambda: (stream := incoming(world, away)) is not None and STEPS[step](stream))
        await world.kill(away)
        await world.start(away)
        await world.until("the digests agree", lambda: is_equal(world))
        assert is_stored_right(world, away)
        replica = replica_on(world, away)
        assert replica is not None
        live = {replica.incarnation}
        await world.until("nothing is left over", lambda: stored_incarnations(world, away, replica.group) == live)


async def test_crash_before_the_record_is_durable_leaves_the_old_state() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        process = await world.start(away)
        await world.until("it comes", lambda: incoming(world, away) is not None)
        before = replica_on(world, away)
        assert before is not None
        applied, incarnation = before.machine.applied_index, before.incarnation
        process.persister.is_stuck = True
        await world.until("the record waits", lambda: STEPS["record on its way"](incoming(world, away)))  # type: ignore[arg-type]
        assert before.machine.applied_index == applied
        await world.kill(away)
        # Alone it finds what it had; the others are away, so nothing else can have come.
        for id in [id for id in world.ids if id != away]:
            await world.stop(id)
        await world.start(away)
        after = replica_on(world, away)
        assert after is not None
        assert (after.machine.applied_index, after.incarnation) == (applied, incarnation)


async def test_leader_that_changes_in_the_middle_makes_another_stream() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("chunks come", lambda: (s := incoming(world, away)) is not None and s.chunk_count >= 1)
        stream = incoming(world, away)
        assert stream is not None
        await world.stop(stream.sender)
        await world.until("the rest has a leader", lambda: world.leader_of(DB) is not None)
        await world.start(stream.sender)
        await world.until("the digests agree", lambda: is_equal(world))
        assert is_stored_right(world, away)


async def test_link_that_breaks_in_the_middle_costs_a_pause() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("chunks come", lambda: (s := incoming(world, away)) is not None and s.chunk_count >= 2)
        stream = incoming(world, away)
        assert stream is not None
        incarnation = stream.keys.incarnation
        world.hub.cut(stream.sender, away)
        written = stream.chunk_count
        world.hub.heal()
        await world.until("the digests agree", lambda: is_equal(world))
        replica = replica_on(world, away)
        assert replica is not None
        assert replica.incarnation == incarnation, "it began anew"
        assert stream.chunk_count >= written


async def test_refused_writes_of_the_engine_are_written_again() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("it comes", lambda: incoming(world, away) is not None)
        world.members[away].engine.busy_writes = 5
        await world.until("the digests agree", lambda: is_equal(world))
        assert is_stored_right(world, away)
