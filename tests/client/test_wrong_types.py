"""Values of the wrong type end in InvalidUse before anything is sent, never in an error from deep inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from raftdoc.client import errors
from raftdoc.client.client import AsyncClient
from raftdoc.client.operations import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from raftdoc.client.options import CallOptions, ClientOptions
from tests.client.scripted import ScriptedServer, echo, running

Use = Callable[[Any], Awaitable[object]]
"""What a program without a type checker may do to a collection."""

WRONG: dict[str, Use] = {
    "a set in a document": lambda docs: docs.put("a", {"x": {1}}),
    "a document that is a list": lambda docs: docs.put("a", [1]),
    "a document that is None": lambda docs: docs.insert_one(None),
    "a document with a number as a name": lambda docs: docs.insert_one({1: 2}),
    "one document for many": lambda docs: docs.insert_many({"a": 1}),
    "no documents": lambda docs: docs.insert_many([]),
    "a number for documents": lambda docs: docs.insert_many(7),
    "an id that is no scalar": lambda docs: docs.get({1}),
    "an id that is None": lambda docs: docs.get(None),
    "an id that is a list": lambda docs: docs.put(["a"], {}),
    "an id that UTF-8 has not": lambda docs: docs.get("\ud800"),
    "a revision that is a number": lambda docs: docs.put("a", {}, if_revision=3),
    "a revision with a line break": lambda docs: docs.delete("a", if_revision='"1"\r\nX: y'),
    "a key that is a number": lambda docs: docs.with_options(idempotency_key=7).put("a", {}),
    "a revision for what is created": lambda docs: docs.put("a", {}, if_revision="1", create_only=True),
    "a filter that is a string": lambda docs: docs.find("x").to_list(),
    "a filter that is a number": lambda docs: docs.find_one(3),
    "a filter of a count": lambda docs: docs.count_documents([("a", 1)]),
    "a filter of an update": lambda docs: docs.update_one("a", {"$set": {"x": 1}}),
    "a filter of a deletion": lambda docs: docs.delete_many("a"),
    "no filter of a deletion": lambda docs: docs.delete_many(None),
    "a filter of find_one_and_delete": lambda docs: docs.find_one_and_delete("a"),
    "a projection that is a string": lambda docs: docs.find_one({}, "name"),
    "a sort that is a number": lambda docs: docs.find({}, sort=1).to_list(),
    "a sort of triples": lambda docs: docs.find({}).sort([("a", 1, 2)]).to_list(),
    "a limit that is a string": lambda docs: docs.find({}, limit="5").to_list(),
    "a limit below zero": lambda docs: docs.find({}).limit(-1).to_list(),
    "a replacement with operators": lambda docs: docs.replace_one({}, {"$set": {}}),
    "a replacement that is a string": lambda docs: docs.find_one_and_replace({}, "x"),
    "a patch that is a string": lambda docs: docs.patch("a", "x"),
    "one stage for a pipeline": lambda docs: docs.aggregate({"$match": {}}),
    "one id for many": lambda docs: docs.get_many("abc"),
    "operations that are documents": lambda docs: docs.bulk_write([{"insert": {}}]),
    "one operation for many": lambda docs: docs.bulk_write(InsertOne({})),
    "an operation without a document": lambda docs: docs.bulk_write([InsertOne(None)]),  # type: ignore[arg-type]
    "an operation without an id": lambda docs: docs.bulk_write([UpdateOne({"a": 1}, {})]),
    "an operation with a filter": lambda docs: docs.bulk_write([DeleteOne({"_id": 1, "a": 1})]),
    "an operation whose filter is an id": lambda docs: docs.bulk_write([ReplaceOne("a", {})]),  # type: ignore[arg-type]
    "an option that there is not": lambda docs: docs.with_options(timeout=3).get("a"),
    "a timeout that is a string": lambda docs: docs.with_options(timeout_s="3").get("a"),
    "a timeout that is None": lambda docs: docs.with_options(timeout_s=None).get("a"),
    "a session that is none": lambda docs: docs.with_options(session="s").get("a"),
    "a staleness that is a string": lambda docs: docs.with_options(
        consistency="stale", max_staleness_ms="5\r\nX: y"
    ).get("a"),
}


@pytest.mark.parametrize("use", WRONG.values(), ids=WRONG)
async def test_wrong_types_are_refused_before_anything_is_sent(use: Use) -> None:
    server = ScriptedServer(echo)
    async with running(server) as urls, AsyncClient(urls) as client:
        with pytest.raises(errors.InvalidUse) as caught:
            await use(client.database("d").collection("c"))
    assert caught.value.outcome == "not_applied"
    assert server.received == []


@pytest.mark.parametrize("name", [None, 3, b"shop", "\udc00"])
async def test_names_are_text(name: Any) -> None:
    client = AsyncClient(["http://127.0.0.1:9"])
    for use in (client.create_database, client.drop_database, client.member):
        with pytest.raises(errors.InvalidUse, match="a name is a string"):
            await use(name)
    with pytest.raises(errors.InvalidUse, match="a name is a string"):
        client.database("d").collection(name)


@pytest.mark.parametrize("urls", [None, 7, [None], [7], [b"http://127.0.0.1:9"], "http://127.0.0.1:9"])
def test_addresses_are_a_list_of_text(urls: Any) -> None:
    with pytest.raises(errors.InvalidUse):
        AsyncClient(urls)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ClientOptions, "connections_max", "64"),
        (ClientOptions, "connections_max", 0),
        (ClientOptions, "connect_timeout_s", 0),
        (ClientOptions, "topology_interval_s", None),
        (ClientOptions, "retry_rate_max", -1),
        (ClientOptions, "balance", ["leader"]),
        (CallOptions, "timeout_s", float("nan")),
        (CallOptions, "timeout_s", True),
        (CallOptions, "consistency", None),
    ],
)
def test_options_of_the_wrong_type_are_refused(kind: Any, name: str, value: object) -> None:
    with pytest.raises(errors.InvalidUse, match=name):
        kind(**{name: value})
