"""Log space and restart time are bounded: the state is flushed, and the log below it let go of (P8)."""

from __future__ import annotations

from world import CACHE_BYTES_MAX, World

from raftdoc.errors import DiskFull
from raftdoc.limits import KIB
from raftdoc.node.maintenance import Maintenance
from raftdoc.node.replica import Replica
from raftdoc.storage.memory import MemoryEngine

DB, COLLECTION = "shop", "orders"


class FullEngine(MemoryEngine):
    def flush(self) -> None:
        raise DiskFull("no space left")


async def put_many(world: World, first: int, stop: int) -> None:
    items = [(f"d{n}", b'{"_id":"d%d","pad":"%b"}' % (n, b"x" * 400)) for n in range(first, stop)]
    await world.database("n1").create_documents(world.request(), DB, COLLECTION, items, atomic=False)


def replicas(world: World) -> list[Replica]:
    return replicas_of(world, DB)


def replicas_of(world: World, database: str) -> list[Replica]:
    found = [process.directory.replica(database) for process in world.processes.values()]
    assert all(found)
    return [replica for replica in found if replica is not None]


def is_cut(world: World) -> bool:
    return all(replica.core.log.compacted_index > 0 for replica in replicas(world))


async def test_p8_log_is_truncated_to_what_is_durably_applied_and_what_every_member_has() -> None:
    async with World(flush_bytes=256 * KIB) as world:
        await world.create()
        await put_many(world, 0, 3000)
        await put_many(world, 3000, 6000)
        await world.until("the log is cut everywhere", lambda: is_cut(world))
        for replica in replicas(world):
            assert replica.core.log.compacted_index <= replica.durable_applied_index
            assert replica.core.log.compacted_index <= replica.matched_everywhere
        await world.until(
            "segments are released", lambda: all(p.log.segment_count <= 4 for p in world.processes.values())
        )


async def test_p8_log_is_kept_for_a_member_that_is_away() -> None:
    async with World(flush_bytes=256 * KIB) as world:
        await world.create()
        away = next(id for id in world.ids if id != world.leader_of(DB))
        await put_many(world, 0, 10)
        lagging = world.processes[away].directory.replica(DB)
        assert lagging is not None
        reached = lagging.core.last_index
        await world.stop(away)
        on = next(iter(world.processes))
        items = [(f"e{n}", b'{"_id":"e%d","pad":"%b"}' % (n, b"x" * 400)) for n in range(4000)]
        await world.database(on).create_documents(world.request(), DB, COLLECTION, items, atomic=False)
        for replica in replicas(world):
            assert replica.core.log.compacted_index <= reached
        await world.start(away)
        await world.until(
            "the member has caught up",
            lambda: len({r.machine.applied_index for r in replicas(world)}) == 1 and len(replicas(world)) == 3,
        )


async def test_a_restart_goes_on_from_a_truncated_log() -> None:
    async with World(flush_bytes=128 * KIB) as world:
        await world.create()
        await put_many(world, 0, 3000)
        await world.until("the log is cut everywhere", lambda: is_cut(world))
        for id in list(world.ids):
            await world.stop(id)
        for id in world.ids:
            await world.start(id)
        await put_many(world, 3000, 3500)
        info = await world.database("n2").collection_info(world.request(), DB, COLLECTION)
        assert info.document_count == 3500


async def test_a_node_ends_though_its_state_cannot_be_flushed() -> None:
    """What is not flushed is in the log: a full disk keeps nobody from closing it."""
    async with World(1) as world:
        process = world.processes[world.ids[0]]
        await Maintenance(process.node, process.log, FullEngine(), world.members[world.ids[0]].fatal.append).close()


async def test_logs_of_many_groups_share_what_a_node_may_hold_in_memory() -> None:
    async with World() as world:
        names = [f"d{number}" for number in range(6)]
        for name in names:
            await world.create(name)
        away = next(id for id in world.ids if id != "n1")
        await world.stop(away)
        items = [(f"d{n}", b'{"_id":"d%d","pad":"%b"}' % (n, b"x" * 4000)) for n in range(200)]
        for name in names:
            await world.database("n1").create_documents(world.request(), name, COLLECTION, items, atomic=False)
        logs = [replica.core.log for replica in world.node("n1").replicas.values()]
        assert sum(log.last_index - log.compacted_index for log in logs) > 6 * 3
        await world.until("they fit", lambda: sum(log.cached_bytes for log in logs) <= CACHE_BYTES_MAX)
        await world.start(away)
        await world.until(
            "who was away has all of it",
            lambda: {r.machine.applied_index for r in replicas_of(world, names[0])} == {logs[1].last_index},
        )


async def test_nodes_flush_at_different_times_though_they_apply_the_same() -> None:
    async with World(1) as world:
        process = world.processes[world.ids[0]]
        await world.create()
        await put_many(world, 0, 50)
        applied_bytes = sum(replica.applied_bytes for replica in process.node.replicas.values())
        flushes = process.node.metrics.flushes
        for phase, expected in ((0.4, 0), (0.6, 1)):
            member, flush_bytes = world.members[world.ids[0]], 2 * applied_bytes
            caretaker = Maintenance(
                process.node, process.log, member.engine, member.fatal.append, flush_bytes=flush_bytes, phase=phase
            )
            caretaker.tick()
            await caretaker.close(is_flushing=False)
            assert flushes.value == expected
