"""Indexes over HTTP."""

from __future__ import annotations

import pytest

from raftdoc.errors import DuplicateKey, NotIndexable

from .conftest import Api

C = "/v1/dbs/shop/collections/orders"
INDEXES = f"{C}/indexes"


async def test_index_is_created_listed_shown_and_deleted(shop: Api) -> None:
    body = {"fields": {"customer": 1, "created": -1}, "unique": True, "partial": {"state": "open"}}
    created = await shop("POST", INDEXES, body)
    assert (created.status, created["Location"]) == (201, f"{INDEXES}/customer_1_created_-1")
    shown = created.json()
    assert list(shown["fields"].items()) == [("customer", 1), ("created", -1)]
    assert (shown["unique"], shown["sparse"], shown["partial"]) == (True, False, {"state": "open"})
    assert (shown["state"], shown["failure"], shown["multikey"]) == ("ready", None, [])
    assert (await shop("POST", INDEXES, body)).status == 200
    listed = (await shop("GET", INDEXES)).json()["indexes"]
    assert [one["name"] for one in listed] == ["customer_1_created_-1"]
    assert (await shop("GET", created["Location"])).json()["operation"] == shown["operation"]
    assert (await shop("DELETE", created["Location"])).status == 204
    assert (await shop("DELETE", created["Location"])).code == "index_not_found"
    assert (await shop("GET", created["Location"])).code == "index_not_found"


async def test_other_index_of_the_same_name_is_a_conflict(shop: Api) -> None:
    await shop("POST", INDEXES, {"name": "i", "fields": {"a": 1}})
    answer = await shop("POST", INDEXES, {"name": "i", "fields": {"a": -1}})
    assert (answer.status, answer.code) == (409, "conflict")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "invalid_query", "/fields"),
        ({"fields": {"a": "text"}}, "invalid_query", "/fields/a"),
        ({"fields": {"a..b": 1}}, "invalid_query", "/fields/a..b"),
        ({"fields": {"a": 1}, "background": True}, "unknown_option", "/background"),
        ({"fields": {"a": 1}, "partial": {"a": {"$where": "x"}}}, "invalid_query", "/partial/a/$where"),
        ({"fields": {"a": 1}, "name": "a/b"}, "invalid_query", "/name"),
    ],
)
async def test_definition_that_cannot_be_is_refused_with_its_place(shop: Api, body, code, pointer) -> None:
    answer = await shop("POST", INDEXES, body)
    assert (answer.status, answer.code, answer.json()["errors"][0]["pointer"]) == (400, code, pointer)
    if code == "invalid_query":
        assert answer.json()["mongo_code"] > 0


async def test_idempotency_key_gives_the_same_answer_again(shop: Api) -> None:
    body = {"fields": {"a": 1}}
    first = await shop("POST", INDEXES, body, Idempotency_Key="k1")
    second = await shop("POST", INDEXES, body, Idempotency_Key="k1")
    assert (first.status, second.status, second["Idempotency-Replayed"]) == (201, 201, "true")


async def test_indexes_of_a_missing_collection_are_a_404(shop: Api) -> None:
    assert (await shop("GET", "/v1/dbs/shop/collections/nothing/indexes")).code == "collection_not_found"
    assert (await shop("GET", "/v1/dbs/nope/collections/c/indexes")).code == "database_not_found"


async def test_refusal_of_an_index_names_it_and_the_key(shop: Api, backend) -> None:
    backend.failures.append(DuplicateKey("it is taken", index="i", key='{"a":1}'))
    answer = await shop("PUT", f"{C}/docs/1", {"a": 1})
    assert (answer.status, answer.code) == (409, "duplicate_key")
    problem = answer.json()
    assert (problem["index"], problem["key"], problem["mongo_code"]) == ("i", '{"a":1}', 11000)
    backend.failures.append(NotIndexable("parallel arrays", index="i", mongo_code=171))
    answer = await shop("PUT", f"{C}/docs/1", {"a": 1})
    assert (answer.status, answer.code, answer.json()["index"]) == (422, "not_indexable", "i")
