"""TCP's own ways: queues, slow and silent peers, large frames, back-off, closing."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from raftdoc.ids import GroupId, Index, NodeId, Term
from raftdoc.raft.messages import AppendEntries, BootId, Entry
from raftdoc.telemetry.metrics import Registry
from raftdoc.transport.handshake import Local
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.tcp import TcpTransport
from raftdoc.transport.transport import Lane
from raftdoc.wire.codec import Item, decode_messages

from .strangers import DeafPeer, Stranger, local_of
from .worlds import N1, N2, N3, SECRET, Endpoint, TcpWorld, connect, ping, tcp_transport, until

QUEUE_BYTES_MAX = 200_000


def bulk(number: int, size: int) -> list[Item]:
    """Return the items of a frame of about so many bytes."""
    entry = Entry(Index(number), Term(1), 1, 0, bytes(size))
    return [(GroupId(1), AppendEntries(Term(1), Index(0), Term(0), Index(0), (entry,), number, 0, BootId(1)))]


@pytest_asyncio.fixture
async def world() -> AsyncIterator[TcpWorld]:
    made = TcpWorld()
    yield made
    await made.close()


class Caller:
    """One node, whose peer n2 is not a node but a server of the test's."""

    def __init__(self, address: str, settings: TcpSettings, random: Random | None = None) -> None:
        self.registry = Registry()
        self.transport = TcpTransport(
            Local(local_of(N1, 1).cluster, N1, local_of(N1, 1).store_id, BootId(1), SECRET),
            listen="127.0.0.1:0",
            admit=lambda _: None,
            random=random or Random(1),
            metrics=TransportMetrics(self.registry),
            settings=settings,
        )
        self.end = Endpoint(N1, self.transport)
        self.transport.set_peers({N2: address})

    def value(self, sample: str) -> float:
        lines = self.registry.exposition().splitlines()
        return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")))


@asynccontextmanager
async def deaf_server() -> AsyncIterator[tuple[str, list[DeafPeer]]]:
    """A server of peers that shake hands and then do not read; yields its address, and its connections as they come."""
    peers: list[DeafPeer] = []

    def make() -> DeafPeer:
        peers.append(DeafPeer(local_of(N2, 1)))
        return peers[-1]

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", peers
    server.close()
    for peer in peers:
        if peer.transport is not None and not peer.is_lost:
            peer.transport.abort()
    await until(lambda: all(peer.is_lost for peer in peers))


# Queues -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames_max", "size"), [(10_000, 10_000), (5, 10_000), (5, 300_000)])
async def test_a_peer_that_does_not_read_costs_a_bounded_queue(frames_max: int, size: int) -> None:
    settings = TcpSettings(
        queue_frames_max=frames_max,
        queue_bytes_max={Lane.HEARTBEAT: 1_000, Lane.BULK: QUEUE_BYTES_MAX},
        write_buffer_bytes_max=50_000,
    )
    async with deaf_server() as (address, peers):
        caller = Caller(address, settings)
        await caller.transport.start()
        await until(lambda: caller.transport.connected(N2))
        dropped = 'raftdoc_peer_dropped_frames_total{reason="queue_full"}'
        sent = 0
        while caller.value(dropped) < 20:
            sent += 1
            caller.transport.send(N2, Lane.BULK, bulk(sent, size))
            assert caller.value("raftdoc_peer_queued_bytes") <= max(QUEUE_BYTES_MAX, size + 100)
            await asyncio.sleep(0)
        for peer in peers:
            peer.listen()
        sent_frames = 'raftdoc_peer_sent_frames_total{lane="bulk"}'
        await until(lambda: caller.value(sent_frames) + caller.value(dropped) == sent)
        await until(lambda: sum(len(peer.frames) for peer in peers) == caller.value(sent_frames))
        assert caller.value("raftdoc_peer_queued_bytes") == 0
        # What came is what was sent, in its order, but for what was dropped.
        numbers = [items[0][1].sent_ns for peer in peers for items in map(_items, peer.frames)]
        assert numbers == sorted(set(numbers))
        await caller.transport.close()


def _items(frame: object) -> list[Item]:
    return decode_messages(frame.body)  # type: ignore[attr-defined]


async def test_a_full_bulk_lane_does_not_stop_heartbeats() -> None:
    async with deaf_server() as (address, peers):
        caller = Caller(address, TcpSettings(write_buffer_bytes_max=50_000))
        await caller.transport.start()
        await until(lambda: caller.transport.connected(N2))
        while not caller.value("raftdoc_peer_queued_bytes"):
            caller.transport.send(N2, Lane.BULK, bulk(1, 100_000))
            await asyncio.sleep(0)
        heartbeats = 'raftdoc_peer_sent_frames_total{lane="heartbeat"}'
        caller.transport.send(N2, Lane.HEARTBEAT, [ping(1)])
        assert caller.value(heartbeats) == 1
        for peer in peers:
            peer.listen()
        await until(lambda: any(_items(frame) == [ping(1)] for peer in peers for frame in peer.frames))
        await caller.transport.close()


