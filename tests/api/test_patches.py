"""PATCH: three media types, their refusals, conditions and keys."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from raftdoc.api.operation import JSON_PATCH, MERGE_PATCH, PATCH_MEDIA, UPDATE

from .conftest import JSON, Api
from .wire import Answer

DOC = "/v1/dbs/shop/collections/orders/docs/42"


async def patch(shop: Api, media: str, body: Any, **headers: str) -> Answer:
    return await shop("PATCH", DOC, orjson.dumps(body), Content_Type=media, **headers)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (MERGE_PATCH, {"qty": 4, "old": None}),
        (JSON_PATCH, [{"op": "replace", "path": "/qty", "value": 4}, {"op": "remove", "path": "/old"}]),
        (UPDATE, {"$inc": {"qty": 1}, "$unset": {"old": ""}}),
        (UPDATE, {"$inc": {"qty": 1}, "$unset": {"old": ""}, "$pull": {"none": {"$regex": "^a"}}}),
    ],
)
async def test_patch_changes_the_document_by_its_media_type(shop: Api, media: str, body: Any) -> None:
    await shop("PUT", DOC, {"qty": 3, "old": 1})
    answer = await patch(shop, media, body)
    assert (answer.status, answer.json()) == (200, {"_id": "42", "etag": answer["ETag"]})
    read = await shop("GET", DOC)
    assert (read.json(), read["ETag"]) == ({"_id": "42", "qty": 4}, answer["ETag"])


async def test_other_media_types_are_refused_with_those_there_are(shop: Api) -> None:
    await shop("PUT", DOC, {})
    answer = await patch(shop, JSON, {})
    assert (answer.status, answer["Accept-Patch"]) == (415, ", ".join(PATCH_MEDIA))


@pytest.mark.parametrize(
    ("media", "body", "status", "code", "pointer"),
    [
        (MERGE_PATCH, [1], 400, "invalid_patch", ""),
        (JSON_PATCH, [{"op": "nope", "path": ""}], 400, "invalid_patch", "/0/op"),
        (JSON_PATCH, [{"op": "test", "path": "/qty", "value": 9}], 409, "patch_conflict", "/0"),
        (UPDATE, {"$nope": {}}, 400, "invalid_query", "/$nope"),
        (UPDATE, {"$push": {"qty": 1}}, 422, "update_refused", "/$push/qty"),
        (UPDATE, {"$set": {"_id": 1}}, 422, "update_refused", ""),
    ],
)
async def test_refusals_name_their_place_in_the_body(
    shop: Api, media: str, body: Any, status: int, code: str, pointer: str
) -> None:
    await shop("PUT", DOC, {"qty": 3})
    answer = await patch(shop, media, body)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await shop("GET", DOC)).json()["qty"] == 3


async def test_patch_of_what_is_not_there_is_a_404(shop: Api) -> None:
    assert (await patch(shop, MERGE_PATCH, {})).code == "document_not_found"
    assert (await patch(shop, UPDATE, [{"$set": {"a": 1}}])).status in (400, 404)


async def test_if_match_guards_a_patch(shop: Api) -> None:
    tag = (await shop("PUT", DOC, {"qty": 3}))["ETag"]
    assert (await patch(shop, UPDATE, {"$inc": {"qty": 1}}, If_Match=tag)).status == 200
    assert (await patch(shop, UPDATE, {"$inc": {"qty": 1}}, If_Match=tag)).status == 412


async def test_patch_under_one_key_is_done_once(shop: Api) -> None:
    await shop("PUT", DOC, {"qty": 3})
    first = await patch(shop, UPDATE, {"$inc": {"qty": 1}}, Idempotency_Key="k")
    again = await patch(shop, UPDATE, {"$inc": {"qty": 1}}, Idempotency_Key="k")
    assert (again.status, again["ETag"], again["Idempotency-Replayed"]) == (200, first["ETag"], "true")
    assert (await patch(shop, UPDATE, {"$inc": {"qty": 2}}, Idempotency_Key="k")).code == "key_reused"
