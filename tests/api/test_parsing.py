"""What is large is parsed in a thread, so that the loop turns meanwhile; what is small is parsed at once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson
import pytest

from raftdoc.api.parsing import Parser, is_large
from raftdoc.errors import OverBudget
from raftdoc.limits import OPTIONS_BYTES_MAX, PARSE_QUEUE_BYTES_MAX, PARSED_AT_ONCE_BYTES_MAX

from .conftest import SMALL, Api
from .requests import DOCS

COLLECTION = DOCS.removesuffix("/docs")
JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
TEXT = "x" * PARSED_AT_ONCE_BYTES_MAX
WAIT_S = 10

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


def parser_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("parser")]


@pytest.fixture(autouse=True)
def no_parser_is_left() -> None:
    """Those of servers before have been told to end, and do."""
    for thread in parser_threads():
        thread.join(WAIT_S)
    assert not parser_threads()


async def test_the_loop_turns_while_something_large_is_parsed() -> None:
    parser, loop_turned = Parser(), threading.Event()

    def parse(text: bytes) -> int:
        assert loop_turned.wait(WAIT_S), "the loop stood still"
        return len(text)

    asyncio.get_running_loop().call_soon(loop_turned.set)
    assert await parser.parse(parse, bytes(PARSED_AT_ONCE_BYTES_MAX + 1)) == PARSED_AT_ONCE_BYTES_MAX + 1
    parser.close()


async def test_what_is_small_is_parsed_at_once() -> None:
    parser = Parser()
    text = bytes(PARSED_AT_ONCE_BYTES_MAX)
    assert await parser.parse(lambda _: threading.current_thread(), text) is threading.current_thread()
    assert not parser_threads()


async def test_only_so_much_waits_to_be_parsed_but_one_text_may_have_any_size() -> None:
    parser, may_end = Parser(), threading.Event()

    def parse(text: bytes) -> int:
        assert may_end.wait(WAIT_S)
        return len(text)

    large = bytes(PARSE_QUEUE_BYTES_MAX + 1)
    first = asyncio.ensure_future(parser.parse(parse, large))
    await asyncio.sleep(0)
    with pytest.raises(OverBudget, match="wait to be parsed"):
        await parser.parse(parse, bytes(PARSED_AT_ONCE_BYTES_MAX + 1))
    assert await parser.parse(len, b"small") == 5, "that does not wait"
    may_end.set()
    assert await first == len(large)
    assert await parser.parse(parse, large) == len(large)
    parser.close()


async def test_what_the_parser_raises_comes_out_of_the_thread() -> None:
    parser = Parser()

    def parse(text: bytes) -> None:
        raise ValueError(threading.current_thread().name)

    with pytest.raises(ValueError, match=r"^parser"):
        await parser.parse(parse, bytes(PARSED_AT_ONCE_BYTES_MAX + 1))
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
