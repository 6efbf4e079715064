"""A member that the log does not reach back to gets the state, while writes go on, and whatever breaks meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from world import World

from raftdoc.ids import BootId, GroupId, NodeId, Term
from raftdoc.limits import KIB, MIB
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_receiver import Incoming, Stage
from raftdoc.statemachine.digest import recompute_digest
from raftdoc.storage.keyspace import GroupKeys, group_range
from raftdoc.wire.messages import SnapshotBegin, SnapshotChunk, SnapshotEnd

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


async def spoil(world: World, away: NodeId, how: Callable[[SnapshotChunk], list[SnapshotChunk]]) -> None:
    """Start the member that is away behind something that changes the chunks it gets."""
    process = await world.start(away)
    receiver, clock = process.snapshots.receiver, process.node.clock

    def hand_in(peer: NodeId, group: GroupId, chunk: SnapshotChunk) -> None:
        for made in how(chunk):
            receiver.on_chunk(peer, group, made, clock.now_ns())

    process.node.serve(SnapshotChunk, hand_in)


async def test_damaged_and_cut_chunks_are_asked_for_again() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        spoiled: list[int] = []

        def damage(chunk: SnapshotChunk) -> list[SnapshotChunk]:
            if chunk.sequence in (1, 4) and spoiled.count(chunk.sequence) < 2:
                spoiled.append(chunk.sequence)
                data = chunk.data[:-9] if len(spoiled) % 2 else chunk.data[:-20] + b"?" + chunk.data[-19:]
                return [chunk._replace(data=data)]
            return [chunk]

        await spoil(world, away, damage)
        await world.until("the digests agree", lambda: is_equal(world))
        assert sorted(spoiled) == [1, 1, 4, 4]
        assert is_stored_right(world, away)


async def test_lost_repeated_and_swapped_chunks_come_again() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        seen: list[SnapshotChunk] = []

        def mix(chunk: SnapshotChunk) -> list[SnapshotChunk]:
            seen.append(chunk)
            if len(seen) in (2, 5):
                return []
            return [chunk, seen[-2], chunk] if len(seen) % 3 == 0 else [chunk]

        await spoil(world, away, mix)
        await world.until("the digests agree", lambda: is_equal(world))
        assert is_stored_right(world, away)


async def test_stream_whose_chunks_never_hold_is_given_up_and_another_succeeds() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        streams: set[int] = set()

        def damage_first_stream(chunk: SnapshotChunk) -> list[SnapshotChunk]:
            streams.add(chunk.stream)
            return [chunk._replace(checksum=chunk.checksum ^ 1) if len(streams) == 1 else chunk]

        await spoil(world, away, damage_first_stream)
        await world.until("the digests agree", lambda: is_equal(world))
        assert len(streams) == 2
        replica = replica_on(world, away)
        assert replica is not None
        live = {replica.incarnation}
        await world.until("nothing is left over", lambda: stored_incarnations(world, away, replica.group) == live)


async def test_digest_that_differs_is_never_installed() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        process = await world.start(away)
        receiver, clock = process.snapshots.receiver, process.node.clock
        streams: set[int] = set()

        def lie_once(peer: NodeId, group: GroupId, end: SnapshotEnd) -> None:
            streams.add(end.stream)
            wrong = end._replace(digest=(*end.digest, ("forged", "00/0/0")))
            receiver.on_end(peer, group, wrong if len(streams) == 1 else end, clock.now_ns())

        process.node.serve(SnapshotEnd, lie_once)
        await world.until("the digests agree", lambda: is_equal(world))
        assert len(streams) == 2


async def test_disk_that_fills_in_the_middle_gives_the_stream_up_and_space_brings_another() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("chunks come", lambda: (s := incoming(world, away)) is not None and s.chunk_count >= 1)
        files, engine = world.members[away].files, world.members[away].engine
        had, files.capacity_bytes = files.capacity_bytes, 0
        # As RocksDB refuses writes while it cannot flush.
        engine.busy_writes = 1 << 30
        await world.until("it is given up", lambda: incoming(world, away) is None and not is_equal(world))
        replica = replica_on(world, away)
        assert replica is not None
        live = {replica.incarnation}
        engine.busy_writes = 0
        await world.until("its bytes go", lambda: stored_incarnations(world, away, replica.group) == live)
        files.capacity_bytes = had
        await world.until("the digests agree", lambda: is_equal(world), 30)


async def test_stream_of_an_older_term_is_refused_and_the_present_one_goes_on() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        process = await world.start(away)
        await world.until("it comes", lambda: incoming(world, away) is not None)
        stream = incoming(world, away)
        assert stream is not None
        other = next(id for id in world.ids if id not in (away, stream.sender))
        meta = stream.meta
        stale = SnapshotBegin(1, Term(0), meta.index, meta.index_term, meta.configuration, 0, 1, BootId(1))
        process.snapshots.receiver.on_begin(other, stream.replica.group, stale, process.node.clock.now_ns())
        assert incoming(world, away) is stream
        await world.until("the digests agree", lambda: is_equal(world))


async def test_second_stream_of_the_same_leader_takes_the_place_of_the_first() -> None:
    async with small_log() as world:
        away = await leave_behind(world)
        process = await world.start(away)
        await world.until("it comes", lambda: (s := incoming(world, away)) is not None and s.stage is Stage.RECEIVING)
        first = incoming(world, away)
        assert first is not None
        leader = world.processes[first.sender]
        replica = leader.directory.replica(DB)
        assert replica is not None
        leader.snapshots.wanted(replica, [away])
        await world.until("another comes, or all is done", lambda: incoming(world, away) is not first)
        await world.until("the digests agree", lambda: is_equal(world))
        assert process.snapshots.receiver.streams == {}
        assert is_stored_right(world, away)


async def test_chunks_of_a_stream_that_the_receiver_does_not_know_begin_it_anew() -> None:
    """As after a restart of the receiver: the sender goes on with what it has pinned."""
    async with small_log() as world:
        away = await leave_behind(world)
        await world.start(away)
        await world.until("chunks come", lambda: (s := incoming(world, away)) is not None and s.chunk_count >= 2)
        stream = incoming(world, away)
        assert stream is not None
        id = stream.id
        await world.kill(away)
        await world.start(away)
        await world.until("it comes again", lambda: incoming(world, away) is not None or is_equal(world))
        again = incoming(world, away)
        await world.until("the digests agree", lambda: is_equal(world))
        assert again is None or again.id == id or again.meta.index > stream.meta.index
