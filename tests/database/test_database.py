"""The cluster as one database: any node answers, nothing acknowledged is lost, every error tells the truth."""

from __future__ import annotations

import asyncio

import pytest
from world import World

from raftdoc.cluster.view import ClusterView
from raftdoc.database.catalog import Catalog
from raftdoc.database.requests import Request
from raftdoc.errors import (
    DeadlineExceeded,
    DuplicateKey,
    KeyReused,
    NotFound,
    PreconditionFailed,
    StalenessNotMet,
    TooLarge,
    UnknownOption,
)
from raftdoc.ids import CATALOG_GROUP, NodeId
from raftdoc.limits import ATOMIC_BATCH_BYTES_MAX
from raftdoc.statemachine import commands
from raftdoc.statemachine.outcome import Outcome, StoredDocument

DB, COLLECTION = "shop", "orders"
TURNS = 50
"""Of the loop: enough for anything that waits for nothing."""


async def put(world: World, on: str, id: str, value: int, **options: object) -> Outcome:
    request = world.request(**options)  # type: ignore[arg-type]
    body = b'{"_id":"%s","v":%d}' % (id.encode(), value)
    return await world.database(on).put_document(request, DB, COLLECTION, id, body, if_match=None, if_none_match=False)


async def get(world: World, on: str, id: str, consistency: str = "linearizable") -> StoredDocument | None:
    request = world.request()
    request.consistency = consistency  # type: ignore[assignment]
    return await read(world, on, id, request)


async def read(world: World, on: str, id: str, request: Request) -> StoredDocument | None:
    found = world.database(on).get_document(request, DB, COLLECTION, id)
    return found if found is None or isinstance(found, StoredDocument) else await found


async def test_a_write_on_any_node_is_read_on_every_node_at_once() -> None:
    async with World() as world:
        await world.create()
        for number, writer in enumerate(world.ids):
            outcome = await put(world, writer, "x", number)
            for reader in world.ids:
                found = await get(world, reader, "x")
                assert found is not None
                assert (found.revision, found.body) == (outcome.revision, b'{"_id":"x","v":%d}' % number)


@pytest.mark.parametrize("leases", [True, False])
async def test_linearizable_reads_hold_with_and_without_leases(leases: bool) -> None:
    async with World(leases=leases) as world:
        await world.create()
        for value in range(20):
            writer, reader = world.ids[value % 3], world.ids[(value + 1) % 3]
            await put(world, writer, "x", value)
            found = await get(world, reader, "x")
            assert found is not None
            assert found.body == b'{"_id":"x","v":%d}' % value


async def test_one_node_is_a_cluster_too() -> None:
    async with World(count=1) as world:
        await world.create()
        await put(world, "n1", "x", 1)
        assert await get(world, "n1", "x") is not None


async def test_missing_things_are_told_apart() -> None:
    async with World() as world:
        with pytest.raises(NotFound) as missing:
            await get(world, "n2", "x")
        assert missing.value.code == "database_not_found"
        await world.create()
        with pytest.raises(NotFound) as missing:
            await get(world, "n2", "x")
        assert missing.value.code == "collection_not_found"
        await put(world, "n1", "y", 1)
        assert await get(world, "n2", "x") is None


async def test_a_retry_under_one_key_is_done_once_on_whatever_node_it_comes() -> None:
    async with World() as world:
        await world.create()
        outcomes = [await put(world, id, "x", 1, key="k", print_of=b"a") for id in world.ids]
        assert len({outcome.revision for outcome in outcomes}) == 1
        assert [outcome.replayed for outcome in outcomes] == [False, True, True]
        with pytest.raises(KeyReused):
            await put(world, "n1", "x", 2, key="k", print_of=b"b")
        record = await world.database("n3").request_outcome(world.request(), DB, "k")
        assert record.outcome.revision == outcomes[0].revision


async def test_a_retry_after_the_leader_is_gone_is_done_once() -> None:
    async with World() as world:
        await world.create()
        first = await put(world, "n1", "x", 1, key="k", print_of=b"a")
        leader = world.leader_of(DB)
        assert leader is not None
        await world.stop(leader)
        other = next(id for id in world.ids if id != leader)
        again = await put(world, other, "x", 1, key="k", print_of=b"a")
        assert (again.revision, again.replayed) == (first.revision, True)


