"""Paths, methods, queries: what is found, what is refused, and how."""

from __future__ import annotations

import pytest

from raftdoc.api.operations import OPERATIONS

from .conftest import Api

DOCS = "/v1/dbs/shop/collections/orders/docs"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v2/dbs",
        "/v1/dbs/",
        "//v1/dbs",
        "/v1//dbs",
        "/v1/dbs//collections",
        f"{DOCS}/",
        f"{DOCS}//",
        f"{DOCS}/1/",
        f"{DOCS}//1",
        f"{DOCS}/1/2",
        f"{DOCS}/%2e/..",
        "/v1/dbs/shop/collections/orders/docs/../../orders",
        "/livez/",
        "/V1/dbs",
        "/v1/dbs/shop/requests",
        "/v1/dbs/shop/collections/orders/search",
        "/v1/dbs/shop/collections/orders/indices",
        "/v1/dbs/shop/txn",
        "/ui/",
    ],
)
async def test_a_path_without_a_resource_is_404_and_never_normalised(shop: Api, path: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
        answer = await shop(method, path)
        assert (answer.status, answer.code) == (404, "path_not_found")


async def test_a_segment_is_decoded_before_it_is_looked_up(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/ab", {})
    assert (await shop("GET", "/v1/%64bs/sh%6fp/collections/orders/docs/%61b")).status == 200
    assert (await shop("GET", "/v1%2Fdbs")).code == "path_not_found"


async def test_a_percent_sign_is_undone_once(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/%2561", {})
    assert (await shop("GET", DOCS)).json()["documents"] == [{"_id": "%61"}]


@pytest.mark.parametrize("path", ["/v1/%zz", "/%", "/v1/dbs/%ff", "/v1/dbs/shop/collections/%c3/docs"])
async def test_a_path_that_does_not_decode_is_400(api: Api, path: str) -> None:
    assert (await api("GET", path)).code == "invalid_request"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", f"{DOCS}/1", "DELETE, GET, HEAD, PATCH, PUT, OPTIONS"),
        ("DELETE", DOCS, "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/v1/dbs/shop/collections/orders", "DELETE, GET, HEAD, PUT, OPTIONS"),
        ("POST", "/v1/dbs", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/cluster/transfer-leader", "POST, OPTIONS"),
        ("TRACE", "/livez", "GET, HEAD, OPTIONS"),
        ("PROPFIND", "/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_405_with_those_that_are(shop: Api, method: str, path: str, allowed: str) -> None:
    answer = await shop(method, path)
    assert (answer.status, answer.code, answer["Allow"]) == (405, "method_not_allowed", allowed)


async def test_options_names_the_methods(shop: Api) -> None:
    answer = await shop("OPTIONS", f"{DOCS}/1")
    assert (answer.status, answer["Allow"], answer.body) == (204, "DELETE, GET, HEAD, PATCH, PUT, OPTIONS", b"")
    everything = await shop("OPTIONS", "*")
    assert (everything.status, everything["Allow"]) == (204, "DELETE, GET, HEAD, PATCH, POST, PUT, OPTIONS")


async def test_every_get_has_its_head(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", {}, Idempotency_Key="k1")
    await shop("POST", "/v1/dbs/shop/collections/orders/indexes", {"fields": {"a": 1}})
    values = {"{db}": "shop", "{collection}": "orders", "{id}": "1", "{key}": "k1", "{index}": "a_1"}
    values |= {"{node}": "n1", "{operation}": "join-n1"}
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.id != "get_catalog_request":
            path = operation.path
            for name, value in values.items():
                path = path.replace(name, value)
            get, head = await shop("GET", path), await shop("HEAD", path)
            assert (get.status, head.status, head.body) == (200, 200, b""), path
            # How long the answer took is part of these.
            if operation.id not in ("metrics", "list_documents"):
                assert head["Content-Length"] == get["Content-Length"]


async def test_an_unknown_query_parameter_is_400_with_its_name(shop: Api) -> None:
    for target in (
        f"{DOCS}?where=1",
        f"{DOCS}/1?limit=1",
        "/v1/dbs?limit=1",
        "/livez?x",
        f"{DOCS}?=1",
        f"{DOCS}?a&limit=1",
    ):
        answer = await shop("GET", target)
        assert (answer.status, answer.code) == (400, "unknown_option")
    assert "'where'" in (await shop("GET", f"{DOCS}?where=1")).json()["detail"]
    assert (await shop("PUT", f"{DOCS}/1?upsert=true", {})).code == "unknown_option"
    assert (await shop("POST", f"{DOCS}?limit=1", {})).code == "unknown_option"


async def test_a_query_parameter_stands_once_and_decodes(shop: Api) -> None:
    assert (await shop("GET", f"{DOCS}?limit=1&limit=1")).code == "invalid_request"
    assert (await shop("GET", f"{DOCS}?limit=%zz")).code == "invalid_request"
    assert (await shop("GET", f"{DOCS}?%6cimit=%31")).status == 200
    assert (await shop("GET", f"{DOCS}?")).status == 200


async def test_what_is_refused_was_not_applied(shop: Api) -> None:
    for answer in (
        await shop("GET", "/nowhere"),
        await shop("PATCH", DOCS),
        await shop("PUT", f"{DOCS}/1?x=1", {}),
        await shop("PUT", f"{DOCS}/1", b"{", Content_Type="application/json"),
    ):
        assert (answer.json()["outcome"], answer.json()["retryable"]) == ("not_applied", False)
        assert answer.json()["request_id"] == answer["X-Request-Id"]
        assert answer.json()["node"] == answer["Raftdoc-Node"] == "n1"
    assert (await shop("GET", DOCS)).json()["documents"] == []
