"""What is large is parsed in a thread, so that the loop turns meanwhile; what is small is parsed at once."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from raftdoc.api.parsing import Parser, is_large
from raftdoc.api.server import HttpServer
from raftdoc.errors import DeadlineExceeded, OverBudget
from raftdoc.limits import NS_PER_S, OPTIONS_BYTES_MAX, PARSE_QUEUE_BYTES_MAX, PARSED_AT_ONCE_BYTES_MAX

from .conftest import SMALL, Api
from .requests import DOCS, put, until
from .wire import Wire

COLLECTION = DOCS.removesuffix("/docs")
JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
TEXT = "x" * PARSED_AT_ONCE_BYTES_MAX
LARGE_TEXT = bytes(PARSED_AT_ONCE_BYTES_MAX + 1)
WAIT_S = 10
LATER_NS = time.monotonic_ns() + 3600 * NS_PER_S

LARGE: dict[str, tuple[str, str, str, Any, int]] = {
    "put": ("PUT", f"{DOCS}/2", JSON, {"a": TEXT}, 201),
    "post": ("POST", DOCS, JSON, {"a": TEXT}, 201),
    "post many": ("POST", DOCS, NDJSON, {"_id": 2, "a": TEXT}, 200),
    "bulk": ("POST", f"{COLLECTION}/bulk", NDJSON, {"insert": {"_id": 2, "a": TEXT}}, 200),
    "patch": ("PATCH", f"{DOCS}/1", MERGE_PATCH, {"a": TEXT}, 200),
    "update": ("POST", f"{COLLECTION}/update", JSON, {"filter": {"_id": "1"}, "update": {"$set": {"a": TEXT}}}, 200),
    "delete": ("POST", f"{COLLECTION}/delete", JSON, {"filter": {"a": TEXT}}, 200),
    "find and modify": (
        "POST",
        f"{COLLECTION}/find-and-modify",
        JSON,
        {"filter": {"_id": "1"}, "update": {"$set": {"a": TEXT}}},
        200,
    ),
    "query": ("POST", f"{COLLECTION}/query", JSON, {"filter": {"a": TEXT}}, 200),
    "count": ("POST", f"{COLLECTION}/count", JSON, {"filter": {"a": TEXT}}, 200),
    "distinct": ("POST", f"{COLLECTION}/distinct", JSON, {"field": "a", "filter": {"a": TEXT}}, 200),
    "aggregate": ("POST", f"{COLLECTION}/aggregate", JSON, {"pipeline": [{"$match": {"a": TEXT}}]}, 200),
    "explain": ("POST", f"{COLLECTION}/explain", JSON, {"filter": {"a": TEXT}}, 200),
    "get many": ("POST", f"{COLLECTION}/get-many", JSON, {"ids": [f"{n}-{'x' * 400}" for n in range(100)]}, 200),
}


READS = re.compile(r"/(query|count|distinct|aggregate|explain|get-many)$")


def parser_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("parser")]


@pytest.fixture(autouse=True)
def no_parser_is_left() -> None:
    """Those of servers before have been told to end, and do."""
    for thread in parser_threads():
        thread.join(WAIT_S)
    assert not parser_threads()


def make_parser() -> Parser:
    return Parser(time.monotonic_ns)


async def test_the_loop_turns_while_something_large_is_parsed() -> None:
    parser, loop_turned = make_parser(), threading.Event()

    def parse(text: bytes) -> int:
        assert loop_turned.wait(WAIT_S), "the loop stood still"
        return len(text)

    asyncio.get_running_loop().call_soon(loop_turned.set)
    assert await parser.parse(parse, LARGE_TEXT, LATER_NS) == len(LARGE_TEXT)
    parser.close()


async def test_what_is_small_is_parsed_at_once() -> None:
    parser = make_parser()
    text = bytes(PARSED_AT_ONCE_BYTES_MAX)
    assert await parser.parse(lambda _: threading.current_thread(), text, LATER_NS) is threading.current_thread()
    assert not parser_threads()


async def test_only_so_much_waits_to_be_parsed_but_one_text_may_have_any_size() -> None:
    parser, may_end = make_parser(), threading.Event()

    def parse(text: bytes) -> int:
        assert may_end.wait(WAIT_S)
        return len(text)

    large = bytes(PARSE_QUEUE_BYTES_MAX + 1)
    first = asyncio.ensure_future(parser.parse(parse, large, LATER_NS))
    await asyncio.sleep(0)
    with pytest.raises(OverBudget, match="wait to be parsed"):
        await parser.parse(parse, LARGE_TEXT, LATER_NS)
    assert await parser.parse(len, b"small", LATER_NS) == 5, "that does not wait"
    may_end.set()
    assert await first == len(large)
    assert await parser.parse(parse, large, LATER_NS) == len(large)
    parser.close()


async def test_what_is_not_parsed_in_time_is_given_up() -> None:
    parser, may_end = make_parser(), threading.Event()

    def parse(text: bytes) -> None:
        assert may_end.wait(WAIT_S)

    for why in ("it is being parsed", "it waits"):
        with pytest.raises(DeadlineExceeded) as caught:
            await parser.parse(parse, LARGE_TEXT, time.monotonic_ns() + NS_PER_S // 50)
        assert caught.value.outcome == "not_applied", why
    may_end.set()
    parser.close()


async def test_what_the_parser_raises_comes_out_of_the_thread() -> None:
    parser = make_parser()

    def parse(text: bytes) -> None:
        raise ValueError(threading.current_thread().name)

    with pytest.raises(ValueError, match=r"^parser"):
        await parser.parse(parse, LARGE_TEXT, LATER_NS)
    parser.close()


@pytest.mark.parametrize("name", LARGE)
async def test_every_operation_that_reads_something_large_does_so_in_the_thread(shop: Api, name: str) -> None:
    method, path, media, value, status = LARGE[name]
    await shop("PUT", f"{DOCS}/1", {"a": 1})
    assert not parser_threads()
    body = orjson.dumps(value)
    assert is_large(body)
    answer = await shop(method, path, body, Content_Type=media)
    assert answer.status == status, answer.body
    assert parser_threads()


@pytest.mark.parametrize("name", LARGE)
async def test_something_large_that_is_no_json_is_refused_as_something_small_is(shop: Api, name: str) -> None:
    method, path, media, value, _ = LARGE[name]
    body = orjson.dumps(value)[:-1]
    answer = await shop(method, path, body, Content_Type=media)
    assert (answer.status, answer.code) == (400, "invalid_line" if media == NDJSON else "malformed_json"), answer.body


@pytest.mark.parametrize("name", [name for name, (_, path, *_) in LARGE.items() if not READS.search(path)])
async def test_a_large_write_is_remembered_under_its_key(shop: Api, name: str) -> None:
    method, path, media, value, status = LARGE[name]
    await shop("PUT", f"{DOCS}/1", {"a": 1})
    body = orjson.dumps(value)
    first = await shop(method, path, body, Content_Type=media, Idempotency_Key="k")
    again = await shop(method, path, body, Content_Type=media, Idempotency_Key="k")
    assert (first.status, again.status) == (status, status)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert again.body == first.body
    other = await shop(method, path, body.replace(b"xx", b"xy", 1), Content_Type=media, Idempotency_Key="k")
    assert (other.status, other.code) == (422, "key_reused")


@pytest_asyncio.fixture
async def busy(server: HttpServer) -> AsyncIterator[None]:
    """The parser has something else to do, until the test ends."""
    may_end = threading.Event()
    work = asyncio.ensure_future(server._parser.parse(lambda _: may_end.wait(WAIT_S), LARGE_TEXT, LATER_NS))
    await asyncio.sleep(0)
    yield
    may_end.set()
    await asyncio.wait([work])


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.usefixtures("busy")
async def test_a_request_that_waits_for_the_parser_keeps_its_deadline(shop: Api, name: str) -> None:
    method, path, media, value, _ = LARGE[name]
    answer = await shop(method, path, orjson.dumps(value), Content_Type=media, Raftdoc_Timeout="20ms")
    assert (answer.status, answer.code, answer.json()["outcome"]) == (504, "deadline_exceeded", "not_applied")


@pytest.mark.usefixtures("busy")
async def test_a_server_that_closes_gives_up_on_what_waits_for_the_parser(server: HttpServer, wire: Wire) -> None:
    await wire.send(put(orjson.dumps({"a": TEXT})))
    await until(lambda: bool(server.dispatcher.waiting))
    wire.abort()
    await until(lambda: server.connection_count == 0)
    assert server.dispatcher.waiting, "the write goes on without its client"
    await server.close(drain_s=WAIT_S)
    assert not server.dispatcher.waiting


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_large_line_has_its_place_among_small_ones(shop: Api, end: bytes) -> None:
    large = orjson.dumps({"_id": "large", "a": TEXT})
    body = b'{"_id":"first"}\n%b\n\n{"_id":"last"}\n%b%b' % (large, large.replace(b"large", b"other"), end)
    answer = await shop("POST", DOCS, body, Content_Type=NDJSON)
    assert [line["_id"] for line in answer.lines()] == ["first", "large", "last", "other"]
    answer = await shop("POST", DOCS, b'{"_id":"x"}\n%b' % large[:-1], Content_Type=NDJSON)
    assert (answer.code, answer.json()["detail"].split(":")[0]) == ("invalid_line", "line 2")


async def test_options_are_small(shop: Api) -> None:
    for method, path in (
        ("PUT", "/v1/dbs/other"),
        ("PUT", f"{COLLECTION}2"),
        ("POST", f"{COLLECTION}/indexes"),
        ("POST", "/v1/cluster/transfer-leader"),
        ("POST", "/v1/cluster/members"),
        ("POST", "/v1/cluster/drain"),
        ("POST", "/v1/cluster/rebalance"),
    ):
        answer = await shop(method, path, {"a": "x" * OPTIONS_BYTES_MAX})
        assert (answer.status, answer.code, answer.json()["limit"]) == (413, "too_large", OPTIONS_BYTES_MAX)
    assert SMALL.document_bytes_max > OPTIONS_BYTES_MAX
