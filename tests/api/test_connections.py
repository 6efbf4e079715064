"""HTTP itself, byte by byte: malformed requests, bodies in pieces, and pipelines."""

from __future__ import annotations

import asyncio

import pytest

from raftdoc.limits import HTTP_HEADER_BYTES_MAX, OPTIONS_BYTES_MAX

from .conftest import SMALL, Api
from .fake_backend import FakeBackend
from .requests import DOCS, HOST, JSON, Connect, put, until
from .wire import Wire, request_bytes

LIMIT = SMALL.document_bytes_max

# Malformed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"FOO /livez HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nHost: u\r\n\r\n",
        b"GET /livez HTTP/3.7\r\nHost: t\r\n\r\n",
        b"GET /li vez HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /v1/dbs/\xc3\xa9 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET livez HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nBad Header: 1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nX: a\r\n folded\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\nX: a\x00b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: t\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT /v1/dbs/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_problem_and_the_end_of_the_connection(
    wire: Wire, connect: Connect, bad: bytes
) -> None:
    await wire.send(bad)
    answer = await wire.answer()
    assert (answer.status, answer.code, answer["Connection"]) == (400, "malformed_http", "close")
    assert answer.json()["outcome"] == "not_applied"
    assert await wire.rest() == b""
    assert (await (await connect()).call("GET", "/livez")).status == 200


