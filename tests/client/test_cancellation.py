"""A call that is cancelled, wherever it waits, leaves nothing behind that another call could take for its own."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from raftdoc.client import errors
from raftdoc.client.client import AsyncClient
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.options import ClientOptions
from raftdoc.client.values import Document
from tests.client.scripted import Received, ScriptedServer, answer, running


async def piecemeal(request: Received, writer: asyncio.StreamWriter) -> None:
    """Answer in small pieces, so that a call waits in every state there is."""
    data = answer(200, json.dumps({"_id": request.id, "padding": "x" * 64, "etag": '"1"'}).encode())
    for start in range(0, len(data), 16):
        writer.write(data[start : start + 16])
        await writer.drain()
        await asyncio.sleep(0)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled_at(docs: AsyncCollection[Document], step: int, *, is_write: bool) -> bool:
    """Cancel a call after so many turns of the loop; return False when it has ended before."""
    call = docs.put("victim", {}) if is_write else docs.get("victim")
    victim: asyncio.Future[object] = asyncio.ensure_future(call)
    await turns(step)
    if victim.done():
        await victim
        return False
    victim.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await victim
    return True


async def check_next_answers(docs: AsyncCollection[Document], step: int) -> None:
    found = await asyncio.gather(*[docs.get(f"{step}-{n}") for n in range(3)])
    assert [document and document["_id"] for document in found] == [f"{step}-{n}" for n in range(3)]


@pytest.mark.parametrize("is_write", [False, True])
async def test_after_a_cancellation_at_any_await_the_next_answers_match_their_requests(is_write: bool) -> None:
    server = ScriptedServer(piecemeal)
    step = 0
    async with running(server) as urls, AsyncClient(urls, ClientOptions(connections_max=1)) as client:
        docs = client.database("d").collection("c")
        await docs.get("warm")
        while await cancelled_at(docs, step, is_write=is_write):
            await check_next_answers(docs, step)
            step += 1
    assert step > 10, "it ended before it could be cancelled anywhere interesting"


async def test_a_first_call_may_be_cancelled_anywhere_too() -> None:
    server = ScriptedServer(piecemeal)
    step, goes_on = 0, True
    async with running(server) as urls:
        while goes_on:
            async with AsyncClient(urls, ClientOptions(connections_max=1)) as client:
                docs = client.database("d").collection("c")
                goes_on = await cancelled_at(docs, step, is_write=False)
                await check_next_answers(docs, step)
            step += 1
    assert step > 10, "it ended before it could be cancelled anywhere interesting"


async def test_a_cancelled_wait_for_a_connection_passes_its_turn_on() -> None:
    release = asyncio.Event()

    async def hold(request: Received, writer: asyncio.StreamWriter) -> None:
        if request.id == "first":
            await release.wait()
        await piecemeal(request, writer)

    server = ScriptedServer(hold)
    async with running(server) as urls, AsyncClient(urls, ClientOptions(connections_max=1)) as client:
        docs = client.database("d").collection("c")
        first = asyncio.ensure_future(docs.get("first"))
        await server.asked.wait()
        waiting = [asyncio.ensure_future(docs.get(f"w{n}")) for n in range(3)]
        await turns(5)
        waiting[0].cancel()
        release.set()
        assert (await first or {})["_id"] == "first"
        assert [(await task or {})["_id"] for task in waiting[1:]] == ["w1", "w2"]


async def test_closing_the_client_ends_calls_and_connections() -> None:
    server = ScriptedServer(piecemeal)
    async with running(server) as urls:
        client = AsyncClient(urls)
        docs = client.database("d").collection("c")
        await docs.get("a")
        await client.aclose()
        await client.aclose()
        with pytest.raises(errors.InvalidUse, match="closed"):
            await docs.get("a")
