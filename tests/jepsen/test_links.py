"""The proxy: what its rules do to bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from jepsen_lite.links import LOOPBACK, Links, Rule

THERE = ("a", "b")
BACK = ("b", "a")


class Echo(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.fixture
async def links() -> AsyncIterator[Links]:
    one = Links(Random(1))
    yield one
    await one.close()


@pytest.fixture
async def port(links: Links) -> AsyncIterator[int]:
    """A port of the proxy, in front of an echo."""
    server = await asyncio.get_running_loop().create_server(Echo, LOOPBACK, 0)
    yield await links.open(*THERE, server.sockets[0].getsockname()[1])
    server.close()


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(LOOPBACK, port)


async def test_bytes_pass_both_ways(port: int) -> None:
    reader, writer = await connect(port)
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_blocked_direction_holds_bytes_until_it_is_restored(links: Links, port: int) -> None:
    reader, writer = await connect(port)
    writer.write(b"1")
    await reader.readexactly(1)
    links.bend([BACK], Rule(is_blocked=True))
    writer.write(b"2")
    answer = asyncio.ensure_future(reader.readexactly(1))
    async with asyncio.timeout(5):
        for _ in iter(lambda: links.counts["blocked"], 1):
            await asyncio.sleep(0)
    assert not answer.done()
    links.restore([BACK], Rule(is_blocked=True))
    assert await answer == b"2"
    writer.close()


async def test_a_lost_answer_breaks_the_connection_after_the_request_came_through(links: Links, port: int) -> None:
    links.bend([BACK], Rule(answer_loss=1.0))
    reader, writer = await connect(port)
    writer.write(b"request")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await reader.readexactly(7)
    assert links.counts["answers lost"] == 1
    writer.transport.abort()


async def test_a_cut_lets_half_of_a_chunk_through(links: Links, port: int) -> None:
    links.bend([THERE], Rule(cut=1.0))
    reader, writer = await connect(port)
    writer.write(b"12345678")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)) as caught:
        await reader.readexactly(8)
    assert len(getattr(caught.value, "partial", b"")) <= 4
    assert links.counts["cut"] == 1
    writer.transport.abort()


async def test_rules_of_two_faults_stand_beside_each_other(links: Links, port: int) -> None:
    links.bend([THERE], Rule(is_silent=True))
    links.bend([THERE], Rule(loss=0.5))
    links.restore([THERE], Rule(is_silent=True))
    reader, writer = await connect(port)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.close()
