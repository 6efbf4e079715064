"""Whoever does not belong is told why, is logged once, and harms nobody."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import msgpack
import pytest
import pytest_asyncio

from raftdoc.ids import BootId, ClusterId, NodeId, StoreId
from raftdoc.limits import FRAME_BYTES_MAX
from raftdoc.transport.handshake import encode_refusal
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.transport import Lane, Refusal
from raftdoc.wire.codec import encode_handshake
from raftdoc.wire.frames import HEADER, FrameKind, encode_frame
from raftdoc.wire.messages import Hello, Welcome

from .strangers import Stranger
from .worlds import N1, N2, N3, Endpoint, TcpWorld, connect, tcp_transport, until

NOT_IN = Refusal("not_admitted", "n3 is known with another store")
QUICK = TcpSettings(backoff_ms_min=1, backoff_ms_max=2)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[TcpWorld]:
    made = TcpWorld(QUICK)
    yield made
    await made.close()


async def pair(world: TcpWorld) -> tuple[Endpoint, Endpoint]:
    """Return two nodes that are connected: those who must not be harmed."""
    a, b = await world.start(N1), await world.start(N2)
    await connect([a, b])
    return a, b


async def assert_unharmed(a: Endpoint, b: Endpoint) -> None:
    """Both still talk, over the links they had."""
    assert a.is_connected(b.node)
    assert b.is_connected(a.node)
    a.send(b.node, 77)
    b.send(a.node, 78)
    await until(lambda: 77 in b.numbers(a.node) and 78 in a.numbers(b.node))
    assert a.reports == b.reports == []


def refusal_lines(caplog: pytest.LogCaptureFixture, code: str) -> list[str]:
    return [line for line in caplog.messages if line.startswith("connection refused") and f"code={code} " in line]


@pytest.mark.parametrize(
    ("node", "changes", "code", "words"),
    [
        ("n3", {"cluster": "c9"}, "wrong_cluster", "node n3 belongs to cluster c9"),
        ("n3", {"secret": b"guessed"}, "wrong_secret", "do not have the same cluster secret"),
        ("n1", {}, "own_id", "both ends say that they are node n1"),
        ("n2", {"store": "another"}, "duplicate_node", "connected from another data directory"),
        ("n3", {"store": "wiped"}, "not_admitted", "n3 is known with another store"),
    ],
)
async def test_a_node_that_does_not_belong_is_told_why(
    world: TcpWorld, caplog: pytest.LogCaptureFixture, node: str, changes: dict[str, str], code: str, words: str
) -> None:
    caplog.set_level(logging.INFO)
    a = await world.start(N1, admit=lambda peer: NOT_IN if peer.store_id == "wiped" else None)
    b = await world.start(N2)
    await connect([a, b])
    target = N1 if node != "n1" else N2
    intruder = tcp_transport(NodeId(node), 9, settings=QUICK, **changes)  # type: ignore[arg-type]
    end = Endpoint(NodeId(node), intruder)
    # It calls n1 as what n1 is. Under n1's own id it takes the address for n2's.
    intruder.set_peers({target: world.address(N1)})
    await intruder.start()
    refusals = f'raftdoc_peer_refusals_total{{code="{code}"}}'
    await until(lambda: world.value(N1, refusals) >= 6)
    end.send(target, 1)
    await intruder.close()
    (line,) = [line for line in caplog.messages if line.startswith("peer not connected") and code in line]
    assert words in line
    assert set(end.reports) == {target}
    assert len(end.reports) <= len(Lane)
    assert len(refusal_lines(caplog, code)) == 1
    assert a.numbers(NodeId(node)) == []
    await assert_unharmed(a, b)


async def test_the_refused_side_keeps_the_reason_for_its_host(world: TcpWorld) -> None:
    await pair(world)
    intruder = tcp_transport(N3, settings=QUICK, cluster="c9")
    Endpoint(N3, intruder)
    intruder.set_peers({N1: world.address(N1)})
    await intruder.start()
    await until(lambda: intruder.refusal(N1) is not None)
    refusal = intruder.refusal(N1)
    assert refusal == Refusal("wrong_cluster", "node n3 belongs to cluster c9, this one to c1")
    await intruder.close()


async def test_a_wrong_address_is_noticed_by_who_answers_there(world: TcpWorld) -> None:
    a, b = await pair(world)
    caller = tcp_transport(N3, settings=QUICK)
    end = Endpoint(N3, caller)
    caller.set_peers({N1: world.address(N2), N2: world.address(N2)})
    await caller.start()
    await until(lambda: end.is_connected(N2) and caller.refusal(N1) is not None)
    refusal = caller.refusal(N1)
    assert refusal is not None
    assert refusal == Refusal("other_node", "this is node n2; the caller expected n1 at this address")
    await caller.close()
    await until(lambda: b.reports == [N3])
    b.reports.clear()
    await assert_unharmed(a, b)


async def test_the_host_of_the_dialler_decides_too(world: TcpWorld) -> None:
    a = await world.start(N1, admit=lambda peer: Refusal("not_admitted", "not this one") if peer.node == N2 else None)
    await world.start(N2)
    await until(lambda: a.transport.refusal(N2) is not None)
    assert a.transport.refusal(N2) == Refusal("not_admitted", "not this one")
    assert not a.is_connected(N2)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n",
    "tls": bytes.fromhex("16030100f8010000f40303") + b"\x5a" * 60,
    "zeros": b"\x00" * 64,
    "huge frame": HEADER.pack(FRAME_BYTES_MAX, FrameKind.HANDSHAKE, 0),
    "messages first": encode_frame(FrameKind.MESSAGES, b"\x92\x01\x90"),
    "no msgpack": encode_frame(FrameKind.HANDSHAKE, b"\xc1"),
    "nested": encode_frame(FrameKind.HANDSHAKE, b"\x91" * 4_000),
    "welcome first": encode_frame(FrameKind.HANDSHAKE, encode_handshake(Welcome(b"m" * 32))),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_on_the_port_is_answered_and_logged_once(
    world: TcpWorld, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    a, b = await pair(world)
    for _ in range(3):
        stranger = await Stranger.dial(world.address(N1))
        stranger.write(garbage)
        assert (await stranger.refusal()).code == "malformed"
    assert len(refusal_lines(caplog, "malformed")) == 1
    assert world.value(N1, 'raftdoc_peer_refusals_total{code="malformed"}') == 3
    await assert_unharmed(a, b)


async def test_names_that_nobody_has_proven_do_not_fill_the_log(
    world: TcpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await pair(world)
    for number in range(3):
        stranger = await Stranger.dial(world.address(N1))
        hello = Hello(ClusterId("c9"), NodeId(f"x{number}"), StoreId("s"), BootId(1), N1, "", Lane.BULK, b"n" * 32)
        stranger.write_handshake(encode_handshake(hello))
        assert (await stranger.refusal()).code == "wrong_cluster"
    assert len(refusal_lines(caplog, "wrong_cluster")) == 1


async def test_another_wire_version_is_told_so(world: TcpWorld) -> None:
    a, b = await pair(world)
    stranger = await Stranger.dial(world.address(N1))
    stranger.write_handshake(bytes(msgpack.packb(["raftdoc", 2, 4, 1, ["of", "another", "form"]])))
    assert await stranger.refusal() == Refusal("wire_version", "no wire version in common: 2 to 4 against 1 to 1 here")
    await assert_unharmed(a, b)


async def test_who_says_nothing_is_refused_in_time(world: TcpWorld) -> None:
    world = TcpWorld(TcpSettings(handshake_timeout_ms=20))
    try:
        await world.start(N1)
        stranger = await Stranger.dial(world.address(N1))
        assert await stranger.refusal() == Refusal("too_slow", "no handshake within 20 ms")
    finally:
        await world.close()


async def test_strangers_do_not_take_the_places_of_peers() -> None:
    world = TcpWorld(TcpSettings(handshakes_max=3))
    try:
        a = await world.start(N1)
        strangers = [await Stranger.dial(world.address(N1)) for _ in range(5)]
        assert (await strangers[0].refusal()).code == "too_many"
        assert (await strangers[1].refusal()).code == "too_many"
        b = await world.start(N2)
        await connect([a, b])
        for stranger in strangers[2:]:
            stranger.close()
    finally:
        await world.close()


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(FRAME_BYTES_MAX + 1, FrameKind.MESSAGES, 0),
        encode_frame(FrameKind.MESSAGES, b"\xc1"),
        encode_frame(FrameKind.MESSAGES, b"\x92\x01\x91\x93\x00\xcd\x03\xe7\x90"),
        encode_frame(FrameKind.MESSAGES, b"\x92\x02\x90"),
        encode_frame(FrameKind.HANDSHAKE, encode_handshake(Welcome(b"m"))),
        b"\x00\x00\x00\x04\x02" + b"\x00" * 8 + b"body",
    ],
    ids=["oversized", "no msgpack", "unknown number", "other version", "handshake again", "checksum"],
)
async def test_a_peer_that_sends_nonsense_loses_that_link_only(world: TcpWorld, data: bytes) -> None:
    a, b = await pair(world)
    bulk = await Stranger.join(world.address(N1), N3, N1, lane=Lane.BULK)
    small = await Stranger.join(world.address(N1), N3, N1, lane=Lane.HEARTBEAT)
    bulk.write_ping(1)
    await until(lambda: a.numbers(N3) == [1])
    bulk.write(data)
    assert (await bulk.refusal()).code == "malformed"
    small.write_ping(2)
    await until(lambda: a.numbers(N3) == [1, 2] and a.reports == [N3])
    small.close()
    await until(lambda: a.reports == [N3, N3])
    a.reports.clear()
    await assert_unharmed(a, b)


async def test_a_link_that_ends_with_a_refusal_is_logged_with_it(
    world: TcpWorld, caplog: pytest.LogCaptureFixture
) -> None:
    a, _ = await pair(world)
    stranger = await Stranger.join(world.address(N1), N3, N1)
    stranger.write_handshake(encode_refusal(Refusal("not_admitted", "on second thought")))
    await until(lambda: a.reports == [N3])
    stranger.close()
    (line,) = refusal_lines(caplog, "not_admitted")
    assert "by=the caller" in line
    assert "on second thought" in line


# Lives of one node ------------------------------------------------------------------------------------


async def test_a_later_life_takes_the_links_of_an_earlier_one(world: TcpWorld) -> None:
    a, b = await pair(world)
    first = await Stranger.join(world.address(N1), N3, N1, boot=1)
    second = await Stranger.join(world.address(N1), N3, N1, boot=2, lane=Lane.HEARTBEAT)
    await first.ended()
    await until(lambda: a.reports == [N3])
    assert a.transport.peer_boot_id(N3) == 2
    with pytest.raises(ConnectionRefusedError, match="another process has started as node n3"):
        await Stranger.join(world.address(N1), N3, N1, boot=1)
    second.write_ping(1)
    await until(lambda: a.numbers(N3) == [1])
    second.close()
    await until(lambda: a.reports == [N3, N3])
    a.reports.clear()
    await assert_unharmed(a, b)


async def test_two_data_directories_under_one_id_do_not_alternate(world: TcpWorld) -> None:
    a, _ = await pair(world)
    first = await Stranger.join(world.address(N1), N3, N1, boot=1, store="first")
    with pytest.raises(ConnectionRefusedError, match="connected from another data directory"):
        await Stranger.join(world.address(N1), N3, N1, boot=2, store="second")
    first.write_ping(1)
    await until(lambda: a.numbers(N3) == [1])
    first.close()
    await until(lambda: a.reports == [N3])
    second = await Stranger.join(world.address(N1), N3, N1, boot=2, store="second")
    assert a.transport.peer_boot_id(N3) == 2
    second.close()


async def test_a_peer_that_dials_a_lane_again_replaces_the_link(world: TcpWorld) -> None:
    a, _ = await pair(world)
    first = await Stranger.join(world.address(N1), N3, N1)
    second = await Stranger.join(world.address(N1), N3, N1)
    await first.ended()
    second.write_ping(1)
    await until(lambda: a.numbers(N3) == [1])
    second.close()
