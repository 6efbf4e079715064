"""update, delete, find-and-modify and bulk: their members, their answers, what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import pytest_asyncio

from .conftest import Api
from .wire import Answer

COLLECTION = "/v1/dbs/shop/collections/orders"
NDJSON = "application/x-ndjson"


@pytest_asyncio.fixture
async def orders(shop: Api) -> Api:
    for number in range(3):
        await shop("PUT", f"{COLLECTION}/docs/{number}", {"qty": number, "tags": ["new"]})
    return shop


async def quantities(orders: Api) -> dict[str, Any]:
    documents = (await orders("GET", f"{COLLECTION}/docs")).json()["documents"]
    return {document["_id"]: document.get("qty") for document in documents}


async def test_update_changes_the_first_or_all(orders: Api) -> None:
    one = await orders("POST", f"{COLLECTION}/update", {"filter": {"qty": {"$gt": 0}}, "update": {"$inc": {"qty": 10}}})
    assert one.json() == {"matched": 1, "modified": 1, "upserted_id": None}
    body = {"filter": {"qty": {"$gt": 0}}, "update": {"$inc": {"qty": 100}}, "multi": True}
    assert (await orders("POST", f"{COLLECTION}/update", body)).json()["modified"] == 2
    assert await quantities(orders) == {"0": 0, "1": 111, "2": 102}


async def test_upsert_says_what_it_made(orders: Api) -> None:
    body = {"filter": {"name": "ink"}, "update": {"$set": {"qty": 1}}, "upsert": True}
    answer = await orders("POST", f"{COLLECTION}/update", body)
    id_ = answer.json()["upserted_id"]
    assert (await orders("GET", f"{COLLECTION}/docs/{id_}")).json() == {"_id": id_, "name": "ink", "qty": 1}


async def test_delete_says_how_many_are_gone(orders: Api) -> None:
    answer = await orders("POST", f"{COLLECTION}/delete", {"filter": {"qty": {"$lt": 2}}, "multi": True})
    assert (answer.status, answer.json()) == (200, {"deleted": 2})


async def test_find_and_modify_shows_the_document(orders: Api) -> None:
    body = {
        "filter": {},
        "sort": {"qty": -1},
        "update": {"$set": {"taken": True}},
        "return": "after",
        "projection": {"taken": 1},
    }
    answer = (await orders("POST", f"{COLLECTION}/find-and-modify", body)).json()
    assert answer["document"] == {"_id": "2", "taken": True}
    assert answer["etag"] == (await orders("GET", f"{COLLECTION}/docs/2"))["ETag"]
    gone = await orders("POST", f"{COLLECTION}/find-and-modify", {"filter": {"_id": "2"}, "delete": True})
    assert gone.json()["document"]["qty"] == 2
    none = await orders("POST", f"{COLLECTION}/find-and-modify", {"filter": {"_id": "2"}, "delete": True})
    assert none.json()["document"] is None


@pytest.mark.parametrize(
    ("path", "query", "body", "code", "pointer"),
    [
        ("update", "", {"update": {}}, "invalid_request", "/filter"),
        ("update", "", {"filter": {}}, "invalid_request", "/update"),
        ("update", "", {"filter": {}, "update": {}, "nope/": 1}, "unknown_option", "/nope~1"),
        ("update", "", {"filter": {}, "update": {}, "multi": 1}, "invalid_request", "/multi"),
        ("update", "", {"filter": {}, "update": {"a": 1}, "multi": True}, "invalid_query", "/update"),
        ("update", "", {"filter": {"$nope": 1}, "update": {}}, "invalid_query", "/filter/$nope"),
        ("update", "", {"filter": {}, "update": {}, "multi": True, "sort": {"a": 1}}, "invalid_request", "/sort"),
        ("update", "?atomic=true", {"filter": {}, "update": {}}, "invalid_request", "/multi"),
        ("delete", "", {"filter": {}, "update": {}}, "unknown_option", "/update"),
        ("find-and-modify", "", {"filter": {}, "update": {}, "return": "both"}, "invalid_request", "/return"),
        ("find-and-modify", "", {"filter": {}, "delete": True, "update": {}}, "invalid_request", "/update"),
    ],
)
async def test_bodies_that_mean_nothing_are_refused_with_their_place(
    orders: Api, path: str, query: str, body: Any, code: str, pointer: str
) -> None:
    answer = await orders("POST", f"{COLLECTION}/{path}{query}", orjson.dumps(body), Content_Type="application/json")
    assert (answer.status, answer.code) == (400, code)
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_update_under_one_key_is_done_once(orders: Api) -> None:
    body = {"filter": {}, "update": {"$inc": {"qty": 1}}, "multi": True}
    first = await orders("POST", f"{COLLECTION}/update", body, Idempotency_Key="k")
    again = await orders("POST", f"{COLLECTION}/update", body, Idempotency_Key="k")
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    assert await quantities(orders) == {"0": 1, "1": 2, "2": 3}


async def bulk(orders: Api, *lines: Any, query: str = "", **headers: str) -> Answer:
    body = b"\n".join(orjson.dumps(line) for line in lines)
    return await orders("POST", f"{COLLECTION}/bulk{query}", body, Content_Type=NDJSON, **headers)


def results(answer: Answer) -> list[Any]:
    return [orjson.loads(line) for line in answer.body.splitlines()]


async def test_bulk_answers_one_line_for_each(orders: Api) -> None:
    answer = await bulk(
        orders,
        {"insert": {"_id": 7, "qty": 7}},
        {"replace": {"_id": "0", "document": {"qty": 5}}},
        {"update": {"_id": "1", "update": {"$inc": {"qty": 1}}, "filter": {"qty": 1}}},
        {"update": {"_id": "9", "update": {"$inc": {"qty": 1}}, "upsert": True}},
        {"delete": {"_id": "2"}},
    )
    assert answer.status == 200
    assert [(line["_id"], line["status"]) for line in results(answer)] == [
        (7, 201),
        ("0", 200),
        ("1", 200),
        ("9", 201),
        ("2", 200),
    ]
    assert await quantities(orders) == {7: 7, "0": 5, "1": 2, "9": 1}


@pytest.mark.parametrize(("query", "statuses"), [("", [200, 404]), ("?ordered=false", [200, 404, 200])])
async def test_ordered_bulk_ends_with_the_first_that_failed(orders: Api, query: str, statuses: list[int]) -> None:
    lines = [{"delete": {"_id": "0"}}, {"delete": {"_id": "0"}}, {"delete": {"_id": "1"}}]
    answer = await bulk(orders, *lines, query=query)
    assert answer.status == 207
    assert [line["status"] for line in results(answer)] == statuses
    assert results(answer)[1]["error"]["code"] == "document_not_found"


async def test_bulk_line_that_is_refused_says_why(orders: Api) -> None:
    answer = await bulk(orders, {"update": {"_id": "0", "update": {"$inc": {"tags": 1}}}})
    error = results(answer)[0]["error"]
    assert (error["code"], error["status"], error["mongo_code"]) == ("update_refused", 422, 14)


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ([], ""),
        ({"nope": {}}, ""),
        ({"insert": {"$x": 1}}, "/insert/$x"),
        ({"delete": {}}, "/delete/_id"),
        ({"delete": {"_id": [1]}}, "/delete/_id"),
        ({"update": {"_id": 1, "update": {"$nope": {}}}}, "/update/update/$nope"),
        ({"update": {"_id": 1, "update": {"$set": {"a": 1}}, "filter": {"_id": 2}}}, "/update/filter"),
        ({"replace": {"_id": 1, "document": {"_id": 2}}}, "/replace/document/_id"),
        ({"replace": {"_id": 1, "document": {}, "if_match": 5}}, "/replace/if_match"),
    ],
)
async def test_bad_line_of_a_bulk_is_named_and_nothing_is_done(orders: Api, line: Any, pointer: str) -> None:
    body = orjson.dumps({"delete": {"_id": "0"}}) + b"\n" + orjson.dumps(line)
    answer = await orders("POST", f"{COLLECTION}/bulk", body, Content_Type=NDJSON)
    error = answer.json()["errors"][0]
    assert (answer.code, error["line"], error["pointer"]) == ("invalid_line", 2, pointer)
    assert "0" in await quantities(orders)


async def test_atomic_bulk_is_all_or_nothing(orders: Api) -> None:
    answer = await bulk(orders, {"insert": {"_id": 5}}, {"insert": {"_id": "0"}}, query="?atomic=true")
    assert (answer.status, answer.code) == (409, "duplicate_key")
