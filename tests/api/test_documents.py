"""One document: what GET, HEAD, PUT, DELETE and POST answer."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

import pytest

from .conftest import JSON, Api
from .fake_backend import FakeBackend

DOCS = "/v1/dbs/shop/collections/orders/docs"


async def test_put_creates_a_document_and_says_where_it_is(shop: Api) -> None:
    answer = await shop("PUT", f"{DOCS}/42", {"item": "ink"})
    assert answer.status == 201
    assert answer["Location"] == f"{DOCS}/42"
    assert answer.json() == {"_id": "42", "etag": answer["ETag"]}


async def test_put_replaces_a_document(shop: Api) -> None:
    first = await shop("PUT", f"{DOCS}/42", {"item": "ink"})
    second = await shop("PUT", f"{DOCS}/42", {"item": "pen"})
    assert second.status == 200
    assert "Location" not in second
    assert second["ETag"] != first["ETag"]
    assert (await shop("GET", f"{DOCS}/42")).body == b'{"_id":"42","item":"pen"}'


async def test_get_answers_the_stored_bytes_with_their_tag(shop: Api) -> None:
    put = await shop("PUT", f"{DOCS}/42", b' {"b" : 1, "a": [ 1.0, 1 ]} ', Content_Type=JSON)
    answer = await shop("GET", f"{DOCS}/42")
    assert answer.status == 200
    assert answer["Content-Type"] == JSON
    assert answer["ETag"] == put["ETag"]
    assert answer["Last-Modified"].endswith(" GMT")
    assert answer.body == b'{"_id":"42","b":1,"a":[1.0,1]}'


async def test_get_from_a_backend_that_has_to_wait_is_the_same(shop: Api, backend: FakeBackend) -> None:
    await shop("PUT", f"{DOCS}/42", {"item": "ink"})
    at_once = await shop("GET", f"{DOCS}/42")
    backend.is_slow = True
    later = await shop("GET", f"{DOCS}/42")
    assert (later.status, later.body, later["ETag"]) == (at_once.status, at_once.body, at_once["ETag"])
    assert (await shop("GET", f"{DOCS}/43")).code == "document_not_found"


async def test_head_is_get_without_its_body(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/42", {"item": "ink"})
    get, head = await shop("GET", f"{DOCS}/42"), await shop("HEAD", f"{DOCS}/42")
    changing = {"X-Request-Id", "Date"}
    assert head.status == 200
    assert [h for h in head.headers if h[0] not in changing] == [h for h in get.headers if h[0] not in changing]
    assert head.body == b""
    assert (await shop("HEAD", f"{DOCS}/43")).status == 404


async def test_what_is_missing_decides_the_code_of_a_404(shop: Api) -> None:
    assert (await shop("GET", f"{DOCS}/42")).code == "document_not_found"
    assert (await shop("GET", "/v1/dbs/shop/collections/none/docs/42")).code == "collection_not_found"
    assert (await shop("GET", "/v1/dbs/none/collections/orders/docs/42")).code == "database_not_found"
    assert (await shop("DELETE", f"{DOCS}/42")).code == "document_not_found"
    assert (await shop("PUT", "/v1/dbs/none/collections/orders/docs/42", {})).code == "database_not_found"


async def test_delete_answers_204_and_then_404(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/42", {"item": "ink"})
    assert (await shop("DELETE", f"{DOCS}/42")).status == 204
    assert (await shop("DELETE", f"{DOCS}/42")).status == 404
    assert (await shop("GET", f"{DOCS}/42")).status == 404


async def test_a_collection_is_created_by_its_first_write(shop: Api) -> None:
    assert (await shop("PUT", "/v1/dbs/shop/collections/new/docs/1", {})).status == 201
    assert (await shop("GET", "/v1/dbs/shop/collections/new")).json()["document_count"] == 1


# Ids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["a b", "a/b", "a+b", "ä", "100%", "..a", "?", "#", "\u2028", "x" * 512])
async def test_an_id_is_what_its_segment_decodes_to_once(shop: Api, id: str) -> None:
    path = f"{DOCS}/{quote(id, safe='+')}"
    assert (await shop("PUT", path, {})).json()["_id"] == id
    assert (await shop("GET", path)).json() == {"_id": id}


@pytest.mark.parametrize("segment", ["%", "%zz", "%f", "%ff", "%c3%28", "%ed%a0%80"])
async def test_an_id_that_does_not_decode_is_400(shop: Api, segment: str) -> None:
    assert (await shop("GET", f"{DOCS}/{segment}")).code == "invalid_request"


@pytest.mark.parametrize("segment", [".", "..", "%2e", "%2E%2e", "x" * 513])
async def test_an_id_that_cannot_be_one_is_400(shop: Api, segment: str) -> None:
    answer = await shop("PUT", f"{DOCS}/{segment}", {})
    assert (answer.status, answer.code) == (400, "invalid_id")


@pytest.mark.parametrize("text", ["7", "7.5", "true", "false", '"7"', '{"$oid":"65a1b2c3d4e5f60718293a4b"}'])
async def test_an_id_of_another_type_is_json_in_the_path(shop: Api, text: str) -> None:
    path = f"{DOCS}/{quote(text, safe='')}?id_type=json"
    created = await shop("PUT", path, {"n": 1})
    assert created.status == 201
    assert created["Location"] == path
    assert (await shop("GET", path)).body == b'{"_id":' + text.encode() + b',"n":1}'
    assert (await shop("DELETE", path)).status == 204


async def test_ids_of_equal_value_are_one_document_and_true_is_no_number(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1?id_type=json", {})
    assert (await shop("GET", f"{DOCS}/1.0?id_type=json")).status == 200
    assert (await shop("GET", f"{DOCS}/true?id_type=json")).status == 404
    assert (await shop("GET", f"{DOCS}/1")).status == 404


@pytest.mark.parametrize("text", ["null", "[]", "{}", "nope", "NaN", "1e999", '"."'])
async def test_json_that_is_no_id_is_400(shop: Api, text: str) -> None:
    answer = await shop("PUT", f"{DOCS}/{quote(text, safe='')}?id_type=json", {})
    assert answer.status == 400
    assert answer.code in ("invalid_id", "malformed_json")


async def test_id_type_is_one_of_two(shop: Api) -> None:
    assert (await shop("GET", f"{DOCS}/1?id_type=string")).code == "document_not_found"
    assert (await shop("GET", f"{DOCS}/1?id_type=number")).code == "invalid_request"


async def test_an_id_in_the_body_has_to_be_that_of_the_path(shop: Api) -> None:
    assert (await shop("PUT", f"{DOCS}/42", {"n": 1, "_id": "42"})).status == 201
    assert (await shop("GET", f"{DOCS}/42")).body == b'{"_id":"42","n":1}'
    answer = await shop("PUT", f"{DOCS}/42", {"_id": 42})
    assert (answer.status, answer.code) == (400, "invalid_id")
    assert answer.json()["errors"][0]["pointer"] == "/_id"
    assert (await shop("PUT", f"{DOCS}/1?id_type=json", {"_id": True})).code == "invalid_id"


# POST ---------------------------------------------------------------------------------------------


async def test_post_creates_a_document_with_its_own_id(shop: Api) -> None:
    answer = await shop("POST", DOCS, {"_id": "a/b", "n": 1})
    assert answer.status == 201
    assert answer["Location"] == f"{DOCS}/a%2Fb"
    assert answer.json() == {"_id": "a/b", "etag": answer["ETag"]}
    assert (await shop("GET", answer["Location"])).json() == {"_id": "a/b", "n": 1}


async def test_post_locates_an_id_of_another_type(shop: Api) -> None:
    answer = await shop("POST", DOCS, {"_id": {"$oid": "65a1b2c3d4e5f60718293a4b"}})
    assert answer["Location"].endswith("?id_type=json")
    assert (await shop("GET", answer["Location"])).status == 200


async def test_post_of_an_id_that_exists_is_409(shop: Api) -> None:
    await shop("POST", DOCS, {"_id": 1})
    answer = await shop("POST", DOCS, {"_id": 1.0})
    assert (answer.status, answer.code) == (409, "duplicate_key")


async def test_generated_ids_are_uuid7_in_rising_order(shop: Api) -> None:
    ids = [(await shop("POST", DOCS, {"n": n})).json()["_id"] for n in range(20)]
    assert ids == sorted(set(ids))
    assert {UUID(id).version for id in ids} == {7}
    listed = (await shop("GET", DOCS)).json()["documents"]
    assert [document["n"] for document in listed] == list(range(20))


# Conditions ---------------------------------------------------------------------------------------


async def test_if_match_replaces_only_that_revision(shop: Api) -> None:
    first = (await shop("PUT", f"{DOCS}/1", {"n": 1}))["ETag"]
    second = await shop("PUT", f"{DOCS}/1", {"n": 2}, If_Match=first)
    assert second.status == 200
    stale = await shop("PUT", f"{DOCS}/1", {"n": 3}, If_Match=first)
    assert (stale.status, stale.code, stale.json()["outcome"]) == (412, "precondition_failed", "not_applied")
    assert (await shop("DELETE", f"{DOCS}/1", If_Match=first)).status == 412
    assert (await shop("DELETE", f"{DOCS}/1", If_Match=second["ETag"])).status == 204


async def test_the_etag_of_a_body_can_be_sent_as_if_match(shop: Api) -> None:
    etag = (await shop("PUT", f"{DOCS}/1", {})).json()["etag"]
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Match=etag)).status == 200


async def test_if_none_match_star_creates_only(shop: Api) -> None:
    assert (await shop("PUT", f"{DOCS}/1", {}, If_None_Match="*")).status == 201
    assert (await shop("PUT", f"{DOCS}/1", {}, If_None_Match="*")).status == 412


@pytest.mark.parametrize("tag", ['W/"{}"', '"abc-not-ours"', '""', '"0{}"'])
async def test_a_tag_that_no_document_has_never_matches_a_write(shop: Api, tag: str) -> None:
    known = (await shop("PUT", f"{DOCS}/1", {}))["ETag"].strip('"')
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Match=tag.format(known))).status == 412
    assert (await shop("DELETE", f"{DOCS}/1", If_Match=tag.format(known))).status == 412
    assert (await shop("GET", f"{DOCS}/1", If_Match=tag.format(known))).status == 412


@pytest.mark.parametrize("tag", ["abc", '"abc', 'abc"', '"a" "b"', "", '"a",', "*,*", '"a"b', 'w/"a"'])
async def test_what_is_no_entity_tag_is_400(shop: Api, tag: str) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    for method, body in (("PUT", {}), ("DELETE", None), ("GET", None)):
        assert (await shop(method, f"{DOCS}/1", body, If_Match=tag)).code == "invalid_request"
    assert (await shop("GET", f"{DOCS}/1", If_None_Match=tag)).code == "invalid_request"
    assert (await shop("PUT", f"{DOCS}/1", {}, If_None_Match=tag)).code == "invalid_request"


async def test_a_write_takes_one_condition_of_one_tag(shop: Api) -> None:
    etag = (await shop("PUT", f"{DOCS}/1", {}))["ETag"]
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Match=f'{etag}, "b"')).status == 400
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Match="*")).status == 400
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Match=etag, If_None_Match="*")).status == 400
    assert (await shop("PUT", f"{DOCS}/1", {}, If_None_Match=etag)).status == 400


async def test_get_of_what_is_known_is_304(shop: Api) -> None:
    etag = (await shop("PUT", f"{DOCS}/1", {"n": 1}))["ETag"]
    for tags in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = await shop("GET", f"{DOCS}/1", If_None_Match=tags)
        assert (answer.status, answer["ETag"], answer.body) == (304, etag, b"")
        assert "Content-Length" not in answer
    assert (await shop("GET", f"{DOCS}/1", If_None_Match='"other"')).status == 200
    assert (await shop("HEAD", f"{DOCS}/1", If_None_Match=etag)).status == 304


async def test_get_with_if_match_answers_only_that_revision(shop: Api) -> None:
    etag = (await shop("PUT", f"{DOCS}/1", {}))["ETag"]
    assert (await shop("GET", f"{DOCS}/1", If_Match=f'"other", {etag}')).status == 200
    assert (await shop("GET", f"{DOCS}/1", If_Match="*")).status == 200
    assert (await shop("GET", f"{DOCS}/1", If_Match='"1"')).status == 412


async def test_conditions_by_date_guard_no_write(shop: Api) -> None:
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    await shop("PUT", f"{DOCS}/1", {})
    assert (await shop("PUT", f"{DOCS}/1", {}, If_Unmodified_Since=date)).code == "unknown_option"
    assert (await shop("GET", f"{DOCS}/1", If_Modified_Since=date)).status == 200


# Bodies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a':1}",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":18446744073709551616}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
    ],
)
async def test_what_is_no_json_is_400_with_its_place(shop: Api, body: bytes) -> None:
    answer = await shop("PUT", f"{DOCS}/1", body, Content_Type=JSON)
    assert (answer.status, answer.code) == (400, "malformed_json")
    assert answer.json()["outcome"] == "not_applied"


@pytest.mark.parametrize("body", [b"[]", b"1", b'"a"', b"null"])
async def test_json_that_is_no_object_is_422(shop: Api, body: bytes) -> None:
    answer = await shop("PUT", f"{DOCS}/1", body, Content_Type=JSON)
    assert (answer.status, answer.code) == (422, "invalid_document")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_a_document_is_json_in_utf_8(shop: Api, kind: str) -> None:
    assert (await shop("PUT", f"{DOCS}/1", b"{}", Content_Type=kind)).status in (200, 201)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json; charset=latin-1", "application/jsonx", "application/x-ndjson", "json", ""]
)
async def test_a_body_of_another_type_is_415(shop: Api, kind: str) -> None:
    answer = await shop("PUT", f"{DOCS}/1", b"{}", Content_Type=kind)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


async def test_a_body_without_a_type_or_with_an_encoding_is_415(shop: Api) -> None:
    assert (await shop("PUT", f"{DOCS}/1", b"{}")).status == 415
    assert (await shop("PUT", f"{DOCS}/1", b"{}", Content_Type=JSON, Content_Encoding="gzip")).status == 415
    assert (await shop("PUT", f"{DOCS}/1", b"{}", Content_Type=JSON, Content_Encoding="identity")).status == 201


async def test_a_get_has_no_body(shop: Api) -> None:
    assert (await shop("GET", f"{DOCS}/1", b"{}", Content_Type=JSON)).code == "invalid_request"
    assert (await shop("DELETE", f"{DOCS}/1", b"{}", Content_Type=JSON)).code == "invalid_request"
    assert (await shop("GET", f"{DOCS}/1", b"")).code == "document_not_found"


async def test_accept_that_excludes_json_is_406(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    for accepted in ("application/json", "application/*", "*/*", "text/html, */*;q=0.1", "application/json;q=0.001"):
        assert (await shop("GET", f"{DOCS}/1", Accept=accepted)).status == 200
    for refused in ("text/html", "application/json;q=0", "application/xml, text/*", "*/*;q=0"):
        assert (await shop("GET", f"{DOCS}/1", Accept=refused)).code == "not_acceptable"
    assert (await shop("PUT", f"{DOCS}/1", {}, Accept="text/html")).code == "not_acceptable"
