"""A node without a replica of a database sends requests about it on, one hop, and hands the answer back."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from raftdoc.api.server import HttpServer
from raftdoc.database.requests import DatabaseInfo
from raftdoc.errors import NotHosted
from raftdoc.ids import GroupId, NodeId
from raftdoc.telemetry.metrics import Registry

from .conftest import SMALL, Api
from .fake_backend import Database, FakeBackend
from .wire import Wire

DOCS = "/v1/dbs/shop/collections/orders/docs"
NDJSON = "application/x-ndjson"


@pytest_asyncio.fixture
async def other() -> AsyncIterator[HttpServer]:
    """Return another node, with the database `shop`."""
    server = HttpServer(FakeBackend(), SMALL, Registry(), lambda _: None)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close(drain_s=5)


@pytest_asyncio.fixture
async def moved(api: Api, backend: FakeBackend, other: HttpServer) -> Api:
    """Return the first node, which knows that the other one has the database, after one that is gone."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}"
    url = f"http://127.0.0.1:{other.port}"
    backend.moved["shop"] = (url,)
    backend.moved["other"] = (gone,)
    backend.moved["second"] = (gone, url)
    return api


@pytest_asyncio.fixture
async def filled(moved: Api, other: HttpServer) -> Api:
    wire = await Wire.open(other.port)
    for name in ("shop", "second"):
        assert (await wire.call("PUT", f"/v1/dbs/{name}", b"{}", Content_Type="application/json")).status == 201
    await wire.close()
    return moved


async def test_documents_are_written_and_read_where_they_are(filled: Api, backend: FakeBackend) -> None:
    made = await filled("PUT", f"{DOCS}/a%2Fb", {"n": 1}, If_None_Match="*")
    assert (made.status, made["Location"]) == (201, f"{DOCS}/a%2Fb")
    found = await filled("GET", f"{DOCS}/a%2Fb")
    assert (found.status, found.json(), found["ETag"]) == (200, {"_id": "a/b", "n": 1}, made["ETag"])
    assert "Raftdoc-Index" in found
    assert (await filled("HEAD", f"{DOCS}/a%2Fb"))["Content-Length"] == found["Content-Length"]
    assert (await filled("GET", f"{DOCS}/a%2Fb", If_None_Match=found["ETag"])).status == 304
    assert (await filled("PUT", f"{DOCS}/a%2Fb", {}, If_None_Match="*")).code == "precondition_failed"
    assert (await filled("DELETE", f"{DOCS}/a%2Fb")).status == 204
    assert (await filled("GET", f"{DOCS}/a%2Fb")).code == "document_not_found"
    assert backend.written == {}


async def test_a_target_in_absolute_form_goes_where_the_database_is(filled: Api, wire: Wire) -> None:
    assert (await filled("PUT", f"{DOCS}/1?id_type=json", {"n": 1})).status == 201
    found = await wire.call("GET", f"http://other.example{DOCS}/1?id_type=json")
    assert found.json() == {"_id": 1, "n": 1}


async def test_many_documents_pass_through_both_ways(filled: Api) -> None:
    body = b"".join(b'{"_id":"d%03d"}\n' % number for number in range(500))
    made = await filled("POST", DOCS, body, Content_Type=NDJSON)
    assert (made.status, len(made.body.splitlines())) == (200, 500)
    listed = await filled("GET", f"{DOCS}?limit=1000", Accept=NDJSON)
    assert b'"$end":{"count":500,"cursor":null' in listed.body.splitlines()[-1]


async def test_an_idempotency_key_is_the_same_there(filled: Api) -> None:
    first = await filled("PUT", f"{DOCS}/1", {"n": 1}, Idempotency_Key="k")
    second = await filled("PUT", f"{DOCS}/1", {"n": 1}, Idempotency_Key="k")
    assert (first.status, second.status, second["Idempotency-Replayed"]) == (201, 201, "true")
    assert (await filled("PUT", f"{DOCS}/1", {"n": 2}, Idempotency_Key="k")).code == "key_reused"


async def test_a_node_that_is_gone_is_passed_over(filled: Api) -> None:
    assert (await filled("PUT", "/v1/dbs/second/collections/c/docs/1", {})).status == 201


async def test_a_database_that_moves_meanwhile_is_followed(filled: Api, backend: FakeBackend) -> None:
    backend.written["shop"] = Database(DatabaseInfo("shop", GroupId(1), 0, {}, ()))
    backend.failures = [NotHosted(GroupId(1), (NodeId("n2"),))]
    assert (await filled("PUT", f"{DOCS}/1", {"n": 1})).status == 201
    backend.failures = [NotHosted(GroupId(1), (NodeId("n2"),))]
    assert (await filled("GET", f"{DOCS}/1")).json() == {"_id": "1", "n": 1}
    assert backend.written["shop"].collections == {}


async def test_without_a_node_that_answers_it_is_503(filled: Api) -> None:
    answer = await filled("GET", "/v1/dbs/other/collections")
    assert (answer.status, answer.code, answer.json()["outcome"]) == (503, "no_leader", "not_applied")


async def test_what_was_sent_on_is_not_sent_on_again(filled: Api) -> None:
    answer = await filled("GET", f"{DOCS}/1", Raftdoc_Forwarded="n9")
    assert answer.code == "database_not_found"


@pytest.mark.parametrize("body", [b"{", b'{"_id":"2"}'])
async def test_faults_are_told_as_they_are_there(filled: Api, body: bytes) -> None:
    answer = await filled("PUT", f"{DOCS}/1", body, Content_Type="application/json")
    assert (answer.status, answer["Content-Type"]) == (400, "application/problem+json")


class Dying:
    """A node that answers its first request and dies with the second."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._server is not None
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            self.requests.append(head.split()[0])
            if len(self.requests) > 1:
                self._server.close()
                writer.close()
                return
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"_id":"1"}')


@pytest_asyncio.fixture
async def dying(backend: FakeBackend, filled: Api, other: HttpServer) -> Dying:
    """Return a node that the first one asks about `shop`, on a connection that it keeps, before the other one."""
    node = Dying()
    backend.moved["shop"] = (await node.start(), f"http://127.0.0.1:{other.port}")
    assert (await filled("GET", f"{DOCS}/1")).json() == {"_id": "1"}
    return node


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_write_whose_answer_is_lost_is_sent_once_and_unknown(filled: Api, dying: Dying, method: str) -> None:
    answer = await filled(method, f"{DOCS}/1", {"n": 1} if method == "PUT" else None)
    assert (answer.status, answer.code, answer.json()["outcome"]) == (503, "outcome_unknown", "unknown")
    assert dying.requests == [b"GET", method.encode()]


async def test_a_read_whose_answer_is_lost_is_asked_of_the_next_node(filled: Api, dying: Dying) -> None:
    assert (await filled("GET", f"{DOCS}/1")).code == "collection_not_found"
    assert dying.requests == [b"GET", b"GET"]
