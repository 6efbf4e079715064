"""What every Transport does: the delivery contract of raftdoc.transport.transport."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from raftdoc.errors import InvalidSettings
from raftdoc.ids import BootId, GroupId, Index, NodeId, Term
from raftdoc.raft.messages import AppendEntries, Entry, HeartbeatResponse
from raftdoc.transport.transport import Lane
from raftdoc.wire.messages import Forward

from .worlds import N1, N2, N3, MemoryWorld, TcpWorld, World, connect, ping, until


@pytest_asyncio.fixture(params=[MemoryWorld, TcpWorld])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    made: World = request.param()
    yield made
    await made.close()


async def test_a_frame_comes_whole_with_its_sender_and_its_order(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    entries = (Entry(Index(8), Term(2), 1, 1_700_000_000_000, b"\x00payload" * 2_000),)
    items = [
        (GroupId(4), AppendEntries(Term(2), Index(7), Term(1), Index(6), entries, 123, 4, BootId(1))),
        (GroupId(0), HeartbeatResponse(Term(2), 99, 3, BootId(1))),
        (GroupId(4), Forward(1, GroupId(4), (b"\x01", b"\x02"), 1_000)),
    ]
    a.transport.send(N2, Lane.BULK, items)
    await until(lambda: b.frames)
    assert b.frames == [(N1, items)]
    assert a.frames == []


async def test_one_send_is_one_call_of_the_receiver(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    for number in range(50):
        a.transport.send(N2, Lane.HEARTBEAT, [ping(number), ping(number)])
    await until(lambda: len(b.frames) >= 50)
    assert sorted(b.numbers(N1)) == sorted([*range(50), *range(50)])
    assert [len(items) for _, items in b.frames] == [2] * 50


async def test_both_lanes_carry_in_both_directions(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    for lane in Lane:
        a.send(N2, 10 + lane, lane)
        b.send(N1, 20 + lane, lane)
    await until(lambda: len(a.frames) + len(b.frames) == 4)
    assert sorted(b.numbers(N1)) == [10, 11]
    assert sorted(a.numbers(N2)) == [20, 21]


async def test_a_frame_comes_to_its_receiver_only(world: World) -> None:
    ends = [await world.start(node) for node in (N1, N2, N3)]
    await connect(ends)
    ends[0].send(N3, 1)
    ends[1].send(N3, 2)
    await until(lambda: len(ends[2].frames) == 2)
    assert ends[0].frames == ends[1].frames == []
    assert (ends[2].numbers(N1), ends[2].numbers(N2)) == ([1], [2])


async def test_what_is_sent_to_nobody_is_dropped_in_silence(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    a.send(NodeId("n9"), 1)
    a.send(N1, 2)
    await connect([a, b])
    a.send(N2, 3)
    await until(lambda: b.frames)
    assert b.numbers(N1) == [3]
    assert a.frames == []
    assert not a.is_connected(NodeId("n9"))


async def test_a_cut_of_one_direction_is_only_that(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    world.cut_one_way(N1, N2)
    await until(lambda: not a.is_connected(N2))
    a.send(N2, 1)
    b.send(N1, 2)
    await until(lambda: a.numbers(N2) == [2])
    assert b.is_connected(N1)
    world.heal_one_way(N1, N2)
    await connect([a, b])
    a.send(N2, 3)
    await until(lambda: 3 in b.numbers(N1))
    assert b.numbers(N1) == [3]


async def test_a_broken_link_is_reported(world: World) -> None:
    ends = [await world.start(node) for node in (N1, N2, N3)]
    await connect(ends)
    for end in ends:
        end.reports.clear()
    await world.stop(N2)
    await until(lambda: N2 in ends[0].reports and N2 in ends[2].reports)
    await until(lambda: not ends[0].is_connected(N2))
    assert set(ends[0].reports) | set(ends[2].reports) == {N2}
    assert ends[0].is_connected(N3)


async def test_a_peer_that_was_never_there_is_reported(world: World) -> None:
    a = await world.start(N1)
    await world.start(N2)
    await world.stop(N2)
    await until(lambda: N2 in a.reports)
    b = await world.start(N3)
    await until(lambda: N2 in b.reports)
    assert not b.is_connected(N2)


async def test_a_peer_that_starts_again_is_known_by_its_boot_id(world: World) -> None:
    a, b = await world.start(N1, boot=100), await world.start(N2, boot=200)
    assert a.transport.peer_boot_id(NodeId("n9")) is None
    await connect([a, b])
    assert (a.transport.peer_boot_id(N2), b.transport.peer_boot_id(N1)) == (200, 100)
    await world.stop(N2)
    await until(lambda: not a.is_connected(N2))
    b = await world.start(N2, boot=201)
    await connect([a, b])
    assert (a.transport.peer_boot_id(N2), b.transport.peer_boot_id(N1)) == (201, 100)
    a.send(N2, 1)
    b.send(N1, 2)
    await until(lambda: b.frames and a.frames)
    assert (b.numbers(N1), a.numbers(N2)) == ([1], [2])


async def test_nothing_comes_after_close(world: World) -> None:
    ends = [await world.start(node) for node in (N1, N2, N3)]
    await connect(ends)
    await world.stop(N2)
    reports, frames = list(ends[1].reports), list(ends[1].frames)
    ends[0].send(N2, 1)
    ends[1].send(N1, 2)
    ends[0].send(N3, 3)
    await until(lambda: ends[2].frames)
    assert (ends[1].reports, ends[1].frames) == (reports, frames)
    assert not ends[1].is_connected(N1)
    assert 2 not in ends[0].numbers(N2)


async def test_a_peer_that_is_taken_off_the_list_is_left_alone(world: World) -> None:
    ends = [await world.start(node) for node in (N1, N2, N3)]
    await connect(ends)
    ends[0].transport.set_peers({N3: "127.0.0.1:1"} if isinstance(world, MemoryWorld) else {N3: world.address(N3)})  # type: ignore[attr-defined]
    assert not ends[0].is_connected(N2)
    ends[0].send(N2, 1)
    ends[0].send(N3, 2)
    await until(lambda: ends[2].numbers(N1) == [2])
    assert ends[1].numbers(N1) == []


@pytest.mark.parametrize("address", ["", "n2", "n2:", ":80", "n2:http", "n2:70000", "::1:80", "n2:-1"])
async def test_an_address_that_is_none_is_refused_and_nothing_changes(world: World, address: str) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    with pytest.raises(InvalidSettings, match="host:port"):
        a.transport.set_peers({N3: address})
    assert a.is_connected(N2)


async def test_nobody_has_refused_anybody(world: World) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    assert a.transport.refusal(N2) is None
    assert a.transport.refusal(NodeId("n9")) is None
