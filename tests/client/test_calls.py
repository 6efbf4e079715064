"""What a call does on its way: whom it asks, how often, and what it says of itself."""

from __future__ import annotations

import asyncio

import pytest

from raftdoc.client import errors
from raftdoc.client.client import AsyncClient
from raftdoc.client.options import CallOptions, ClientOptions
from tests.client.scripted import Act, Received, ScriptedServer, answer, echo, problem, running

LEADS = 'Raftdoc-Leader: n2\r\nETag: "1"\r\n'


async def test_read_levels_are_set_for_a_client_a_database_a_collection_or_a_call() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls, call_options=CallOptions(consistency="stale")) as client:
        await client.database("d").collection("c").get("client")
        await client.with_options(consistency="linearizable").database("d").collection("c").get("view")
        await client.database("d").with_options(consistency="linearizable").collection("c").get("database")
        docs = client.database("d").collection("c").with_options(max_staleness_ms=250)
        await docs.get("collection")
        await docs.with_options(consistency="linearizable", max_staleness_ms=None).get("call")
        await docs.get("collection again")
    sent = [(r.id, r.fields.get("raftdoc-consistency"), r.fields.get("raftdoc-max-staleness")) for r in server.received]
    assert sent == [
        ("client", "stale", None),
        ("view", None, None),
        ("database", None, None),
        ("collection", "stale", "250ms"),
        ("call", None, None),
        ("collection again", "stale", "250ms"),
    ]


async def test_a_write_is_never_asked_to_be_stale() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls, call_options=CallOptions(consistency="stale")) as client:
        await client.database("d").collection("c").put("a", {})
    assert "raftdoc-consistency" not in server.received[0].fields


async def test_retry_after_is_waited_for_before_the_next_attempt() -> None:
    asked_s: list[float] = []
    answers = [problem(503, "over_budget", retryable=True, fields="Retry-After: 1\r\n"), answer(200, b'{"_id":"a"}')]

    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        asked_s.append(asyncio.get_running_loop().time())
        writer.write(answers.pop(0))

    async with running(ScriptedServer(act)) as urls, AsyncClient(urls) as client:
        await client.database("d").collection("c").get("a")
    assert asked_s[1] - asked_s[0] >= 1


async def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(problem(503, "over_budget", retryable=True, fields="Retry-After: 99999\r\n"))

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.Unavailable) as caught:
            await client.database("d").collection("c").get("a")
    assert caught.value.retry_after_s == 99999
    assert len(server.received) == 1


async def test_a_cluster_in_trouble_gets_a_tenth_more_requests_and_no_more() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(problem(503, "no_leader", retryable=True))

    server, calls = ScriptedServer(act), 400
    patient = CallOptions(timeout_s=20)
    async with running(server) as urls, AsyncClient(urls, call_options=patient) as client:
        docs = client.database("d").collection("c")
        ends = await asyncio.gather(*[docs.get(str(n)) for n in range(calls)], return_exceptions=True)
    assert all(isinstance(end, errors.Unavailable) for end in ends)
    assert calls < len(server.received) <= calls * 1.1 + 32


async def test_the_deadline_that_is_sent_shrinks_from_attempt_to_attempt() -> None:
    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(problem(503, "no_leader", retryable=True))

    server = ScriptedServer(act)
    async with running(server) as urls, AsyncClient(urls, call_options=CallOptions(timeout_s=1)) as client:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        with pytest.raises(errors.Unavailable):
            await client.database("d").collection("c").get("a")
        assert loop.time() - started_s < 5
    sent_ms = [int(request.fields["raftdoc-timeout"].removesuffix("ms")) for request in server.received]
    assert len(sent_ms) > 2
    assert sent_ms == sorted(sent_ms, reverse=True)
    assert sent_ms[-1] < sent_ms[0] <= 1000


def leading(node: str) -> Act:
    """Answer as a node that says that n2 leads."""

    async def act(request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b'{"_id":"a"}', node=node, fields=LEADS))

    return act


async def test_calls_follow_the_leader_that_answers_name() -> None:
    one, two = ScriptedServer(leading("n1"), node="n1"), ScriptedServer(leading("n2"), node="n2")
    async with running(one, two) as urls:
        for server in (one, two):
            server.members = [{"id": f"n{n}", "http": url} for n, url in enumerate(urls, 1)]
        async with AsyncClient(urls) as client:
            docs = client.database("d").collection("c")
            for _ in range(8):
                await docs.get("a")
    assert len(one.received) <= 1
    assert len(two.received) >= 7


async def test_the_leader_is_known_from_the_topology_before_the_first_call() -> None:
    group: dict[str, object] = {"id": 7, "database": "d", "leader": "n2"}
    one, two = ScriptedServer(echo, node="n1", groups=[group]), ScriptedServer(echo, node="n2", groups=[group])
    async with running(one, two) as urls:
        one.members = [{"id": f"n{n}", "http": url} for n, url in enumerate(urls, 1)]
        async with AsyncClient(urls) as client:
            await client.database("d").collection("c").get("a")
    assert (len(one.received), len(two.received)) == (0, 1)


async def test_the_topology_is_learned_anew_after_its_interval() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls, ClientOptions(topology_interval_s=1e-6)) as client:
        docs = client.database("d").collection("c")
        for _ in range(20):
            await docs.get("a")
        assert server.cluster_asked_count > 3


async def test_the_topology_is_not_asked_for_with_every_call() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls) as client:
        docs = client.database("d").collection("c")
        await asyncio.gather(*[docs.get(str(n)) for n in range(50)])
    assert server.cluster_asked_count == 1


async def test_a_node_that_hangs_in_the_middle_of_life_is_passed_over_within_the_deadline() -> None:
    async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.id != "warm":
            return
        await echo(request, writer)

    hanging, well = ScriptedServer(hang, node="n1"), ScriptedServer(echo, node="n2")
    async with (
        running(hanging, well) as urls,
        AsyncClient(urls, ClientOptions(balance="round_robin"), CallOptions(timeout_s=3)) as client,
    ):
        docs = client.database("d").collection("c")
        await asyncio.gather(docs.get("warm"), docs.get("warm"))
        found = await asyncio.gather(*[docs.put(str(n), {}) for n in range(6)])
    assert [result.id for result in found] == [str(n) for n in range(6)]
