"""Levels of consistency, deadlines and tokens: what a request asks for and what an answer says."""

from __future__ import annotations

import pytest

from raftdoc.errors import DeadlineExceeded, OutcomeUnknown
from raftdoc.limits import NS_PER_MS

from .conftest import SMALL, Api
from .fake_backend import FakeBackend

DOCS = "/v1/dbs/shop/collections/orders/docs"
READS = (f"{DOCS}/1", DOCS, "/v1/dbs", "/v1/dbs/shop", "/v1/dbs/shop/collections", "/v1/dbs/shop/collections/orders")


async def test_every_answer_of_a_group_says_which_state_it_includes(shop: Api, backend: FakeBackend) -> None:
    put = await shop("PUT", f"{DOCS}/1", {})
    assert put["Raftdoc-Index"] == f"1:{backend.index}"
    for target in READS:
        answer = await shop("GET", target)
        group = "0" if target in ("/v1/dbs", "/v1/dbs/shop") else "1"
        assert answer["Raftdoc-Index"] == f"{group}:{backend.index}"
        assert (answer["Raftdoc-Node"], answer["Raftdoc-Leader"]) == ("n1", "n1")
        assert "Raftdoc-Staleness" not in answer


async def test_an_error_of_a_group_says_which_state_decided_it(shop: Api) -> None:
    answer = await shop("GET", f"{DOCS}/none")
    assert (answer.status, answer["Raftdoc-Leader"]) == (404, "n1")
    assert answer["Raftdoc-Index"].startswith("1:")


async def test_several_groups_make_one_token_and_no_leader(shop: Api, backend: FakeBackend) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    backend.indexes = ((7, 991), (9, 12))
    answer = await shop("GET", f"{DOCS}/1")
    assert answer["Raftdoc-Index"] == "7:991,9:12"
    assert "Raftdoc-Leader" not in answer


async def test_reads_are_linearizable_unless_they_say_otherwise(shop: Api, backend: FakeBackend) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    for headers in ({}, {"Raftdoc_Consistency": "linearizable"}):
        await shop("GET", f"{DOCS}/1", **headers)
        assert backend.requests[-1].consistency == "linearizable"
    answer = await shop("GET", f"{DOCS}/1", Raftdoc_Consistency="stale")
    assert backend.requests[-1].consistency == "stale"
    assert answer["Raftdoc-Staleness"] == "40ms"


async def test_staleness_has_a_bound(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    fresh = await shop("GET", f"{DOCS}/1", Raftdoc_Consistency="stale", Raftdoc_Max_Staleness="1s")
    assert fresh.status == 200
    old = await shop("GET", f"{DOCS}/1", Raftdoc_Consistency="stale", Raftdoc_Max_Staleness="10ms")
    assert (old.status, old.code, old.json()["retryable"]) == (503, "staleness_not_met", True)
    assert old["Retry-After"] == "1"


async def test_a_bound_without_stale_and_a_level_that_is_none_are_400(shop: Api) -> None:
    assert (await shop("GET", DOCS, Raftdoc_Max_Staleness="1s")).code == "invalid_request"
    for level in ("eventual", "", "Stale"):
        assert (await shop("GET", DOCS, Raftdoc_Consistency=level)).code == "invalid_request"


async def test_a_write_is_never_stale(shop: Api) -> None:
    assert (await shop("PUT", f"{DOCS}/1", {}, Raftdoc_Consistency="linearizable")).status == 201
    assert (await shop("PUT", f"{DOCS}/1", {}, Raftdoc_Consistency="stale")).code == "invalid_request"
    assert (await shop("PUT", f"{DOCS}/1", {}, Raftdoc_Max_Staleness="1s")).code == "unknown_option"
    assert (await shop("PUT", f"{DOCS}/1", {}, Raftdoc_Min_Index="1:1")).code == "unknown_option"


async def test_a_token_is_what_a_read_has_to_include(shop: Api, backend: FakeBackend) -> None:
    token = (await shop("PUT", f"{DOCS}/1", {}))["Raftdoc-Index"]
    assert (await shop("GET", f"{DOCS}/1", Raftdoc_Min_Index=token)).status == 200
    assert backend.requests[-1].min_index == ((1, backend.index),)
    await shop("GET", f"{DOCS}/1", Raftdoc_Min_Index="7:991,9:12")
    assert backend.requests[-1].min_index == ((7, 991), (9, 12))


@pytest.mark.parametrize(
    "token", ["", "1", "1:", ":1", "1:1,", "1:1,,2:2", "a:1", "1:-1", "1:1;2:2", "1:1,1:2", " 1 : 1"]
)
async def test_what_is_no_token_is_400(shop: Api, token: str) -> None:
    assert (await shop("GET", DOCS, Raftdoc_Min_Index=token)).code == "invalid_request"


async def test_a_request_has_one_deadline(shop: Api, backend: FakeBackend) -> None:
    before = backend.now_ns()
    await shop("GET", DOCS)
    default = backend.requests[-1].deadline_ns
    await shop("PUT", f"{DOCS}/1", {}, Raftdoc_Timeout="250ms")
    short = backend.requests[-1].deadline_ns
    await shop("GET", DOCS, Raftdoc_Timeout="60s")
    long = backend.requests[-1].deadline_ns
    after = backend.now_ns()
    for deadline, timeout_ms in ((default, SMALL.request_timeout_ms), (short, 250), (long, 60_000)):
        assert before <= deadline - timeout_ms * NS_PER_MS <= after


@pytest.mark.parametrize(
    "timeout", ["", "0ms", "0s", "5", "ms", "-1s", "1.5s", "601s", "1h", "1000000000ms", "1 s", "１s"]
)
async def test_what_is_no_timeout_is_400(shop: Api, timeout: str) -> None:
    assert (await shop("GET", DOCS, Raftdoc_Timeout=timeout)).code == "invalid_request"
    assert (await shop("GET", "/livez", Raftdoc_Timeout=timeout)).code == "invalid_request"


async def test_a_passed_deadline_is_504_with_what_became_of_the_write(shop: Api, backend: FakeBackend) -> None:
    backend.failures = [DeadlineExceeded("no answer in time", outcome="unknown")]
    answer = await shop("PUT", f"{DOCS}/1", {})
    assert (answer.status, answer.code, answer.json()["outcome"]) == (504, "deadline_exceeded", "unknown")
    backend.failures = [OutcomeUnknown("the leader was lost")]
    answer = await shop("PUT", f"{DOCS}/1", {})
    assert (answer.status, answer.code, answer.json()["outcome"]) == (503, "outcome_unknown", "unknown")
    assert answer["Retry-After"] == "1"


async def test_a_header_that_does_not_exist_is_400(shop: Api) -> None:
    answer = await shop("GET", DOCS, Raftdoc_Consistancy="stale")
    assert (answer.status, answer.code) == (400, "unknown_option")
    assert "Raftdoc-Consistancy" in answer.json()["detail"]


async def test_headers_of_a_group_mean_nothing_to_this_node_alone(shop: Api) -> None:
    assert (await shop("GET", "/v1/cluster", Raftdoc_Consistency="stale")).code == "unknown_option"
    assert (await shop("GET", "/livez", Raftdoc_Min_Index="1:1")).code == "unknown_option"
