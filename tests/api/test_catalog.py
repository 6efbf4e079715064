"""Databases and collections."""

from __future__ import annotations

import pytest

from .conftest import JSON, Api

SHOP = "/v1/dbs/shop"
ORDERS = f"{SHOP}/collections/orders"


async def test_a_database_is_created_once_with_the_same_options(api: Api) -> None:
    created = await api("PUT", SHOP, {"comment": "x"})
    assert (created.status, created["Location"]) == (201, SHOP)
    again = await api("PUT", SHOP, {"comment": "x"})
    assert (again.status, again.json()) == (200, created.json())
    other = await api("PUT", SHOP, {"comment": "y"})
    assert (other.status, other.code) == (409, "conflict")


async def test_an_empty_body_counts_as_no_options(api: Api) -> None:
    assert (await api("PUT", SHOP)).status == 201
    assert (await api("PUT", SHOP, b"")).status == 200
    assert (await api("PUT", SHOP, b"", Content_Type=JSON)).status == 200
    assert (await api("PUT", SHOP, {})).status == 200


async def test_options_are_an_object_of_known_members(api: Api) -> None:
    unknown = await api("PUT", SHOP, {"shards": 3})
    assert (unknown.status, unknown.code) == (400, "unknown_option")
    assert unknown.json()["errors"][0]["pointer"] == "/shards"
    assert (await api("PUT", SHOP, [])).code == "invalid_request"
    assert (await api("PUT", SHOP, b"{", Content_Type=JSON)).code == "malformed_json"
    assert (await api("PUT", SHOP, b"{}", Content_Type="text/plain")).code == "unsupported_media_type"
    assert (await api("PUT", SHOP, b"{}")).code == "unsupported_media_type"


async def test_databases_are_listed_shown_and_deleted(api: Api) -> None:
    assert (await api("GET", "/v1/dbs")).json() == {"databases": []}
    for name in ("b", "a"):
        await api("PUT", f"/v1/dbs/{name}", {})
    assert [database["name"] for database in (await api("GET", "/v1/dbs")).json()["databases"]] == ["a", "b"]
    assert (await api("GET", "/v1/dbs/a")).json()["name"] == "a"
    assert (await api("DELETE", "/v1/dbs/a")).status == 204
    assert (await api("DELETE", "/v1/dbs/a")).code == "database_not_found"
    assert (await api("GET", "/v1/dbs/a")).code == "database_not_found"


async def test_collections_are_created_listed_shown_and_deleted(shop: Api) -> None:
    created = await shop("PUT", f"{SHOP}/collections/items", {"comment": "x"})
    assert (created.status, created["Location"]) == (201, f"{SHOP}/collections/items")
    assert (await shop("PUT", f"{SHOP}/collections/items", {"comment": "x"})).status == 200
    assert (await shop("PUT", f"{SHOP}/collections/items", {})).status == 409
    await shop("PUT", f"{ORDERS}/docs/1", {"n": 1})
    listed = (await shop("GET", f"{SHOP}/collections")).json()["collections"]
    assert [(c["name"], c["document_count"]) for c in listed] == [("items", 0), ("orders", 1)]
    assert (await shop("GET", ORDERS)).json() == listed[1]
    assert listed[1]["document_bytes"] == len(b'{"_id":"1","n":1}')
    assert (await shop("DELETE", ORDERS)).status == 204
    assert (await shop("DELETE", ORDERS)).code == "collection_not_found"
    assert (await shop("GET", f"{ORDERS}/docs/1")).code == "collection_not_found"


async def test_a_deleted_collection_is_created_anew_by_a_write(shop: Api) -> None:
    await shop("PUT", f"{ORDERS}/docs/1", {})
    await shop("DELETE", ORDERS)
    assert (await shop("PUT", f"{ORDERS}/docs/2", {})).status == 201
    assert (await shop("GET", ORDERS)).json()["document_count"] == 1


async def test_collections_of_a_missing_database_are_404(api: Api) -> None:
    assert (await api("GET", f"{SHOP}/collections")).code == "database_not_found"
    assert (await api("PUT", ORDERS, {})).code == "database_not_found"
    assert (await api("GET", ORDERS)).code == "database_not_found"


@pytest.mark.parametrize("name", [".a", "-a", "a b", "ä", "a%2Fb", "a%00", "..", ".", "x" * 121, "a!"])
async def test_a_name_that_cannot_be_one_is_400(shop: Api, name: str) -> None:
    from urllib.parse import quote

    segment = quote(name, safe="%")
    for path in (f"/v1/dbs/{segment}", f"{SHOP}/collections/{segment}"):
        for method in ("GET", "PUT", "DELETE"):
            answer = await shop(method, path)
            assert (answer.status, answer.code) == (400, "invalid_name")
    assert (await shop("GET", f"{SHOP}/collections/{segment}/docs/1")).code == "invalid_name"
    assert (await shop("POST", f"{SHOP}/collections/{segment}/docs", {})).code == "invalid_name"


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "_x", "9", "x" * 120])
async def test_a_name_may_have_letters_digits_and_three_signs(api: Api, name: str) -> None:
    assert (await api("PUT", f"/v1/dbs/{name}", {})).json()["name"] == name
    assert (await api("PUT", f"/v1/dbs/{name}/collections/{name}", {})).status == 201