async def test_preconditions_are_decided_in_the_log() -> None:
    async with World() as world:
        await world.create()
        first = await put(world, "n1", "x", 1)
        database = world.database("n2")
        body = b'{"_id":"x","v":2}'
        with pytest.raises(PreconditionFailed):
            await database.put_document(
                world.request(), DB, COLLECTION, "x", body, if_match=first.revision + 1, if_none_match=False
            )
        with pytest.raises(PreconditionFailed):
            await database.put_document(world.request(), DB, COLLECTION, "x", body, if_match=None, if_none_match=True)
        with pytest.raises(DuplicateKey):
            await database.create_document(world.request(), DB, COLLECTION, "x", body)
        second = await database.put_document(
            world.request(), DB, COLLECTION, "x", body, if_match=first.revision, if_none_match=False
        )
        assert second.revision > first.revision


async def test_of_many_conditional_writes_at_once_one_wins() -> None:
    async with World() as world:
        await world.create()
        first = await put(world, "n1", "x", 0)

        async def swap(number: int) -> bool:
            body = b'{"_id":"x","v":%d}' % number
            try:
                await world.database(world.ids[number % 3]).put_document(
                    world.request(), DB, COLLECTION, "x", body, if_match=first.revision, if_none_match=False
                )
            except PreconditionFailed:
                return False
            return True

        assert sum(await asyncio.gather(*(swap(number) for number in range(30)))) == 1


async def test_without_a_quorum_a_write_is_unknown_and_a_read_fails() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        leader = world.leader_of(DB)
        assert leader is not None
        for other in world.ids:
            if other != leader:
                world.hub.cut(leader, other)
        with pytest.raises(DeadlineExceeded) as late:
            await put(world, leader, "x", 2, timeout_ms=100)
        assert late.value.outcome == "unknown"
        # Until the lease ends, nobody else can have written: answering is right.
        core = world.processes[leader].directory.replica(DB).core  # type: ignore[union-attr]
        await world.until("the lease ends", lambda: not core.lease_valid(world.node(leader).clock.now_ns()))
        with pytest.raises(DeadlineExceeded):
            await read(world, leader, "x", world.request(timeout_ms=300))


async def test_p1_a_write_that_one_disk_alone_holds_is_not_acknowledged() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        leader = world.leader_of(DB)
        assert leader is not None
        followers = [world.processes[id] for id in world.ids if id != leader]
        for follower in followers:
            follower.persister.is_stuck = True
        writing = asyncio.ensure_future(put(world, leader, "x", 2))
        cores = [follower.directory.replica(DB).core for follower in followers]  # type: ignore[union-attr]
        before = [core.last_index for core in cores]
        await world.until("followers have the entry in memory", lambda: [core.last_index for core in cores] > before)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert not writing.done()
        for follower in followers:
            follower.persister.flow()
        await writing


async def test_a_new_leader_answers_nothing_before_it_has_applied_what_was_acknowledged() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        leader = world.leader_of(DB)
        heir = next(id for id in world.ids if id != leader)
        replica, engine = world.processes[heir].directory.replica(DB), world.members[heir].engine
        assert leader is not None
        assert replica is not None
        await world.until("the heir is up to date", lambda: replica.machine.applied_index == replica.core.last_index)
        engine.busy_writes = 1_000_000
        await put(world, leader, "x", 2)
        await world.database(leader).transfer_leader(replica.group, heir)
        await world.until("the heir has a lease", lambda: replica.core.lease_valid(world.node(heir).clock.now_ns()))
        with pytest.raises(DeadlineExceeded):
            await read(world, heir, "x", world.request(timeout_ms=100))
        engine.busy_writes = 0
        found = await get(world, heir, "x")
        assert found is not None
        assert b'"v":2' in found.body


async def test_a_deposed_leader_serves_nothing_old_after_the_others_went_on() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        old = world.leader_of(DB)
        assert old is not None
        others = [id for id in world.ids if id != old]
        for other in others:
            world.hub.cut(old, other)
        await put(world, others[0], "x", 2)
        reading = asyncio.ensure_future(get(world, old, "x"))
        await asyncio.sleep(0)
        world.hub.heal()
        found = await reading
        assert found is not None
        assert found.body == b'{"_id":"x","v":2}'


