"""Bugs, breakdowns and refusals: what the caller sees, and what the log says."""

from __future__ import annotations

import asyncio
import logging

import pytest

from raftdoc.errors import StateCorrupt

from .conftest import Api, Fatalities
from .fake_backend import FakeBackend
from .requests import DOCS
from .wire import TIMEOUT_S, Wire, request_bytes


@pytest.mark.parametrize(("method", "outcome"), [("GET", "not_applied"), ("PUT", "unknown")])
async def test_an_unexpected_error_is_500_and_logged_under_its_request_id(
    shop: Api, backend: FakeBackend, fatalities: Fatalities, caplog: pytest.LogCaptureFixture, method: str, outcome: str
) -> None:
    backend.failures = [ZeroDivisionError("secret")]
    with caplog.at_level(logging.ERROR, "raftdoc.api"):
        answer = await shop(method, f"{DOCS}/1", {} if method == "PUT" else None)
    assert (answer.status, answer.code, answer.json()["outcome"]) == (500, "internal", outcome)
    assert b"secret" not in answer.body
    (record,) = caplog.records
    assert answer["X-Request-Id"] in record.getMessage()
    assert record.exc_info
    assert fatalities == []


@pytest.mark.parametrize("error", [AssertionError("broken"), StateCorrupt("damaged")])
async def test_what_must_stop_the_node_is_handed_on(
    shop: Api, backend: FakeBackend, fatalities: Fatalities, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    backend.failures = [error]
    answer = await shop("PUT", f"{DOCS}/1", {})
    assert (answer.status, answer.code) == (500, "internal")
    assert fatalities == [error]


async def test_a_stream_that_breaks_is_cut_short_visibly(shop: Api, wire: Wire, backend: FakeBackend) -> None:
    for n in range(3):
        await shop("PUT", f"{DOCS}/{n}", {"a": "x" * 100})
    backend.page_bytes_max = 50
    backend.failures = [None, ZeroDivisionError("secret")]
    await wire.send(request_bytes("GET", DOCS, Accept="application/x-ndjson"))
    try:
        cut = await wire.rest()
    except ConnectionResetError:
        return
    assert b"$end" not in cut
    assert not cut.endswith(b"0\r\n\r\n")


async def test_refusals_are_logged_with_their_code(shop: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "raftdoc.api"):
        await shop("PUT", f"{DOCS}/1", b"{", Content_Type="application/json", X_Request_Id="mine")
        await shop("GET", f"{DOCS}/none")
    (record,) = caplog.records
    assert "request_id=mine" in record.getMessage()
    assert "code=malformed_json" in record.getMessage()


async def test_a_flood_of_refusals_is_no_flood_of_lines(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    count = 500
    with caplog.at_level(logging.INFO, "raftdoc.api"):
        await wire.send(request_bytes("GET", "/livez?x") * count)
        for _ in range(count):
            assert (await wire.answer()).code == "unknown_option"
        await until_a_second_later(wire, caplog)
    lines = [record.getMessage() for record in caplog.records]
    left_out = [record.args for record in caplog.records if record.getMessage().startswith("more requests refused")]
    assert len(lines) < count
    assert left_out


async def until_a_second_later(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Go on sending refused requests, until one of a later second is logged."""
    async with asyncio.timeout(TIMEOUT_S):
        while not any(record.getMessage().startswith("more") for record in caplog.records):
            await wire.call("GET", "/livez?x")
            await asyncio.sleep(0.05)
