"""A server that is hostile, broken or another one: each a clear error, and never another call's answer."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from raftdoc.client import errors
from raftdoc.client.client import AsyncClient
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.operations import InsertOne
from raftdoc.client.options import CallOptions, ClientOptions
from raftdoc.client.values import Document
from tests.client.scripted import Act, Received, ScriptedServer, answer, echo, running

BRIEF = CallOptions(timeout_s=0.4)
ONE_CONNECTION = ClientOptions(connections_max=1)

Docs = AsyncCollection[Document]
Use = Callable[[AsyncClient, Docs], Awaitable[object]]

READ_OBJECTS: dict[str, Use] = {
    "put": lambda client, docs: docs.put("a", {}),
    "insert_one": lambda client, docs: docs.insert_one({}),
    "insert_many": lambda client, docs: docs.insert_many([{}]),
    "patch": lambda client, docs: docs.patch("a", {}),
    "update_one": lambda client, docs: docs.update_one({}, {"$set": {"a": 1}}),
    "delete_one": lambda client, docs: docs.delete_one({}),
    "delete_many": lambda client, docs: docs.delete_many({}),
    "find_one_and_update": lambda client, docs: docs.find_one_and_update({}, {"$set": {"a": 1}}),
    "bulk_write": lambda client, docs: docs.bulk_write([InsertOne({})]),
    "create_index": lambda client, docs: docs.create_index("a"),
    "indexes": lambda client, docs: docs.indexes(),
    "find": lambda client, docs: docs.find({}).to_list(),
    "count": lambda client, docs: docs.count_documents({}),
    "estimated_count": lambda client, docs: docs.estimated_document_count(),
    "distinct": lambda client, docs: docs.distinct("a"),
    "aggregate": lambda client, docs: docs.aggregate([]),
    "get_many": lambda client, docs: docs.get_many(["a"]),
    "databases": lambda client, docs: client.databases(),
    "collections": lambda client, docs: client.database("d").collections(),
    "members": lambda client, docs: client.members(),
}
NO_SHAPE = {
    "a list": b"[1]",
    "null": b"null",
    "a string": b'"x"',
    "another object": b'{"x":1}',
    "members of other types": b'{"documents":3,"cursor":7,"count":"many","deleted":null,"etag":5,"databases":[7],'
    b'"collections":[{"name":1}],"document":9,"values":{},"indexes":1,"members":"n1","name":2,"matched":[],"_id":1}',
    "no JSON": b"{",
    "nothing": b"",
}


@pytest.mark.parametrize("body", NO_SHAPE.values(), ids=NO_SHAPE)
async def test_an_answer_of_another_shape_is_no_answer(body: bytes) -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, body))

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, call_options=BRIEF) as client:
        for name, use in READ_OBJECTS.items():
            with pytest.raises(errors.RaftdocError) as caught:
                await use(client, client.database("d").collection("c"))
            assert isinstance(caught.value, errors.InvalidAnswer | errors.BulkWriteError), name
            assert isinstance(caught.value, errors.BulkWriteError) or caught.value.outcome == "unknown"


async def test_an_invalid_answer_to_a_write_names_the_key_that_tells_what_became_of_it() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b"[]"))

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.InvalidAnswer) as caught:
            await client.database("d").collection("c").put("a", {})
    assert caught.value.idempotency_key == server.received[0].fields["idempotency-key"]
    assert (caught.value.node, caught.value.status) == ("n1", 200)


async def test_a_cursor_that_leads_in_a_circle_is_refused() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b'{"documents":[],"cursor":"again"}'))

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.InvalidAnswer, match="leads nowhere"):
            await client.database("d").collection("c").find().to_list()


# What a connection may do --------------------------------------------------------------------------


def dripping(data: bytes) -> Act:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    return act


async def test_an_answer_that_arrives_a_byte_at_a_time_is_an_answer() -> None:
    server = ScriptedServer(dripping(answer(200, b'{"_id":"a"}')))
    async with running(server) as urls, AsyncClient(urls, ONE_CONNECTION) as client:
        docs = client.database("d").collection("c")
        assert [await docs.get("a") for _ in range(3)] == [{"_id": "a"}] * 3


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", answer(200, b"{}").replace(b": 2", b": 99999999")])
async def test_a_server_that_drips_without_end_costs_no_more_than_the_deadline(start: bytes) -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.transport.is_closing():
            writer.write(b"1")
            await writer.drain()
            await asyncio.sleep(0.001)  # the fault itself: a server that is never done

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, call_options=BRIEF) as client:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        with pytest.raises(errors.RaftdocError) as caught:
            await client.database("d").collection("c").put("a", {})
        assert loop.time() - started_s < 5
    assert caught.value.outcome == "unknown"


@pytest.mark.parametrize("method", ["get", "put"])
async def test_a_reset_in_the_body_is_no_answer(method: str) -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b'{"_id":"a","etag":"1"}')[:-5])
        await writer.drain()
        writer.transport.abort()

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, call_options=BRIEF) as client:
        docs = client.database("d").collection("c")
        with pytest.raises(errors.RaftdocError) as caught:
            await (docs.get("a") if method == "get" else docs.put("a", {}))
    assert isinstance(caught.value, errors.InvalidAnswer | errors.OutcomeUnknown)
    assert caught.value.outcome == "unknown"


async def test_a_length_that_is_too_short_does_not_smuggle_an_answer_to_the_next_call() -> None:
    evil = answer(200, b'{"_id":"evil"}')

    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.id == "lie":
            writer.write(answer(200, b'{"_id":"lie"}') + evil)
        else:
            await echo(request, writer)

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, ONE_CONNECTION, BRIEF) as client:
        docs = client.database("d").collection("c")
        for n in range(4):
            # An error is as good: what came was more than one answer.
            with contextlib.suppress(errors.InvalidAnswer):
                assert await docs.get("lie") == {"_id": "lie"}
            assert await docs.get(str(n)) == {"_id": str(n)}


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        await echo(request, writer)
        await writer.drain()
        if request.id == "first":
            writer.write(answer(200, b'{"_id":"evil"}'))

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, ONE_CONNECTION) as client:
        docs = client.database("d").collection("c")
        assert [await docs.get(id) for id in ("first", "second")] == [{"_id": "first"}, {"_id": "second"}]


@pytest.mark.parametrize(
    "data",
    [
        answer(307, b"", fields="Location: http://example.org/\r\n"),
        answer(200, gzip.compress(b'{"_id":"a"}'), fields="Content-Encoding: gzip\r\n"),
        answer(500, b'["no problem"]', media="application/problem+json"),
        b"HTTP/1.1 200 OK\r\nRaftdoc-Node: n1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nRaftdoc-Node: n1\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nRaftdoc-Node: " + b"n" * 100_000,
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\0" * 4096,
    ],
    ids=["redirect", "gzip", "problem", "chunks", "two lengths", "long line", "version", "zeros"],
)
async def test_what_a_node_would_never_send_is_no_answer(data: bytes) -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls, call_options=BRIEF) as client:
        with pytest.raises(errors.InvalidAnswer):
            await client.database("d").collection("c").get("a")


# Which server it is -------------------------------------------------------------------------------


async def test_an_address_that_does_not_say_to_which_cluster_it_belongs_gets_no_write() -> None:
    server = ScriptedServer(echo, cluster_body=b"<html>portal</html>")
    async with running(server) as urls, AsyncClient(urls, call_options=BRIEF) as client:
        with pytest.raises(errors.Unreachable, match="to which cluster it belongs") as caught:
            await client.database("d").collection("c").put("a", {})
    assert caught.value.outcome == "not_applied"
    assert server.received == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"cluster_id":"c1","members":7,"groups":{"a":1}}',
        b'{"cluster_id":"c1","members":[7,{"id":1,"http":2},{"http":"http://[::1"},{"id":"n9","http":"unix:/x"}],'
        b'"groups":[null,{"database":[],"leader":"n1"},{"database":"d","leader":{}}]}',
    ],
)
async def test_members_and_groups_that_make_no_sense_are_left_out(body: bytes) -> None:
    async with running(ScriptedServer(echo, cluster_body=body)) as urls, AsyncClient(urls) as client:
        assert await client.database("d").collection("c").get("a") == {"_id": "a"}


async def test_a_node_of_another_cluster_that_comes_up_later_gets_nothing() -> None:
    ours, foreign = ScriptedServer(echo), ScriptedServer(echo, cluster_id="c2", node="x1")
    async with running(foreign):
        pass  # its port is known, and nothing listens there now
    async with (
        running(ours) as urls,
        AsyncClient([*urls, foreign.url], ClientOptions(balance="round_robin")) as client,
    ):
        docs = client.database("d").collection("c")
        await docs.put("a", {})
        async with running(foreign):
            with pytest.raises(errors.WrongCluster, match="c1, c2"):
                await asyncio.gather(*[docs.put(str(n), {}) for n in range(8)])
    assert foreign.received == []


async def test_a_node_that_hangs_does_not_hold_up_the_first_call() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    # The time of the call is too short to wait for the other one.
    brief = CallOptions(timeout_s=1.9)
    async with (
        silent,
        running(ScriptedServer(echo)) as urls,
        AsyncClient([*urls, url], ClientOptions(balance="nearest"), brief) as client,
    ):
        assert await client.database("d").collection("c").get("a") == {"_id": "a"}


# TLS ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
        " -keyout key.pem -out cert.pem && cat key.pem cert.pem > both.pem",
        shell=True,
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return directory / "both.pem"


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def test_https_works_with_a_certificate_that_the_caller_trusts(certificate: Path) -> None:
    server = ScriptedServer(echo, tls=server_tls(certificate))
    trusting = ClientOptions(tls=ssl.create_default_context(cafile=str(certificate)))
    async with running(server) as urls, AsyncClient(urls, trusting) as client:
        assert urls[0].startswith("https://")
        assert await client.database("d").collection("c").get("a") == {"_id": "a"}


async def attempts_of(url: str, *others: str) -> errors.RaftdocError:
    """Return what a write ends in at once: not when its deadline is over."""
    async with AsyncClient([url, *others], call_options=CallOptions(timeout_s=60)) as client:
        with pytest.raises(errors.RaftdocError) as caught:
            await asyncio.wait_for(client.database("d").collection("c").put("a", {}), 20)
    return caught.value


async def test_a_certificate_that_is_not_trusted_is_no_reason_to_try_again(certificate: Path) -> None:
    async with running(ScriptedServer(echo, tls=server_tls(certificate))) as (url,):
        error = await attempts_of(url)
    assert isinstance(error, errors.Untrusted)
    assert "certificate" in str(error).lower()
    assert (error.outcome, error.retryable) == ("not_applied", False)


async def test_https_to_a_server_without_tls_is_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as plain:
        error = await attempts_of(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}")
    assert isinstance(error, errors.Untrusted)
    assert "no TLS connection" in str(error)


async def test_a_node_with_a_bad_certificate_does_not_stop_calls_that_another_answers(certificate: Path) -> None:
    bad, good = ScriptedServer(echo, tls=server_tls(certificate)), ScriptedServer(echo)
    options: dict[str, Any] = {"options": ClientOptions(balance="round_robin")}
    async with running(bad, good) as urls, AsyncClient(urls, **options) as client:
        docs = client.database("d").collection("c")
        assert [await docs.get(str(n)) for n in range(6)] == [{"_id": str(n)} for n in range(6)]