async def test_a_stale_read_is_local_and_keeps_its_bound() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        follower = next(id for id in world.ids if id != world.leader_of(DB))
        request = world.request()
        request.consistency, request.max_staleness_ms = "stale", 2000
        await get(world, follower, "x")
        node, replica = world.node(follower), world.processes[follower].directory.replica(DB)
        assert replica is not None
        await world.until(
            "the staleness is known",
            lambda: node.staleness.staleness_ms(replica, node.clock.now_ns()) is not None,
        )
        await world.database(follower).list_documents(request, DB, COLLECTION, after=None, limit=10)
        assert request.staleness_ms is not None
        for other in world.ids:
            if other != follower:
                world.hub.cut(follower, other)
        assert await get(world, follower, "x", "stale") is not None
        bounded = world.request()
        bounded.consistency, bounded.max_staleness_ms = "stale", 50
        await world.until(
            "the bound has passed",
            lambda: (node.staleness.staleness_ms(replica, node.clock.now_ns()) or 0) > 50,
        )
        with pytest.raises(StalenessNotMet):
            await world.database(follower).list_documents(bounded, DB, COLLECTION, after=None, limit=10)


async def test_min_index_gives_read_your_writes_on_a_stale_node() -> None:
    async with World() as world:
        await world.create()
        for value in range(10):
            write = world.request()
            body = b'{"_id":"x","v":%d}' % value
            await world.database("n1").put_document(
                write, DB, COLLECTION, "x", body, if_match=None, if_none_match=False
            )
            read = world.request()
            read.consistency, read.min_index = "stale", write.indexes
            page = await world.database(world.ids[value % 3]).list_documents(read, DB, COLLECTION, after=None, limit=1)
            assert page.documents[0].body == body


async def test_min_index_of_a_write_without_a_revision_includes_it() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        follower = next(id for id in world.ids if id != world.leader_of(DB))
        database = world.database(follower)
        deletion, drop = world.request(), world.request()
        await database.delete_document(deletion, DB, COLLECTION, "x", if_match=None)
        request = world.request()
        request.consistency, request.min_index = "stale", deletion.indexes
        assert await read(world, follower, "x", request) is None
        await database.drop_collection(drop, DB, COLLECTION)
        request = world.request()
        request.consistency, request.min_index = "stale", drop.indexes
        assert await database.collections(request, DB) == []


async def test_bulk_is_cut_into_commands_and_answers_each_document() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "d7", 0)
        items = [(f"d{n}", b'{"_id":"d%d"}' % n) for n in range(1000)]
        outcomes = await world.database("n2").create_documents(world.request(), DB, COLLECTION, items, atomic=False)
        assert [number for number, outcome in enumerate(outcomes) if not outcome.is_ok] == [7]
        assert outcomes[7].code == "duplicate_key"
        assert len({outcome.revision for outcome in outcomes}) == 1000
        info = await world.database("n3").collection_info(world.request(), DB, COLLECTION)
        assert info.document_count == 1000


async def test_bulk_under_a_key_is_done_once_in_every_chunk() -> None:
    async with World() as world:
        await world.create()
        items = [(f"d{n}", b'{"_id":"d%d"}' % n) for n in range(500)]

        async def send(on: str) -> list[Outcome]:
            request = world.request(key="bulk", print_of=b"x")
            return await world.database(on).create_documents(request, DB, COLLECTION, items, atomic=False)

        first, second = await send("n1"), await send("n2")
        assert [outcome.revision for outcome in first] == [outcome.revision for outcome in second]
        assert all(outcome.replayed for outcome in second)
        record = await world.database("n3").request_outcome(world.request(), DB, "bulk")
        assert record.outcome.is_ok
        with pytest.raises(KeyReused):
            await put(world, "n1", "x", 1, key="bulk", print_of=b"y")


async def test_no_key_of_a_caller_is_that_of_a_chunk() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1, key="bulk#1", print_of=b"x")
        items = [(f"d{n}", b'{"_id":"d%d"}' % n) for n in range(300)]
        request = world.request(key="bulk", print_of=b"y")
        outcomes = await world.database("n1").create_documents(request, DB, COLLECTION, items, atomic=False)
        assert {outcome.code for outcome in outcomes} == {"ok"}


async def test_atomic_bulk_is_all_or_nothing() -> None:
    async with World() as world:
        await world.create()
        database = world.database("n1")
        await put(world, "n1", "d3", 0)
        items = [(f"d{n}", b'{"_id":"d%d"}' % n) for n in range(5)]
        with pytest.raises(DuplicateKey, match="d3"):
            await database.create_documents(world.request(), DB, COLLECTION, items, atomic=True)
        assert await get(world, "n2", "d0") is None
        large = [("big", bytes(ATOMIC_BATCH_BYTES_MAX + 1))]
        with pytest.raises(TooLarge):
            await database.create_documents(world.request(), DB, COLLECTION, large, atomic=True)


