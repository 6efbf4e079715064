"""Queries over HTTP: bodies, parameters, pages, streams, refusals, costs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from .conftest import Api
from .fake_backend import FakeBackend

C = "/v1/dbs/shop/collections/orders"
NDJSON = "application/x-ndjson"


async def fill(shop: Api, count: int = 25) -> None:
    lines = [b'{"_id":%d,"qty":%d,"tags":["t%d"]}\n' % (n, n % 5, n % 3) for n in range(count)]
    assert (await shop("POST", f"{C}/docs", b"".join(lines), Content_Type=NDJSON)).status == 200


async def ask(shop: Api, name: str, body: Any) -> Any:
    answer = await shop("POST", f"{C}/{name}", body)
    assert answer.status == 200, answer
    return answer.json()


async def test_query_filters_sorts_projects_and_counts_its_cost(shop: Api) -> None:
    await fill(shop)
    body = {"filter": {"qty": {"$gte": 3}}, "sort": {"_id": -1}, "projection": {"qty": 1}, "limit": 2, "skip": 1}
    page = await ask(shop, "query", body)
    assert page["documents"] == [{"_id": 23, "qty": 3}, {"_id": 19, "qty": 4}]
    assert page["stats"] | {"time_ms": 0} == {"docs_examined": 7, "keys_examined": 0, "index": None, "time_ms": 0}
    assert page["stats"]["time_ms"] >= 0


@pytest.mark.parametrize("sort", [None, {"_id": -1}, {"qty": 1}, {"qty": -1, "_id": 1}, {"tags": 1}])
async def test_pages_of_a_query_follow_without_gap_or_repeat(shop: Api, sort: Any) -> None:
    await fill(shop)
    body = {"filter": {"qty": {"$ne": 2}}, "limit": 4} | ({} if sort is None else {"sort": sort})
    whole = [d["_id"] for d in (await ask(shop, "query", body | {"limit": 100}))["documents"]]
    assert sorted(whole) == [n for n in range(25) if n % 5 != 2]
    ids: list[int] = []
    cursor = None
    while True:
        page = await ask(shop, "query", body | ({} if cursor is None else {"cursor": cursor}))
        ids += [document["_id"] for document in page["documents"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert ids == whole


async def test_cursor_of_another_query_is_refused(shop: Api) -> None:
    await fill(shop)
    cursor = (await ask(shop, "query", {"filter": {"qty": 1}, "limit": 1}))["cursor"]
    for body in ({"filter": {"qty": 2}}, {"filter": {"qty": 1}, "sort": {"qty": 1}}, {}):
        answer = await shop("POST", f"{C}/query", {**body, "cursor": cursor})
        assert (answer.status, answer.code) == (400, "invalid_cursor")
        assert answer.json()["errors"][0]["pointer"] == "/cursor"
    assert (await shop("POST", f"{C}/query", {"cursor": "x"})).code == "invalid_cursor"


async def test_list_takes_a_query_as_parameters(shop: Api) -> None:
    await fill(shop)
    filter = quote('{"qty":{"$gte":3}}')
    page = (await shop("GET", f"{C}/docs?filter={filter}&sort=-qty,_id&fields=qty&limit=3&skip=1")).json()
    assert page["documents"] == [{"_id": 9, "qty": 4}, {"_id": 14, "qty": 4}, {"_id": 19, "qty": 4}]
    fields = quote('{"tags":{"$slice":1},"_id":0,"qty":1}')
    page = (await shop("GET", f"{C}/docs?fields={fields}&limit=1")).json()
    assert page["documents"] == [{"qty": 0, "tags": ["t0"]}]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("filter=x", "malformed_json"),
        ("filter=[1]", "invalid_query"),
        ("skip=-1", "invalid_request"),
        ("sort=a.", "invalid_query"),
        ("sort=a,-a", "invalid_request"),
        ("sort=a,,b", "invalid_request"),
        ("sort=", "invalid_request"),
        ("fields=a,b,a", "invalid_request"),
        ("fields=", "invalid_request"),
    ],
)
async def test_parameter_that_is_wrong_is_a_400(shop: Api, query: str, code: str) -> None:
    await fill(shop, 1)
    answer = await shop("GET", f"{C}/docs?{query}")
    assert (answer.status, answer.code) == (400, code)


async def test_count_distinct_and_get_many(shop: Api) -> None:
    await fill(shop)
    assert (await ask(shop, "count", {"filter": {"qty": 1}}))["count"] == 5
    everything = await ask(shop, "count", {})
    assert (everything["count"], everything["stats"]["docs_examined"]) == (25, 0)
    assert (await ask(shop, "distinct", {"field": "tags", "filter": {"qty": 1}}))["values"] == ["t0", "t1", "t2"]
    found = await ask(shop, "get-many", {"ids": [3, "none", 1, 3], "projection": {"qty": 1}})
    assert [document["_id"] for document in found["documents"]] == [3, 1, 3]


async def test_aggregate_answers_what_comes_out_of_the_pipeline(shop: Api) -> None:
    await fill(shop)
    pipeline = [{"$match": {"qty": {"$lt": 2}}}, {"$group": {"_id": "$qty", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    answer = await ask(shop, "aggregate", {"pipeline": pipeline})
    assert answer["documents"] == [{"_id": 0, "n": 5}, {"_id": 1, "n": 5}]
    assert answer["cursor"] is None


async def test_streams_end_with_a_trailer(shop: Api, backend: FakeBackend) -> None:
    await fill(shop)
    backend.page_bytes_max = 100
    answer = await shop("POST", f"{C}/query", {"filter": {"qty": 1}, "limit": 4}, Accept=NDJSON)
    *documents, end = answer.lines()
    assert [document["_id"] for document in documents] == [1, 6, 11, 16]
    assert (end["$end"]["count"], end["$end"]["cursor"] is None) == (4, False)
    answer = await shop("POST", f"{C}/aggregate", {"pipeline": [{"$count": "n"}]}, Accept=NDJSON)
    *documents, end = answer.lines()
    assert documents == [{"n": 25}]
    assert end["$end"]["count"] == 1


async def test_explain_shows_the_plan_and_runs_it(shop: Api) -> None:
    await fill(shop)
    told = await ask(shop, "explain", {"filter": {"_id": {"$lt": 5}, "qty": 1}})
    assert (told["plan"]["access"], told["plan"]["index"], told["rejected"], told["returned"]) == ("ids", "_id_", [], 1)
    assert told["stats"]["docs_examined"] == 5
    told = await ask(shop, "explain", {"pipeline": [{"$match": {"qty": 1}}]})
    assert (told["plan"]["access"], told["returned"]) == ("scan", 5)


@pytest.mark.parametrize(
    ("name", "body", "code", "pointer"),
    [
        ("query", {"where": {}}, "unknown_option", "/where"),
        ("query", {"filter": {"a": {"$near": 1}}}, "invalid_query", "/filter/a/$near"),
        ("query", {"limit": 0}, "invalid_query", "/limit"),
        ("query", {"limit": 1.0}, "invalid_query", "/limit"),
        ("query", {"skip": -1}, "invalid_query", "/skip"),
        ("query", {"sort": {"a": 3}}, "invalid_query", "/sort/a"),
        ("query", {"projection": {"a": 1, "b": 0}}, "invalid_query", "/projection/b"),
        ("query", {"hint": "none"}, "invalid_query", "/hint"),
        ("query", {"cursor": 1}, "invalid_query", "/cursor"),
        ("query", {"require_index": 1}, "invalid_query", "/require_index"),
        ("query", {"filter": {"qty": 1}, "require_index": True}, "index_required", "/require_index"),
        ("query", {"filter": {"qty": 9}, "max_docs_examined": 10}, "query_over_budget", "/max_docs_examined"),
        ("query", {"max_time_ms": 0}, "invalid_query", "/max_time_ms"),
        ("count", {"sort": {}}, "unknown_option", "/sort"),
        ("distinct", {}, "invalid_query", "/field"),
        ("aggregate", {}, "invalid_query", "/pipeline"),
        ("aggregate", {"pipeline": [{"$where": 1}]}, "invalid_query", "/pipeline/0/$where"),
        ("explain", {"pipeline": [], "filter": {}}, "unknown_option", "/filter"),
        ("get-many", {}, "invalid_query", "/ids"),
        ("get-many", {"ids": ["a", None]}, "invalid_id", "/ids/1"),
    ],
)
async def test_body_that_is_wrong_is_a_400_with_a_pointer(
    shop: Api, name: str, body: Any, code: str, pointer: str
) -> None:
    await fill(shop)
    answer = await shop("POST", f"{C}/{name}", body)
    assert (answer.status, answer.code, answer.json()["errors"][0]["pointer"]) == (400, code, pointer)


async def test_missing_collection_is_404(shop: Api) -> None:
    for name, body in (("query", {}), ("count", {}), ("aggregate", {"pipeline": []}), ("get-many", {"ids": []})):
        answer = await shop("POST", f"/v1/dbs/shop/collections/none/{name}", body)
        assert (answer.status, answer.code) == (404, "collection_not_found")
