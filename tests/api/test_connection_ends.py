"""How connections end: by either side, by time, by too many, by a draining server."""

from __future__ import annotations

import asyncio

import pytest

from raftdoc.api.server import HttpServer, HttpSettings
from raftdoc.database.requests import Request
from raftdoc.statemachine.outcome import StoredDocument
from raftdoc.telemetry.metrics import Registry

from .conftest import SMALL, Api
from .fake_backend import FakeBackend
from .requests import DOCS, Connect, database, put, until
from .wire import Wire, request_bytes


async def test_http_1_0_ends_unless_it_asks_to_stay(connect: Connect) -> None:
    ends = await connect()
    await ends.send(b"GET /livez HTTP/1.0\r\n\r\n")
    assert (await ends.answer())["Connection"] == "close"
    assert await ends.rest() == b""
    stays = await connect()
    for _ in range(2):
        await stays.send(b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await stays.answer())["Connection"] == "keep-alive"


async def test_http_1_0_gets_a_stream_without_chunks(shop: Api, wire: Wire) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    await wire.send(f"GET {DOCS} HTTP/1.0\r\nAccept: application/x-ndjson\r\nConnection: keep-alive\r\n\r\n".encode())
    answer = await wire.answer()
    assert ("Transfer-Encoding" in answer, answer["Connection"]) == (False, "close")
    assert answer.lines()[-1]["$end"]["count"] == 1


async def test_connection_close_is_obeyed(wire: Wire) -> None:
    answer = await wire.call("GET", "/livez", Connection="close")
    assert answer["Connection"] == "close"
    assert await wire.rest() == b""


async def test_a_client_that_has_closed_its_direction_gets_its_answers(
    shop: Api, wire: Wire, backend: FakeBackend
) -> None:
    backend.gate = asyncio.Event()
    await wire.send(put() + request_bytes("GET", "/livez"))
    await until(lambda: backend.waiting_count == 1)
    wire.end()
    await asyncio.sleep(0)
    backend.gate.set()
    assert (await wire.answer()).status == 201
    last = await wire.answer()
    assert (last.status, last["Connection"]) == (200, "close")
    assert await wire.rest() == b""


async def test_a_client_that_ends_in_mid_body_is_told(shop: Api, wire: Wire, backend: FakeBackend) -> None:
    written = backend.index
    await wire.send(put(b'{"n":1}')[:-3])
    wire.end()
    answer = await wire.answer()
    assert (answer.code, answer.json()["outcome"]) == ("malformed_http", "not_applied")
    assert backend.index == written


async def test_a_client_that_vanishes_hurts_nobody(
    shop: Api, connect: Connect, backend: FakeBackend, server: HttpServer
) -> None:
    backend.gate = asyncio.Event()
    for request in (put(), put(b'{"n":1}')[:-3], b"GET /li", request_bytes("GET", "/livez") * 50):
        gone = await connect()
        await gone.send(request)
        await gone.close()
    backend.gate.set()
    await until(lambda: server.connection_count == 1)
    assert (await shop("GET", "/livez")).status == 200


@pytest.mark.parametrize("settings", [HttpSettings(idle_s_max=0.05)])
async def test_a_connection_without_requests_is_closed(connect: Connect) -> None:
    silent, slow = await connect(), await connect()
    await slow.send(b"GET /livez HTTP/1.1\r\n")
    assert await silent.rest() == b""
    assert await slow.rest() == b""


@pytest.mark.parametrize("settings", [HttpSettings(idle_s_max=0.05)])
async def test_a_connection_that_waits_for_its_answer_is_not_idle(connect: Connect, backend: FakeBackend) -> None:
    await database(backend)
    backend.gate = asyncio.Event()
    wire = await connect()
    await wire.send(put())
    await until(lambda: backend.waiting_count == 1)
    asyncio.get_running_loop().call_later(0.2, backend.gate.set)
    assert (await wire.answer()).status == 201


@pytest.mark.parametrize("settings", [HttpSettings(idle_s_max=0.05)])
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_client_that_takes_no_answer_is_cut_off(
    connect: Connect, server: HttpServer, backend: FakeBackend, accept: str
) -> None:
    # Prepared behind the server's back: a connection that idles so briefly could not prepare it.
    backend.page_bytes_max = 1 << 30
    await backend.create_collection(Request(0), await database(backend), "orders", {})
    large = StoredDocument(1, 1, b'{"_id":"0","a":"' + b"x" * 1_000_000 + b'"}')
    backend.written["shop"].collections["orders"].documents.update((b"%d" % n, large) for n in range(60))
    stuck = await connect()
    await stuck.send(request_bytes("GET", DOCS, Accept=accept))
    await until(lambda: server.connection_count == 0)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await stuck.answer()


@pytest.mark.parametrize("settings", [HttpSettings(connections_max=2, linger_s_max=5)])
async def test_one_connection_too_many_is_told_so(connect: Connect, server: HttpServer) -> None:
    first, second = await connect(), await connect()
    await until(lambda: server.connection_count == 2)
    third = await connect()
    answer = await third.answer()
    assert (answer.status, answer.code, answer["Connection"]) == (503, "over_budget", "close")
    for wire in (first, second):
        assert (await wire.call("GET", "/livez")).status == 200
    await third.close()
    await until(lambda: server.connection_count == 2)


async def test_a_draining_server_answers_what_is_under_way_and_then_ends(
    shop: Api, connect: Connect, backend: FakeBackend, server: HttpServer
) -> None:
    backend.gate = asyncio.Event()
    busy, idle, port = await connect(), await connect(), server.port
    await busy.send(put())
    await until(lambda: backend.waiting_count == 1)
    closing = asyncio.create_task(server.close(drain_s=5))
    assert await idle.rest() == b""
    with pytest.raises(ConnectionError):
        await Wire.open(port)
    backend.gate.set()
    answer = await busy.answer()
    assert (answer.status, answer["Connection"]) == (201, "close")
    await busy.close()
    await closing


async def test_what_is_not_answered_within_the_drain_is_cut_off(
    shop: Api, connect: Connect, backend: FakeBackend, server: HttpServer
) -> None:
    backend.gate = asyncio.Event()
    busy = await connect()
    await busy.send(put())
    await until(lambda: backend.waiting_count == 1)
    await server.close(drain_s=0.01)
    try:
        assert await busy.rest() == b""
    except ConnectionResetError:
        return


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing(server: HttpServer, backend: FakeBackend) -> None:
    second = HttpServer(backend, SMALL, Registry(), [].append)
    with pytest.raises(OSError, match="address"):
        await second.start("127.0.0.1", server.port)
    await second.close()
    assert second.sockets == ()


async def test_a_query_ends_when_its_connection_breaks(
    shop: Api, connect: Connect, backend: FakeBackend, server: HttpServer
) -> None:
    assert (await shop("PUT", f"{DOCS}/1", {})).status == 201
    backend.gate = asyncio.Event()
    wire = await connect()
    await wire.send(request_bytes("GET", DOCS))
    await until(lambda: backend.waiting_count == 1)
    (query,) = server.dispatcher.waiting
    wire.abort()
    await until(query.cancelled)
    await until(lambda: not server.dispatcher.waiting)
