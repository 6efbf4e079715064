"""The network inside one process: what happens, happens when the scheduler says so."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from raftdoc.ids import BootId, GroupId, NodeId
from raftdoc.transport.memory import MemoryHub
from raftdoc.transport.transport import Lane
from raftdoc.wire.messages import Forwarded

from .worlds import N1, N2, N3, Endpoint

Call = tuple[Callable[..., object], tuple[Any, ...]]


class Schedule:
    """Keeps what is to be called, until it is run."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        self.calls.append((callback, arguments))

    def run(self, random: Random | None = None) -> None:
        """Run all, in their order or in a random one."""
        while self.calls:
            callback, arguments = self.calls.pop(random.randrange(len(self.calls)) if random else 0)
            callback(*arguments)


async def three(schedule: Schedule) -> tuple[MemoryHub, list[Endpoint]]:
    hub = MemoryHub(schedule.call_soon)
    ends = [Endpoint(node, hub.transport(node, BootId(1))) for node in (N1, N2, N3)]
    for end in ends:
        end.transport.set_peers(dict.fromkeys((N1, N2, N3), "127.0.0.1:1"))
        await end.transport.start()
    schedule.run()
    for end in ends:
        end.reports.clear()
    return hub, ends


async def start_again(hub: MemoryHub, node: NodeId) -> Endpoint:
    again = Endpoint(node, hub.transport(node, BootId(9)))
    again.transport.set_peers(dict.fromkeys((N1, N2, N3), "127.0.0.1:1"))
    await again.transport.start()
    return again


async def test_nothing_comes_before_the_scheduler_lets_it() -> None:
    schedule = Schedule()
    hub, (a, b, _) = await three(schedule)
    a.send(N2, 1)
    assert b.frames == []
    schedule.run()
    assert b.numbers(N1) == [1]
    assert (hub.delivered_count, hub.dropped_count) == (1, 0)


async def test_the_same_schedule_gives_the_same_deliveries() -> None:
    async def play(seed: int) -> list[int]:
        schedule = Schedule()
        _, (a, b, _) = await three(schedule)
        for number in range(20):
            a.send(N2, number)
        schedule.run(Random(seed))
        return b.numbers(N1)

    assert await play(1) == await play(1) != list(range(20))
    assert sorted(await play(2)) == list(range(20))


async def test_a_cut_loses_what_is_under_way_and_counts_it() -> None:
    schedule = Schedule()
    hub, (a, b, c) = await three(schedule)
    a.send(N2, 1)
    hub.cut(N1, N2)
    a.send(N2, 2)
    a.send(N3, 3)
    schedule.run()
    assert b.frames == []
    assert c.numbers(N1) == [3]
    assert hub.dropped_count == 2
    assert (a.reports, b.reports, c.reports) == ([N2], [N1], [])


async def test_heal_mends_all_cuts() -> None:
    schedule = Schedule()
    hub, (a, b, c) = await three(schedule)
    hub.cut(N1, N2)
    hub.cut_one_way(N3, N1)
    assert (a.is_connected(N2), c.is_connected(N1), a.is_connected(N3)) == (False, False, True)
    hub.heal()
    assert a.is_connected(N2, N3)
    assert c.is_connected(N1)
    b.send(N1, 1)
    schedule.run()
    assert a.numbers(N2) == [1]


async def test_a_frame_to_an_earlier_life_does_not_reach_the_next() -> None:
    schedule = Schedule()
    hub, (a, b, _) = await three(schedule)
    a.send(N2, 1)
    await b.transport.close()
    again = Endpoint(N2, hub.transport(N2, BootId(2)))
    again.transport.set_peers({N1: "127.0.0.1:1"})
    await again.transport.start()
    schedule.run()
    assert (b.frames, again.frames) == ([], [])
    assert a.transport.peer_boot_id(N2) == 2
    a.send(N2, 2)
    schedule.run()
    assert again.numbers(N1) == [2]


async def test_a_frame_from_an_earlier_life_is_lost_with_it() -> None:
    schedule = Schedule()
    hub, (a, b, _) = await three(schedule)
    a.send(N2, 1)
    await start_again(hub, N1)
    schedule.run()
    assert b.frames == []


async def test_what_comes_is_what_the_wire_would_have_brought() -> None:
    schedule = Schedule()
    _, (a, b, _) = await three(schedule)
    a.transport.send(N2, Lane.BULK, [(GroupId(1), Forwarded(1, ((0, ["ok", [1, 2]]),)))])  # type: ignore[arg-type]
    schedule.run()
    assert b.frames == [(N1, [(1, Forwarded(1, ((0, ("ok", (1, 2))),)))])]
    with pytest.raises(TypeError):
        a.transport.send(N2, Lane.BULK, [(GroupId(1), Forwarded(1, ((0, ({1, 2},)),)))])


async def test_a_restart_is_a_break_for_all_that_were_linked() -> None:
    schedule = Schedule()
    hub, (a, b, c) = await three(schedule)
    await start_again(hub, N2)
    schedule.run()
    assert (a.reports, c.reports) == ([N2], [N2])
    assert a.transport.peer_boot_id(N2) == 9
    assert not b.is_connected(N1)
