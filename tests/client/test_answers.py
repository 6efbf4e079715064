"""What the client makes of the answers it gets, good ones and those that no node would give."""

from __future__ import annotations

import asyncio
import socket

import pytest

from raftdoc.client import errors
from raftdoc.client.client import AsyncClient
from raftdoc.client.options import CallOptions, ClientOptions
from tests.client.scripted import Act, Received, ScriptedServer, answer, echo, problem, running

BRIEF = CallOptions(timeout_s=0.4)
GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a proxy's page": answer(502, b"<html>bad gateway</html>", node=None, media="text/html"),
    "a page instead of a document": answer(200, b"<html>hello</html>", node=None, media="text/html"),
    "a redirect": answer(302, b"", node=None, fields="Location: http://example.org/\r\n"),
    "a status without a problem": answer(500, b"oops", media="text/plain"),
    "a length that is a lie": answer(200, b"{}").replace(b"Content-Length: 2", b"Content-Length: -7"),
}


def saying(data: bytes, *, then_close: bool = False) -> Act:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if then_close:
            writer.close()

    return act


async def outcome_of(act: Act, *, method: str = "GET", idempotency: bool = True) -> errors.RaftdocError:
    """Return what a call ends in whose every attempt is answered by `act`."""
    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls, ClientOptions(idempotency=idempotency), BRIEF) as client:
        docs = client.database("d").collection("c")
        with pytest.raises(errors.RaftdocError) as caught:
            await (docs.get("a") if method == "GET" else docs.put("a", {}))
    return caught.value


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_answer_of_a_node_says_nothing_about_a_write(data: bytes) -> None:
    error = await outcome_of(saying(data, then_close=True), method="PUT")
    assert isinstance(error, errors.InvalidAnswer | errors.OutcomeUnknown)
    assert error.outcome == "unknown"
    assert error.idempotency_key


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
async def test_a_read_of_garbage_is_a_clear_error(data: bytes) -> None:
    assert isinstance(await outcome_of(saying(data, then_close=True)), errors.InvalidAnswer)


async def test_an_answer_that_is_cut_in_its_body_is_no_answer() -> None:
    cut = answer(200, b'{"_id": "a"}')[:-4]
    assert isinstance(await outcome_of(saying(cut, then_close=True)), errors.InvalidAnswer)


async def test_a_write_without_a_key_is_sent_once_and_its_fate_is_said_to_be_unknown() -> None:
    server = ScriptedServer(saying(b"", then_close=True))
    async with running(server) as urls, AsyncClient(urls, ClientOptions(idempotency=False)) as client:
        with pytest.raises(errors.RaftdocError) as caught:
            await client.database("d").collection("c").put("a", {})
    assert caught.value.outcome == "unknown"
    assert len(server.received) == 1


async def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    server = ScriptedServer(echo)

    async def lose_first(request: Received, writer: asyncio.StreamWriter) -> None:
        if len(server.received) == 1:
            writer.close()
        else:
            await echo(request, writer)

    server.act = lose_first
    async with running(server) as urls, AsyncClient(urls) as client:
        result = await client.database("d").collection("c").put("a", {"x": 1})
    assert result.id == "a"
    first, second = server.received
    assert first.fields["idempotency-key"] == second.fields["idempotency-key"]
    assert first.body == second.body


async def test_a_write_may_have_a_key_of_the_program_s_own() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls) as client:
        docs = client.database("d").collection("c")
        await docs.with_options(idempotency_key="order-7").put("a", {})
        await docs.put("a", {})
    first, second = [request.fields["idempotency-key"] for request in server.received]
    assert first == "order-7"
    assert second != first


async def test_a_refusal_that_may_pass_is_tried_again_and_one_that_will_not_is_raised() -> None:
    answers = [problem(503, "no_leader", retryable=True), answer(200, b'{"_id":"a","etag":"1"}')]

    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls) as client:
        docs = client.database("d").collection("c")
        await docs.put("a", {})
        answers.append(problem(409, "duplicate_key"))
        with pytest.raises(errors.DuplicateKey) as caught:
            await docs.put("a", {})
    assert (caught.value.status, caught.value.code, caught.value.node) == (409, "duplicate_key", "n1")
    assert len(server.received) == 3


async def test_an_unknown_attempt_outweighs_a_later_refusal() -> None:
    answers = [b"", problem(412, "precondition_failed")]

    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        data = answers.pop(0)
        writer.write(data)
        if not data:
            writer.close()

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.OutcomeUnknown) as caught:
            await client.database("d").collection("c").put("a", {})
    assert caught.value.outcome == "unknown"


async def test_a_node_that_never_answers_costs_no_more_than_the_deadline() -> None:
    read = await outcome_of(saying(b""))
    assert isinstance(read, errors.DeadlineExceeded)
    write = await outcome_of(saying(b""), method="PUT")
    assert isinstance(write, errors.OutcomeUnknown)


async def test_a_body_that_does_not_end_is_given_up_at_the_deadline() -> None:
    endless = answer(200, b"").replace(b"Content-Length: 0", b"Content-Length: 99999999999")
    assert isinstance(await outcome_of(saying(endless + b"{")), errors.DeadlineExceeded)


async def test_every_call_sends_its_deadline() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls, call_options=CallOptions(timeout_s=3)) as client:
        await client.database("d").collection("c").get("a")
    timeout_ms = int(server.received[0].fields["raftdoc-timeout"].removesuffix("ms"))
    assert 0 < timeout_ms <= 3000


async def test_a_dead_node_costs_one_failed_attempt() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        server = ScriptedServer(echo)
        options = ClientOptions(balance="round_robin")
        async with running(server) as urls, AsyncClient([dead, *urls], options) as client:
            docs = client.database("d").collection("c")
            assert [await docs.get(str(n)) for n in range(8)] == [{"_id": str(n)} for n in range(8)]
    assert len(server.received) == 8


async def test_addresses_of_two_clusters_are_refused_before_anything_is_sent() -> None:
    one, other = ScriptedServer(echo), ScriptedServer(echo, cluster_id="c2")
    async with running(one, other) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.WrongCluster, match="c1, c2"):
            await client.database("d").collection("c").put("a", {})
    assert one.received == other.received == []


async def test_further_nodes_are_learned_from_the_cluster() -> None:
    second = ScriptedServer(echo, node="n2")
    async with running(second) as (url,):
        first = ScriptedServer(echo, members=[{"id": "n1", "http": ""}, {"id": "n2", "http": url}])
        async with running(first) as urls, AsyncClient(urls, ClientOptions(balance="round_robin")) as client:
            docs = client.database("d").collection("c")
            for n in range(4):
                await docs.get(str(n))
        assert first.received
        assert second.received


async def test_calls_of_one_session_ask_for_what_it_has_seen() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b'{"_id":"a","etag":"1"}', fields=f"Raftdoc-Index: 7:{len(server.received)}\r\n"))

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls) as client:
        docs = client.database("d").collection("c").with_options(session=client.session(), consistency="stale")
        await docs.put("a", {})
        await docs.get("a")
        await docs.get("a")
    assert [request.fields.get("raftdoc-min-index") for request in server.received] == [None, "7:1", "7:2"]
    assert [request.fields.get("raftdoc-consistency") for request in server.received] == [None, "stale", "stale"]