async def test_a_peer_that_takes_nothing_for_long_is_given_up() -> None:
    settings = TcpSettings(write_buffer_bytes_max=50_000, silence_ms_max=100, backoff_ms_max=20)
    async with deaf_server() as (address, peers):
        caller = Caller(address, settings)
        await caller.transport.start()
        await until(lambda: caller.transport.connected(N2))
        while not caller.value("raftdoc_peer_queued_bytes"):
            caller.transport.send(N2, Lane.BULK, bulk(1, 100_000))
            await asyncio.sleep(0)
        await until(lambda: caller.end.reports == [N2])
        assert caller.value("raftdoc_peer_queued_bytes") == 0
        # The lane is dialled again, while the other one never broke.
        await until(lambda: len(peers) == 3 and caller.transport.connected(N2))
        await caller.transport.close()


async def test_frames_wait_for_the_first_link_and_not_for_later_ones(world: TcpWorld) -> None:
    b = await world.start(N2)
    a = tcp_transport(N1)
    end = Endpoint(N1, a)
    a.set_peers({N2: world.address(N2)})
    end.send(N2, 1)
    await a.start()
    end.send(N2, 2)
    await until(lambda: b.numbers(N1) == [1, 2])
    await world.stop(N2)
    await until(lambda: not end.is_connected(N2))
    end.send(N2, 3)
    again = await world.start(N2, boot=2)
    await until(lambda: end.is_connected(N2))
    end.send(N2, 4)
    await until(lambda: again.frames)
    assert again.numbers(N1) == [4]
    await a.close()


async def test_frames_without_a_link_are_counted(world: TcpWorld) -> None:
    a = await world.start(N1)
    await world.start(N2)
    await world.stop(N2)
    await until(lambda: a.reports)
    dropped = 'raftdoc_peer_dropped_frames_total{reason="no_link"}'
    before = world.value(N1, dropped)
    for lane in Lane:
        a.send(NodeId("n9"), 1, lane)
    await until(lambda: world.value(N1, "raftdoc_peer_dial_failures_total") >= 2)
    a.send(N2, 1)
    assert world.value(N1, dropped) == before + 3


# Frames -----------------------------------------------------------------------------------------------


async def test_large_frames_come_whole(world: TcpWorld) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    sent = [bulk(number, 5_000_000) for number in range(3)]
    for items in sent:
        a.transport.send(N2, Lane.BULK, items)
    await until(lambda: len(b.frames) == 3)
    assert [items for _, items in b.frames] == sent


async def test_items_too_large_for_one_frame_go_in_several() -> None:
    world = TcpWorld(TcpSettings(frame_bytes_max=1_000))
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    items = [item for number in range(10) for item in bulk(number, 300)]
    a.transport.send(N2, Lane.BULK, items)
    await until(lambda: sum(len(items) for _, items in b.frames) == 10)
    assert [item for _, part in b.frames for item in part] == items
    assert len(b.frames) > 3
    a.transport.send(N2, Lane.BULK, bulk(11, 2_000))
    assert world.value(N1, 'raftdoc_peer_dropped_frames_total{reason="too_large"}') == 1
    assert a.is_connected(N2)
    await world.close()


async def test_frames_and_bytes_are_counted_at_both_ends(world: TcpWorld) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    a.transport.send(N2, Lane.BULK, bulk(1, 1_000))
    a.send(N2, 1)
    await until(lambda: len(b.frames) == 2)
    for lane in Lane:
        label = f'{{lane="{lane.name.lower()}"}}'
        assert world.value(N1, f"raftdoc_peer_sent_frames_total{label}") == 1
        assert world.value(N2, f"raftdoc_peer_received_frames_total{label}") == 1
        assert world.value(N1, f"raftdoc_peer_sent_bytes_total{label}") == world.value(
            N2, f"raftdoc_peer_received_bytes_total{label}"
        )
    assert world.value(N1, 'raftdoc_peer_connected{peer="n2"}') == 1


# Dialling ---------------------------------------------------------------------------------------------


async def test_a_port_that_never_answers_is_given_up_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    caller = Caller(address, TcpSettings(handshake_timeout_ms=20, backoff_ms_max=20))
    await caller.transport.start()
    await until(lambda: caller.value("raftdoc_peer_dial_failures_total") >= 6)
    assert set(caller.end.reports) == {N2}
    assert len(caller.end.reports) <= len(Lane)
    assert len([line for line in caplog.messages if f"no handshake with {address} within 20 ms" in line]) == 1
    await caller.transport.close()
    server.close()