@pytest.mark.parametrize("bad", [b"GET /" + b"a" * 9000, b"GET /livez HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 9000])
async def test_a_line_over_its_limit_is_431(wire: Wire, bad: bytes) -> None:
    await wire.send(bad)
    answer = await wire.answer()
    assert (answer.status, answer.code, answer.json()["limit"]) == (431, "headers_too_large", 8190)


async def test_a_header_that_is_no_list_stands_once(wire: Wire) -> None:
    await wire.send(f"GET {DOCS} {HOST}Raftdoc-Timeout: 1s\r\nraftdoc-timeout: 2s\r\n\r\n".encode())
    assert (await wire.answer()).code == "invalid_request"
    await wire.send(f"PUT {DOCS}/1 {HOST}{JSON}{JSON.lower()}Content-Length: 2\r\n\r\n{{}}".encode())
    assert (await wire.answer()).code in ("invalid_request", "malformed_http")


async def test_lists_may_stand_in_several_lines(shop: Api, wire: Wire) -> None:
    tag = (await shop("PUT", f"{DOCS}/1", {}))["ETag"]
    await wire.send(f'GET {DOCS}/1 {HOST}If-None-Match: "x"\r\nIf-None-Match: {tag}\r\n\r\n'.encode())
    assert (await wire.answer()).status == 304
    await wire.send(f"GET {DOCS} {HOST}ACCEPT: text/csv\r\naccept: application/x-ndjson\r\n\r\n".encode())
    assert (await wire.answer())["Content-Type"] == "application/x-ndjson"


async def test_a_target_may_be_absolute_but_has_no_fragment(wire: Wire) -> None:
    await wire.send(b"GET http://other.example/livez HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (await wire.answer()).status == 200
    await wire.send(b"GET /livez#x HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (await wire.answer()).code == "invalid_request"


async def test_a_tunnel_or_another_protocol_is_not_spoken(connect: Connect) -> None:
    tunnel = await connect()
    await tunnel.send(b"CONNECT other.example:80 HTTP/1.1\r\nHost: t\r\n\r\nGET /livez HTTP/1.1\r\nHost: t\r\n\r\n")
    answer = await tunnel.answer()
    assert (answer.status, answer["Connection"]) == (404, "close")
    assert await tunnel.rest() == b""
    upgrade = await connect()
    await upgrade.send(f"GET /livez {HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00".encode())
    assert (await upgrade.answer()).status == 200
    assert await upgrade.rest() == b""


# Bodies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_request_may_arrive_in_pieces(shop: Api, wire: Wire, size: int) -> None:
    request = put(b'{"n":1}', fields="X-Request-Id: pieces\r\n")
    for start in range(0, len(request), size):
        await wire.send(request[start : start + size])
        await asyncio.sleep(0)
    answer = await wire.answer()
    assert (answer.status, answer["X-Request-Id"]) == (201, "pieces")


async def test_a_chunked_body_is_a_body(shop: Api, wire: Wire) -> None:
    await wire.send(f"PUT {DOCS}/1 {HOST}{JSON}Transfer-Encoding: chunked\r\n\r\n".encode())
    await wire.send(b'3\r\n{"n\r\n4;x=y\r\n":1}\r\n0\r\nTrailer: x\r\n\r\n')
    assert (await wire.answer()).status == 201
    assert (await shop("GET", f"{DOCS}/1")).json() == {"_id": "1", "n": 1}


async def test_a_chunk_that_is_none_fails_its_request(shop: Api, wire: Wire) -> None:
    await wire.send(f"PUT {DOCS}/1 {HOST}{JSON}Transfer-Encoding: chunked\r\n\r\n".encode())
    await wire.send(b'3\r\n{"n\r\nzz\r\n')
    answer = await wire.answer()
    assert (answer.status, answer.code, answer["Connection"]) == (400, "malformed_http", "close")
    assert (await shop("GET", f"{DOCS}/1")).status == 404


async def test_a_body_at_the_limit_passes_and_one_over_it_does_not(shop: Api) -> None:
    fits = b'{"_id":"1","a":"' + b"x" * (LIMIT - 18) + b'"}'
    assert len(fits) == LIMIT
    assert (await shop("PUT", f"{DOCS}/1", fits, Content_Type="application/json")).status == 201
    answer = await shop("PUT", f"{DOCS}/1", fits + b" ", Content_Type="application/json")
    assert (answer.status, answer.code, answer.json()["limit"]) == (413, "too_large", LIMIT)
    assert (await shop("POST", DOCS, fits + b" ", Content_Type="application/json")).status == 413
    assert (await shop("PUT", "/v1/dbs/big", fits + b" ", Content_Type="application/json")).status == 413


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(shop: Api, wire: Wire) -> None:
    await wire.send(f"PUT {DOCS}/1 {HOST}{JSON}Content-Length: {LIMIT + 1}\r\n\r\n".encode())
    answer = await wire.answer()
    assert (answer.status, answer.json()["limit"], answer["Connection"]) == (413, LIMIT, "close")


@pytest.mark.parametrize(("path", "limit"), [(f"{DOCS}/1", LIMIT), ("/v1/dbs/new", OPTIONS_BYTES_MAX)])
async def test_a_chunked_body_over_the_limit_is_413_and_the_answer_arrives(
    shop: Api, wire: Wire, path: str, limit: int
) -> None:
    await wire.send(f"PUT {path} {HOST}{JSON}Transfer-Encoding: chunked\r\n\r\n".encode())
    piece = b"x" * 8192
    for _ in range(64):
        await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    answer = await wire.answer()
    assert (answer.status, answer.json()["limit"], answer["Connection"]) == (413, limit, "close")
    assert await wire.rest() == b""


async def test_a_client_that_waits_for_100_gets_it(shop: Api, wire: Wire) -> None:
    head, body = put(b'{"n":1}', fields="Expect: 100-continue\r\n").split(b"\r\n\r\n")
    await wire.send(head + b"\r\n\r\n")
    assert (await wire.answer()).status == 100
    await wire.send(body)
    assert (await wire.answer()).status == 201


async def test_a_client_that_waits_for_100_is_refused_without_it(shop: Api, connect: Connect) -> None:
    for request, status in (
        (f"PUT {DOCS}/1 {HOST}{JSON}Expect: 100-continue\r\nContent-Length: {LIMIT + 1}\r\n\r\n", 413),
        (f"PUT /nowhere {HOST}{JSON}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 404),
        (f"PUT {DOCS}/1 {HOST}Content-Type: text/csv\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 415),
        (f"PUT {DOCS}/1 {HOST}{JSON}Expect: miracles\r\nContent-Length: 2\r\n\r\n", 417),
    ):
        wire = await connect()
        await wire.send(request.encode())
        answer = await wire.answer()
        assert (answer.status, answer["Connection"]) == (status, "close")


async def test_a_body_that_is_here_needs_no_100(shop: Api, wire: Wire) -> None:
    await wire.send(put(fields="Expect: 100-continue\r\n"))
    assert (await wire.answer()).status == 201


async def test_a_body_that_does_not_arrive_is_504_and_nothing_was_done(
    shop: Api, wire: Wire, backend: FakeBackend
) -> None:
    written = backend.index
    await wire.send(f"PUT {DOCS}/1 {HOST}{JSON}Raftdoc-Timeout: 20ms\r\nContent-Length: 10\r\n\r\n{{".encode())
    answer = await wire.answer()
    assert (answer.status, answer.code, answer.json()["outcome"]) == (504, "deadline_exceeded", "not_applied")
    assert backend.index == written


async def test_a_connection_outlives_a_refused_body(shop: Api, wire: Wire) -> None:
    head, body = put(b'{"n":1}', path="/nowhere").split(b"\r\n\r\n")
    await wire.send(head + b"\r\n\r\n")
    await asyncio.sleep(0)
    await wire.send(body)
    answer = await wire.answer()
    assert (answer.status, "Connection" in answer) == (404, False)
    assert (await wire.call("GET", "/livez")).status == 200


# Pipelines ----------------------------------------------------------------------------------------


async def test_requests_sent_ahead_are_answered_in_order(shop: Api, wire: Wire, backend: FakeBackend) -> None:
    backend.is_slow = True
    sent = b"".join(
        put(b"{}", path=f"{DOCS}/{n}", fields=f"X-Request-Id: p{n}\r\n")
        + request_bytes("GET", f"{DOCS}/{n}", X_Request_Id=f"g{n}")
        + request_bytes("GET", "/livez", X_Request_Id=f"l{n}")
        for n in range(100)
    )
    await wire.send(sent)
    answers = [await wire.answer() for _ in range(300)]
    assert [a["X-Request-Id"] for a in answers] == [f"{kind}{n}" for n in range(100) for kind in "pgl"]
    assert {answer.status for answer in answers} == {200, 201}


async def test_lines_of_a_list_are_bounded_together(wire: Wire) -> None:
    lines = f"Accept: {'*/*,' * 1000}\r\n"
    await wire.send(f"GET {DOCS}/1 {HOST}{lines}\r\n".encode())
    assert (await wire.answer()).code != "headers_too_large"
    await wire.send(f"GET {DOCS}/1 {HOST}{lines * 3}\r\n".encode())
    answer = await wire.answer()
    assert (answer.status, answer.code, answer.json()["limit"]) == (431, "headers_too_large", HTTP_HEADER_BYTES_MAX)


@pytest.mark.parametrize("tail", ["x", "; charset", ";;", " x", '; charset="utf-8'])
async def test_a_long_content_type_that_is_none_is_refused(shop: Api, tail: str) -> None:
    answer = await shop("PUT", f"{DOCS}/1", b"{}", Content_Type="a" + " " * 8000 + tail)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_long_pipeline_is_answered_whole(wire: Wire) -> None:
    count = 5000
    sending = asyncio.create_task(wire.send(request_bytes("GET", "/livez") * count))
    for _ in range(count):
        assert (await wire.answer()).status == 200
    await sending


async def test_what_precedes_garbage_is_answered_first(shop: Api, wire: Wire, backend: FakeBackend) -> None:
    backend.gate = asyncio.Event()
    await wire.send(put())
    await until(lambda: backend.waiting_count == 1)
    await wire.send(b"garbage\r\n\r\n")
    await asyncio.sleep(0)
    backend.gate.set()
    assert (await wire.answer()).status == 201
    assert (await wire.answer()).code == "malformed_http"
    assert await wire.rest() == b""


async def test_a_client_that_does_not_read_is_not_served_ahead(
    shop: Api, connect: Connect, backend: FakeBackend
) -> None:
    await shop("PUT", f"{DOCS}/1", {"a": "x" * 60_000})
    slow, other = await connect(), await connect()
    count = 400
    served = len(backend.requests)
    sending = asyncio.create_task(slow.send(request_bytes("GET", f"{DOCS}/1") * count))
    for _ in range(50):
        assert (await other.call("GET", "/livez")).status == 200
    assert len(backend.requests) - served < count
    for _ in range(count):
        assert len((await slow.answer()).body) > 60_000
    await sending
