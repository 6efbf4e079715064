"""Whatever arrives, the server answers with a client's error or ends the connection, and goes on serving."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raftdoc.api.server import HttpServer

from .conftest import Api
from .wire import Wire, request_bytes

DOCS = "/v1/dbs/shop/collections/orders/docs"
CONFORMANCE = next(
    (found for above in Path(__file__).resolve().parents if (found := above / "shared" / "conformance").is_dir()), None
)
DUPLICATE_NAMES = "y_object_duplicated_key"
"""Cases of the data that are JSON, but that raftdoc refuses: one name twice in an object."""
SEEDS = range(6)
PIECES = [
    b"GET ", b"PUT ", b"POST ", b"/", b"/v1/dbs/shop", b"/collections/orders/docs", b"/1", b"?limit=1", b"%", b"%2F",
    b" HTTP/1.1\r\n", b"\r\n", b"\r\n\r\n", b"Host: t\r\n", b"Content-Length: 2\r\n", b"Content-Length: 999999\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Content-Type: application/json\r\n", b"Content-Type: application/x-ndjson\r\n",
    b"If-Match: \"1\"\r\n", b"Idempotency-Key: k\r\n", b"Raftdoc-Timeout: 50ms\r\n", b"Expect: 100-continue\r\n",
    b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"{}", b"{\"_id\":1}\n", b"2\r\n{}\r\n",
    b"0\r\n\r\n", b"\x00", b"\xff\xfe", b"[" * 200,
]  # fmt: skip


def mutants(seed: int) -> Iterator[bytes]:
    """Yield requests that are nearly valid, and pieces of requests in any order."""
    chance = random.Random(seed)
    valid = [
        request_bytes("PUT", f"{DOCS}/1", b'{"n":1}', Content_Type="application/json", Idempotency_Key="k"),
        request_bytes("GET", f"{DOCS}?limit=3", Accept="application/x-ndjson", Raftdoc_Timeout="50ms"),
        request_bytes("POST", DOCS, b'{"_id":1}\n{"_id":2}\n', Content_Type="application/x-ndjson"),
    ]
    for _ in range(60):
        data = bytearray(chance.choice(valid))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        yield bytes(data)
        yield b"".join(chance.choices(PIECES, k=chance.randint(1, 14)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_mutated_requests_never_break_the_server(shop: Api, server: HttpServer, seed: int) -> None:
    for data in mutants(seed):
        wire = await Wire.open(server.port)
        await wire.send(data)
        wire.end()
        try:
            answers = await wire.rest()
        except ConnectionResetError:
            answers = b""
        await wire.close()
        assert b"HTTP/1.1 5" not in answers.replace(b"HTTP/1.1 504", b""), data
    assert (await shop("GET", "/livez")).status == 200


def parsing_cases() -> Iterator[tuple[str, str, bytes]]:
    """Yield (name, expectation, text)."""
    assert CONFORMANCE is not None
    with gzip.open(CONFORMANCE / "json_parsing.jsonl.gz", "rt") as lines:
        for case in map(json.loads, lines):
            repeat = case.get("repeat") or {"base64": case["base64"], "times": 1}
            yield case["name"], case["expect"], base64.b64decode(repeat["base64"]) * repeat["times"]


@pytest.mark.skipif(CONFORMANCE is None, reason="the conformance data (shared/conformance) are not here")
async def test_json_of_every_kind_is_stored_or_refused(shop: Api) -> None:
    allowed = {"accept": {200, 201}, "reject": {400, 413}, "either": {200, 201, 400, 422}}
    for name, expectation, text in parsing_cases():
        answer = await shop("PUT", f"{DOCS}/1", b'{"value":' + text + b"}", Content_Type="application/json")
        is_refused = name.startswith(DUPLICATE_NAMES)
        assert answer.status in allowed["reject" if is_refused else expectation], (name, answer)


MANY = range(2100)
LONG = list(range(9000))


def nested(depth: int) -> dict[str, Any]:
    filter: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        filter = {"$and": [filter]}
    return filter


@pytest.mark.parametrize(
    ("target", "body", "pointer"),
    [
        ("query", {"filter": {"a": {"$in": LONG[:5000]}}}, "/filter/a/$in"),
        ("query", {"filter": {"a": {"$in": LONG}}}, "/filter"),
        ("query", {"filter": {"$or": [{"a": number} for number in MANY]}}, "/filter"),
        ("query", {"filter": {"t": {"$regex": "(a+)+$(?=b)"}}}, "/filter/t/$regex"),
        ("query", {"filter": {"t": {"$regex": "((a{100}){100}){100}"}}}, "/filter/t/$regex"),
        ("query", {"filter": {"$where": "while (true) {}"}}, "/filter/$where"),
        ("query", {"filter": {"a": 1}, "cursor": "of-another-query"}, "/cursor"),
        ("query", {"filter": {"$expr": {"$range": [0, 2_000_000_000]}}}, "/filter/$expr/$range"),
        ("aggregate", {"pipeline": [{"$set": {f"a{number}": 1 for number in MANY}}]}, "/pipeline"),
        ("aggregate", {"pipeline": [{"$limit": 1}] * 1001}, "/pipeline"),
        ("update", {"filter": {}, "update": {"$set": {f"a{number}": 1 for number in MANY}}}, "/update"),
        ("update", {"filter": {}, "update": {"$set": {"a": 1, "a.b": 2}}}, "/update/$set/a.b"),
        ("update", {"filter": {}, "update": {"$set": {"a": 1}, "$inc": {"a": 1}}}, "/update/$inc/a"),
    ],
)
async def test_hostile_query_is_refused_at_its_place_and_the_server_goes_on(
    shop: Api, target: str, body: Any, pointer: str
) -> None:
    answer = await shop("POST", f"/v1/dbs/shop/collections/orders/{target}", body)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert (await shop("GET", "/livez")).status == 200


@pytest.mark.parametrize(("depth", "status"), [(45, 200), (60, 400)])
async def test_deep_filter_is_answered_or_refused_by_its_depth(shop: Api, depth: int, status: int) -> None:
    answer = await shop("POST", "/v1/dbs/shop/collections/orders/query", {"filter": nested(depth)})
    assert answer.status == status
    assert (await shop("GET", "/livez")).status == 200