@pytest.mark.parametrize("address", ["no-such-host.invalid:80", "a..b:80", "127.0.0.1:0", "[::ffff:0:0]:9"])
async def test_an_address_that_leads_nowhere_is_tried_again(address: str) -> None:
    caller = Caller(address, TcpSettings(backoff_ms_min=1, backoff_ms_max=2))
    await caller.transport.start()
    await until(lambda: caller.value("raftdoc_peer_dial_failures_total") >= 4)
    assert not caller.transport.connected(N2)
    await caller.transport.close()


class PatientDice(Random):
    """Makes the first part of each back-off nothing, and the rest hours."""

    def __init__(self) -> None:
        super().__init__()
        self._rolls: Counter[asyncio.Task[object] | None] = Counter()

    def uniform(self, a: float, b: float) -> float:
        self._rolls[asyncio.current_task()] += 1
        return 0 if self._rolls[asyncio.current_task()] % 2 else 1e9


async def test_a_peer_that_shows_itself_is_dialled_at_once(world: TcpWorld) -> None:
    b = await world.start(N2)
    address = world.address(N2)
    await world.stop(N2)
    caller = Caller(address, TcpSettings(backoff_ms_min=1, backoff_ms_max=1_000), PatientDice())
    await caller.transport.start()
    await until(lambda: caller.value("raftdoc_peer_dial_failures_total") >= 4)
    b = await world.start(N2, boot=2)
    b.transport.set_peers({N1: caller.transport.address})
    await until(lambda: caller.transport.connected(N2))
    await caller.transport.close()


async def test_a_moved_peer_is_dialled_at_its_new_address(world: TcpWorld) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    moved = tcp_transport(N2, 2)
    end = Endpoint(N2, moved)
    moved.set_peers({N1: world.address(N1)})
    await world.stop(N2)
    await moved.start()
    a.transport.set_peers({N2: moved.address})
    await until(lambda: a.is_connected(N2) and end.is_connected(N1))
    a.send(N2, 1)
    await until(lambda: end.numbers(N1) == [1])
    assert a.transport.peer_boot_id(N2) == 2
    await moved.close()


async def test_each_reason_why_a_peer_is_gone_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = TcpWorld(TcpSettings(backoff_ms_min=1, backoff_ms_max=10))
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    assert len([line for line in caplog.messages if line.startswith("peer connected peer=n2")]) == 1
    caplog.clear()
    await world.stop(N2)
    await until(lambda: world.value(N1, "raftdoc_peer_dial_failures_total") >= 12)
    lines = [line for line in caplog.messages if line.startswith("peer not connected peer=n2")]
    # The links break, then the dials fail: each may have two reasons, and each reason is told once.
    assert len(set(lines)) == len(lines) <= 4, lines
    assert world.value(N1, 'raftdoc_peer_connected{peer="n2"}') == 0
    await world.close()


# Ending -----------------------------------------------------------------------------------------------


async def test_what_was_written_leaves_before_the_links_close(world: TcpWorld) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    a.transport.send(N2, Lane.BULK, bulk(7, 3_000_000))
    await world.stop(N1)
    await until(lambda: b.frames)
    assert b.frames == [(N1, bulk(7, 3_000_000))]


def open_sockets() -> set[str]:
    """Return what this process has open, without the loops' own files."""
    paths = Path("/proc/self/fd").iterdir()
    return {target for path in paths if (target := os.path.realpath(path)).rpartition("/")[2].startswith("socket:")}


async def test_close_leaves_neither_tasks_nor_sockets() -> None:
    before = open_sockets()
    world = TcpWorld()
    ends = [await world.start(node) for node in (N1, N2, N3)]
    stranger = await Stranger.dial(world.address(N1))
    await connect(ends)
    await world.close()
    await stranger.ended()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    await until(lambda: open_sockets() == before)


async def test_a_port_that_is_taken_is_an_error_of_start(world: TcpWorld) -> None:
    await world.start(N1)
    second = tcp_transport(N2, listen=world.address(N1))
    Endpoint(N2, second)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.close()


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Let this process open so many more files only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def dial_for_ever(address: str, held: list[Stranger]) -> None:
    while True:
        held.append(await Stranger.dial(address))


async def test_links_go_on_while_no_descriptor_is_free(world: TcpWorld, caplog: pytest.LogCaptureFixture) -> None:
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    with descriptors_left(0):
        held: list[Stranger] = []
        with pytest.raises(OSError, match="Too many open files"):
            await dial_for_ever(world.address(N1), held)
        a.send(N2, 1)
        await until(lambda: b.numbers(N1) == [1])
    for stranger in held:
        stranger.close()
    stranger = await Stranger.dial(world.address(N1))
    stranger.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await stranger.refusal()).code == "malformed"
    assert a.is_connected(N2)
