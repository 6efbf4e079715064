"""How a program may use the client, and what it is told when it may not."""

from __future__ import annotations

import asyncio
import copy
import datetime
import decimal
import math
from typing import Any, TypedDict, assert_type

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raftdoc
from raftdoc.client import errors
from raftdoc.client.blocking import Client, Collection, Cursor
from raftdoc.client.client import AsyncClient
from raftdoc.client.collection import AsyncCollection
from raftdoc.client.cursor import AsyncCursor
from raftdoc.client.options import CallOptions, ClientOptions
from raftdoc.client.values import OperationResult, Versioned, WriteResult, encode, encode_document
from raftdoc.errors import CATALOGUE
from tests.client.scripted import ScriptedServer, echo, running


def test_public_names_are_found_when_they_are_used() -> None:
    assert raftdoc.AsyncClient is AsyncClient
    assert raftdoc.Client is Client
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = raftdoc.Klient  # type: ignore[attr-defined]


@pytest.mark.parametrize("urls", ["http://127.0.0.1:8101", [], ["127.0.0.1:8101"], ["http://host"], ["ftp://h:1"]])
def test_what_is_no_list_of_addresses_is_refused_at_once(urls: list[str]) -> None:
    with pytest.raises(errors.InvalidUse):
        AsyncClient(urls)


def test_the_constructor_needs_no_event_loop_and_does_no_io() -> None:
    AsyncClient(["http://192.0.2.1:9"])
    Client(["http://192.0.2.1:9"])


def test_another_event_loop_is_a_clear_error() -> None:
    client = AsyncClient(["http://127.0.0.1:9"], call_options=CallOptions(timeout_s=0.2))

    async def use() -> None:
        await client.database("d").collection("c").get("a")

    with pytest.raises(errors.Unreachable):
        asyncio.run(use())
    with pytest.raises(errors.InvalidUse, match="another event loop"):
        asyncio.run(use())
    client._is_closed = True  # its loop is gone: there is nothing left to close


async def test_a_client_that_is_forgotten_warns() -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls:
        clients = [AsyncClient(urls)]
        await clients[0].database("d").collection("c").get("a")
        topology = clients[0]._topology
        with pytest.warns(ResourceWarning, match="never closed"):
            clients.clear()
        assert topology is not None
        await topology.close()


@pytest.mark.parametrize("options", [{"timeout_s": 0}, {"timeout_s": 601}, {"consistency": "eventual"}])
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidUse):
        CallOptions(**options)  # type: ignore[arg-type]


def test_a_bound_on_staleness_needs_a_stale_read() -> None:
    with pytest.raises(errors.InvalidUse, match="stale"):
        CallOptions(max_staleness_ms=5)
    with pytest.raises(errors.InvalidUse, match="balance"):
        ClientOptions(balance="best")  # type: ignore[arg-type]


# Values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, {"a": {1}}, object(), 2**64, "\ud800", b"".join])
def test_what_json_has_not_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(errors.InvalidUse):
        encode({"a": [value]})


def test_null_is_no_fault() -> None:
    assert encode({"a": None, "b": [None, 1.5]}) == b'{"a":null,"b":[null,1.5]}'


def test_values_with_a_tag_of_their_own_are_sent_as_that() -> None:
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.UTC)
    assert encode(when) == b'{"$date":"2026-01-02T03:04:05.678Z"}'
    assert encode(b"\x01") == b'{"$binary":{"base64":"AQ==","subType":"00"}}'
    assert encode(decimal.Decimal("1.10")) == b'{"$numberDecimal":"1.10"}'
    with pytest.raises(errors.InvalidUse, match="time zone"):
        encode(datetime.datetime(2026, 1, 2))  # the fault that is meant


@pytest.mark.parametrize("document", [[], "a", None, 3])
def test_a_document_is_a_mapping(document: object) -> None:
    with pytest.raises(errors.InvalidUse, match="a document is a dict"):
        encode_document(document)


