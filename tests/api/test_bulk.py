"""Many documents in one NDJSON body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import orjson
import pytest

from .conftest import SMALL, Api
from .fake_backend import FakeBackend
from .wire import Wire

DOCS = "/v1/dbs/shop/collections/orders/docs"
NDJSON = "application/x-ndjson"


def lines(*values: object, end: bytes = b"\n") -> bytes:
    return b"".join(orjson.dumps(value) + end for value in values)


async def test_every_line_is_created_and_answered_in_order(shop: Api) -> None:
    answer = await shop("POST", DOCS, lines({"_id": "b"}, {"_id": "a"}, {"_id": 3}), Content_Type=NDJSON)
    assert answer.status == 200
    assert answer["Content-Type"] == NDJSON
    assert [(line["_id"], line["status"]) for line in answer.lines()] == [("b", 201), ("a", 201), (3, 201)]
    assert (await shop("GET", f"{DOCS}/a"))["ETag"] == answer.lines()[1]["etag"]


async def test_a_mixed_result_is_207_with_a_problem_for_each_failure(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/a", {})
    answer = await shop("POST", DOCS, lines({"_id": "a"}, {"_id": "b"}), Content_Type=NDJSON)
    failed, created = answer.lines()
    assert answer.status == 207
    assert (failed["status"], failed["error"]["code"], failed["error"]["outcome"]) == (
        409,
        "duplicate_key",
        "not_applied",
    )
    assert (created["status"], "error" in created) == (201, False)


async def test_the_same_id_twice_is_created_once(shop: Api) -> None:
    answer = await shop("POST", DOCS, lines({"_id": 1}, {"_id": 1.0}), Content_Type=NDJSON)
    assert [line["status"] for line in answer.lines()] == [201, 409]


async def test_line_ends_may_be_crlf_lines_empty_and_the_last_end_missing(shop: Api) -> None:
    body = b'{"_id":1}\r\n\r\n\n  {"_id":2} \n{"_id":3}'
    answer = await shop("POST", DOCS, body, Content_Type=NDJSON)
    assert [line["_id"] for line in answer.lines()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"{", "malformed_json"),
        (b'{"a":1,"a":2}', "malformed_json"),
        (b"[]", "invalid_document"),
        (b'{"_id":null}', "invalid_id"),
        (b'{"$set":1}', "invalid_name"),
    ],
)
async def test_a_bad_line_is_named_and_nothing_is_applied(
    shop: Api, backend: FakeBackend, bad: bytes, code: str
) -> None:
    written = backend.index
    answer = await shop("POST", DOCS, b'{"_id":1}\n\n' + bad + b'\n{"_id":2}\n', Content_Type=NDJSON)
    assert (answer.status, answer.code) == (400, "invalid_line")
    (place,) = answer.json()["errors"]
    assert (place["line"], place["code"]) == (3, code)
    assert "line 3" in answer.json()["detail"]
    assert backend.index == written


async def test_a_body_without_a_document_is_400(shop: Api) -> None:
    for body in (b"", b"\n \n"):
        assert (await shop("POST", DOCS, body, Content_Type=NDJSON)).code == "invalid_request"


async def test_atomic_is_all_or_nothing(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/a", {})
    refused = await shop("POST", f"{DOCS}?atomic=true", lines({"_id": "b"}, {"_id": "a"}), Content_Type=NDJSON)
    assert (refused.status, refused.code) == (409, "duplicate_key")
    assert (await shop("GET", f"{DOCS}/b")).status == 404
    created = await shop("POST", f"{DOCS}?atomic=true", lines({"_id": "b"}, {"_id": "c"}), Content_Type=NDJSON)
    assert [line["status"] for line in created.lines()] == [201, 201]
    assert (await shop("POST", f"{DOCS}?atomic=yes", lines({}), Content_Type=NDJSON)).code == "invalid_request"


async def test_documents_without_ids_get_rising_ones(shop: Api) -> None:
    answer = await shop("POST", DOCS, lines(*({"n": n} for n in range(50))), Content_Type=NDJSON)
    ids = [line["_id"] for line in answer.lines()]
    assert ids == sorted(set(ids))
    assert {UUID(id).version for id in ids} == {7}


async def test_a_long_line_is_413_with_its_limit(shop: Api) -> None:
    body = lines({"a": 1}, {"a": "x" * SMALL.document_bytes_max})
    answer = await shop("POST", DOCS, body, Content_Type=NDJSON)
    assert (answer.status, answer.code, answer.json()["limit"]) == (413, "too_large", SMALL.document_bytes_max)
    assert "line 2" in answer.json()["detail"]


async def test_too_many_documents_are_413(shop: Api) -> None:
    body = b"{}\n" * (SMALL.bulk_documents_max + 1)
    answer = await shop("POST", DOCS, body, Content_Type=NDJSON)
    assert (answer.status, answer.json()["limit"]) == (413, SMALL.bulk_documents_max)


async def test_an_atomic_batch_over_its_limit_is_413(shop: Api) -> None:
    body = lines(*({"a": "x" * 60_000} for _ in range(3)))
    answer = await shop("POST", f"{DOCS}?atomic=true", body, Content_Type=NDJSON)
    assert (answer.status, answer.json()["limit"]) == (413, SMALL.atomic_bytes_max)
    assert (await shop("POST", DOCS, body, Content_Type=NDJSON)).status == 200


async def test_a_bulk_over_its_limit_is_413(shop: Api, wire: Wire) -> None:
    length = SMALL.bulk_bytes_max + 1
    head = f"POST {DOCS} HTTP/1.1\r\nHost: t\r\nContent-Type: {NDJSON}\r\nContent-Length: {length}\r\n\r\n"
    await wire.send(head.encode())
    answer = await wire.answer()
    assert (answer.status, answer.json()["limit"]) == (413, SMALL.bulk_bytes_max)


async def test_a_bulk_arrives_in_pieces_of_any_size(shop: Api, wire: Wire) -> None:
    body = lines(*({"_id": n, "text": "ä" * n} for n in range(20)))
    await wire.send(
        f"POST {DOCS} HTTP/1.1\r\nHost: t\r\nContent-Type: {NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    for start in range(0, len(body), 7):
        piece = body[start : start + 7]
        await wire.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    await wire.send(b"0\r\n\r\n")
    answer = await wire.answer()
    assert [line["_id"] for line in answer.lines()] == list(range(20))


async def test_other_requests_are_answered_while_a_bulk_is_parsed(
    shop: Api, connect: Callable[[], Awaitable[Wire]], backend: FakeBackend
) -> None:
    bulk, other = await connect(), await connect()
    body = b"".join(b'{"_id":%d,"text":"%b"}\n' % (n, b"x" * 900) for n in range(1000))
    head = f"POST {DOCS} HTTP/1.1\r\nHost: t\r\nContent-Type: {NDJSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    await bulk.send(head + body[:-10])
    assert (await other.call("GET", "/livez")).status == 200
    await bulk.send(body[-10:])
    assert (await bulk.answer()).status == 200
    assert (await shop("GET", "/v1/dbs/shop/collections/orders")).json()["document_count"] == 1000


async def test_a_bulk_is_answered_as_ndjson_only(shop: Api) -> None:
    assert (
        await shop("POST", DOCS, lines({}), Content_Type=NDJSON, Accept="application/json")
    ).code == "not_acceptable"
    assert (await shop("POST", DOCS, {}, Accept=NDJSON)).code == "not_acceptable"
    assert (await shop("POST", DOCS, b"{}", Content_Type="text/csv")).code == "unsupported_media_type"