async def test_a_dropped_database_is_gone_everywhere_and_its_name_can_be_used_again() -> None:
    async with World() as world:
        await world.create()
        await put(world, "n1", "x", 1)
        group = world.processes[world.ids[0]].directory.replica(DB).group  # type: ignore[union-attr]
        await world.database("n2").drop_database(world.request(), DB)
        with pytest.raises(NotFound):
            await get(world, "n3", "x")
        await world.until(
            "no node hosts the group", lambda: all(group not in p.node.replicas for p in world.processes.values())
        )
        await world.create()
        assert await world.database("n1").collections(world.request(), DB) == []


async def test_a_drop_that_is_not_finished_in_time_says_that_it_took_effect() -> None:
    async with World(count=5) as world:
        hosts = await create_among_five(world)
        alive = next(id for id in world.ids if id not in hosts)
        for id in hosts[:2]:
            await world.stop(id)
        with pytest.raises(DeadlineExceeded) as late:
            await world.database(alive).drop_database(world.request(timeout_ms=2000), DB)
        assert late.value.outcome == "applied"
        with pytest.raises(NotFound):
            await put(world, alive, "x", 1)


async def test_a_database_that_is_not_ready_in_time_is_said_to_be_there() -> None:
    async with World(count=5) as world:
        hosts = await create_among_five(world)
        # The next database goes to those first that have none yet.
        others = [world.processes[id].persister for id in world.ids if id not in hosts]
        for persister in others:
            persister.is_stuck = True
        alive = world.database(hosts[0])
        with pytest.raises(DeadlineExceeded) as late:
            await alive.create_database(world.request(timeout_ms=2000), "other", {})
        assert late.value.outcome == "applied"
        assert "other" in [info.name for info in await alive.databases(world.request())]
        for persister in others:
            persister.flow()


async def test_a_drop_that_another_has_finished_meanwhile_is_done() -> None:
    async with World() as world:
        await world.create()
        process = world.processes[NodeId("n1")]
        record = process.directory.catalog.databases[DB]
        views = ClusterView(process.directory, process.leaders, lambda _: True)
        catalog = Catalog(process.node, process.directory, world.router("n1"), views, len(world.ids))
        await world.database("n2").drop_database(world.request(), DB)
        await world.until("n1 has let it go", lambda: record.group not in process.node.replicas)
        await catalog.finish_drop(record, world.request().deadline_ns)


async def create_among_five(world: World) -> list[NodeId]:
    """Create the database on three of five nodes, and return them."""
    await world.database("n1").create_database(world.request(), DB, {})
    return list(world.processes[NodeId("n1")].directory.catalog.databases[DB].replicas)


async def test_creating_a_database_twice_is_no_error_and_options_are_not_ignored() -> None:
    async with World() as world:
        created, info = await world.database("n1").create_database(world.request(), DB, {})
        again, same = await world.database("n2").create_database(world.request(), DB, {})
        assert (created.created, again.created) == (True, False)
        assert info == same
        with pytest.raises(UnknownOption):
            await world.database("n3").create_database(world.request(), "other", {"shards": 3})


async def test_every_node_killed_at_once_comes_back_with_everything() -> None:
    async with World() as world:
        await world.create()
        outcomes = [await put(world, "n1", f"d{n}", n) for n in range(50)]
        for id in list(world.ids):
            await world.stop(id)
        for id in world.ids:
            await world.start(id)
        for number, outcome in enumerate(outcomes):
            found = await get(world, world.ids[number % 3], f"d{number}")
            assert found is not None
            assert found.revision == outcome.revision


async def test_replicas_with_equal_applied_index_have_equal_digests() -> None:
    async with World() as world:
        await world.create()
        await asyncio.gather(*(put(world, world.ids[n % 3], f"d{n % 20}", n, key=f"k{n % 50}") for n in range(60)))
        replicas = [process.directory.replica(DB) for process in world.processes.values()]
        await world.until(
            "all have applied the same", lambda: len({r.machine.applied_index for r in replicas if r}) == 1
        )
        digests = [replica.machine.digest() for replica in replicas if replica]  # type: ignore[attr-defined]
        assert digests[0] == digests[1] == digests[2]


async def test_the_catalog_finishes_a_drop_that_its_node_left_half_done() -> None:
    async with World() as world:
        await world.create()
        router = world.router("n1")
        command = commands.drop_database(DB)
        await router.write(CATALOG_GROUP, command, world.request().deadline_ns, has_key=False)
        await world.until(
            "the catalog forgets the database",
            lambda: all(DB not in p.directory.catalog.databases for p in world.processes.values()),
        )