async def test_ids_that_cannot_be_a_path_are_refused() -> None:
    docs = AsyncClient(["http://127.0.0.1:9"]).database("d").collection("c")
    for id in ("", ".", ".."):
        with pytest.raises(errors.InvalidUse):
            await docs.get(id)


@given(st.one_of(st.text(min_size=1).filter(lambda text: text not in (".", "..")), st.integers(), st.booleans()))
def test_an_id_is_one_segment_of_the_path(id: str | int) -> None:
    docs = AsyncClient(["http://127.0.0.1:9"]).database("d").collection("c")
    if isinstance(id, int) and not -(2**63) <= id < 2**63:
        return
    try:
        path = docs._document_path(id)
    except UnicodeEncodeError:
        assert isinstance(id, str)
        return
    segment = path.removeprefix("/v1/dbs/d/collections/c/docs/").removesuffix("?id_type=json")
    assert segment.isascii()
    assert not set(segment) & set("/?# ")


class Order(TypedDict):
    _id: str
    qty: int


async def test_documents_have_the_type_that_their_collection_was_asked_for() -> None:
    """mypy judges this test: what it runs is the least of it."""
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls) as client:
        orders = client.database("d").collection("orders", Order)
        assert_type(await orders.get("a"), Order | None)
        assert_type(await orders.get_versioned("a"), Versioned[Order] | None)
        assert_type(await orders.put("a", {"_id": "a", "qty": 1}), WriteResult)
        assert_type(orders.find(), AsyncCursor[Order])
        assert_type(client.database("d")["c"], AsyncCollection[dict[str, Any]])
    blocking_orders = Client(["http://127.0.0.1:9"]).database("d").collection("orders", Order)
    assert_type(blocking_orders, Collection[Order])
    assert_type(blocking_orders.find(), Cursor[Order])


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_of_the_server_becomes_an_exception_that_can_be_pickled(code: str) -> None:
    problem = {"code": code, "detail": "why", "retryable": True, "outcome": "not_applied", "node": "n1"}
    error = errors.error_of_problem(409, problem, retry_after_s=2.0)
    error.idempotency_key = "as it was sent"
    # By the protocol that pickle uses as well.
    again = copy.deepcopy(error)
    assert type(again) is type(error)
    assert {**vars(again)} == {**vars(error)}
    assert (again.code, again.outcome, again.problem) == (code, "not_applied", problem)


def test_what_a_bulk_says_of_each_operation_is_pickled_with_it() -> None:
    results = (OperationResult(201, "a", '"1"'), OperationResult(409, "b", error={"code": "duplicate_key"}))
    again = copy.deepcopy(errors.BulkWriteError("1 of 2", results=results))
    assert again.results == results
    assert again.write_errors == [(1, {"code": "duplicate_key"})]


def test_every_class_of_the_tree_is_drawn_in_it() -> None:
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]
    assert errors.__doc__ is not None
    assert [cls.__name__ for cls in classes if cls.__name__ not in errors.__doc__] == []


# The blocking surface -----------------------------------------------------------------------------


async def test_the_blocking_client_is_the_asynchronous_one() -> None:
    server = ScriptedServer(echo)

    def use(urls: list[str]) -> tuple[object, object]:
        with Client(urls) as client:
            docs = client.database("d").collection("c")
            return docs.get("a"), docs.put("b", {"x": 1}).id

    async with running(server) as urls:
        assert await asyncio.to_thread(use, urls) == ({"_id": "a"}, "b")


def test_nothing_of_the_asynchronous_surface_is_missing_from_the_blocking_one() -> None:
    from raftdoc.client import blocking, collection, cursor, database

    pairs = [
        (AsyncClient, blocking.Client, {"aclose", "call", "stream"}),
        (database.AsyncDatabase, blocking.Database, set()),
        (collection.AsyncCollection, blocking.Collection, set()),
        (cursor.AsyncCursor, blocking.Cursor, set()),
    ]
    for asynchronous, blocked, apart in pairs:
        names = {name for name in vars(asynchronous) if not name.startswith("_")} - apart
        assert names - set(dir(blocked)) == set(), blocked
