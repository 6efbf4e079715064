"""The same key: the same answer, once executed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from raftdoc.statemachine.outcome import Outcome, RequestRecord

from .conftest import JSON, Api
from .fake_backend import FakeBackend
from .wire import Wire

DOCS = "/v1/dbs/shop/collections/orders/docs"
NDJSON = "application/x-ndjson"
UUID7 = "018bcfe5-6800-7abc-8def-0123456789ab"

WRITES: list[tuple[str, str, Any]] = [
    ("PUT", f"{DOCS}/1", {"n": 1}),
    ("POST", DOCS, {"_id": 1}),
    ("POST", DOCS, {"no": "id"}),
    ("DELETE", f"{DOCS}/old", None),
    ("PUT", "/v1/dbs/shop/collections/new", {}),
    ("PUT", "/v1/dbs/new", {}),
    ("DELETE", "/v1/dbs/shop/collections/orders", None),
]


@pytest.mark.parametrize(("method", "target", "body"), WRITES)
async def test_the_second_answer_is_the_first(
    shop: Api, backend: FakeBackend, method: str, target: str, body: Any
) -> None:
    await shop("PUT", f"{DOCS}/old", {})
    first = await shop(method, target, body, Idempotency_Key="k1")
    written = backend.index
    second = await shop(method, target, body, Idempotency_Key="k1")
    assert first.status < 300
    assert (second.status, second.body) == (first.status, first.body)
    assert second.all("ETag") == first.all("ETag")
    assert second.all("Location") == first.all("Location")
    assert backend.index == written
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert second["Idempotency-Expires"] == first["Idempotency-Expires"]


async def test_a_replay_says_so_and_until_when(shop: Api) -> None:
    first = await shop("PUT", f"{DOCS}/1", {"n": 1}, Idempotency_Key="k1")
    second = await shop("PUT", f"{DOCS}/1", {"n": 1}, Idempotency_Key="k1")
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert second["Idempotency-Expires"] == first["Idempotency-Expires"] == "Wed, 15 Nov 2023 22:13:20 GMT"


async def test_a_target_in_absolute_form_makes_no_other_request(shop: Api, wire: Wire) -> None:
    first = await shop("PUT", f"{DOCS}/1", {"n": 1}, Idempotency_Key="k1")
    target = f"http://other.example{DOCS}/1"
    second = await wire.call("PUT", target, b'{"n":1}', Content_Type=JSON, Idempotency_Key="k1")
    assert (second.status, second["Location"], second["Idempotency-Replayed"]) == (201, first["Location"], "true")


async def test_without_a_key_nothing_is_said_about_keys(shop: Api) -> None:
    answer = await shop("PUT", f"{DOCS}/1", {})
    assert "Idempotency-Expires" not in answer
    assert "Idempotency-Replayed" not in answer


async def test_a_refusal_is_replayed_as_well(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", {})
    first = await shop("PUT", f"{DOCS}/1", {}, If_None_Match="*", Idempotency_Key="k1")
    await shop("DELETE", f"{DOCS}/1")
    second = await shop("PUT", f"{DOCS}/1", {}, If_None_Match="*", Idempotency_Key="k1")
    assert (first.status, second.status, second["Idempotency-Replayed"]) == (412, 412, "true")
    assert "Idempotency-Replayed" not in first


async def test_any_difference_makes_it_another_request(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", b'{"n":1}', Content_Type=JSON, Idempotency_Key="k1")
    differences: list[tuple[str, str, bytes | None, dict[str, str]]] = [
        ("PUT", f"{DOCS}/2", b'{"n":1}', {"Content_Type": JSON}),
        ("PUT", f"{DOCS}/1?id_type=string", b'{"n":1}', {"Content_Type": JSON}),
        ("PUT", f"{DOCS}/1", b'{"n": 1}', {"Content_Type": JSON}),
        ("PUT", f"{DOCS}/1", b'{"n":1}', {"Content_Type": JSON + ";charset=utf-8"}),
        ("PUT", f"{DOCS}/1", b'{"n":1}', {"Content_Type": JSON, "If_None_Match": "*"}),
        ("PUT", f"{DOCS}/1", b'{"n":1}', {"Content_Type": JSON, "If_Match": '"1"'}),
        ("DELETE", f"{DOCS}/1", None, {}),
        ("POST", DOCS, b'{"n":1}', {"Content_Type": NDJSON}),
    ]
    for method, target, body, headers in differences:
        answer = await shop(method, target, body, Idempotency_Key="k1", **headers)
        assert (answer.status, answer.code) == (422, "key_reused"), (method, target, headers)


async def test_keys_are_kept_for_each_database(shop: Api) -> None:
    await shop("PUT", "/v1/dbs/other", {})
    await shop("PUT", f"{DOCS}/1", {}, Idempotency_Key="k1")
    answer = await shop("PUT", "/v1/dbs/other/collections/c/docs/2", {}, Idempotency_Key="k1")
    assert (answer.status, "Idempotency-Replayed" in answer) == (201, False)


async def test_a_bulk_is_replayed_with_the_ids_it_was_given(shop: Api, backend: FakeBackend) -> None:
    body = b'{"n":1}\n{"n":2}\n{"_id":3}\n'
    first = await shop("POST", DOCS, body, Content_Type=NDJSON, Idempotency_Key="k1")
    written = backend.index
    second = await shop("POST", DOCS, body, Content_Type=NDJSON, Idempotency_Key="k1")
    assert second.body == first.body
    assert second["Idempotency-Replayed"] == "true"
    assert backend.index == written
    assert len({line["_id"] for line in first.lines()}) == 3


async def test_ids_derived_from_a_key_that_is_a_uuid7_carry_its_time(shop: Api) -> None:
    id = (await shop("POST", DOCS, {"n": 1}, Idempotency_Key=UUID7)).json()["_id"]
    assert UUID(id).version == 7
    assert id[:13] == UUID7[:13]
    other = (await shop("POST", DOCS, {"n": 1}, Idempotency_Key="not a uuid")).json()["_id"]
    assert UUID(other).version == 8


async def test_a_key_may_be_quoted(shop: Api) -> None:
    await shop("PUT", f"{DOCS}/1", {}, Idempotency_Key='"k 1"')
    assert (await shop("PUT", f"{DOCS}/1", {}, Idempotency_Key="k 1"))["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", '""', "x" * 129, "a\tb", "ä"])
async def test_what_cannot_be_a_key_is_400(shop: Api, key: str) -> None:
    for method, target, body in WRITES:
        assert (await shop(method, target, body, Idempotency_Key=key)).code == "invalid_request"
    assert (await shop("POST", DOCS, b"{}", Content_Type=NDJSON, Idempotency_Key=key)).code == "invalid_request"


async def test_a_key_has_no_meaning_for_a_read(shop: Api) -> None:
    answer = await shop("GET", DOCS, Idempotency_Key="k1")
    assert (answer.status, answer.code) == (400, "unknown_option")


# What became of it --------------------------------------------------------------------------------


async def test_what_became_of_a_write_can_be_asked(shop: Api) -> None:
    put = await shop("PUT", f"{DOCS}/1", {}, Idempotency_Key="a/b c")
    record = (await shop("GET", "/v1/dbs/shop/requests/a%2Fb%20c")).json()
    assert (record["key"], record["outcome"], record["code"], record["status"]) == ("a/b c", "applied", "ok", 201)
    assert record["etag"] == put["ETag"]
    assert record["expires_ms"] == record["time_ms"] + 24 * 3600 * 1000


async def test_what_became_of_a_refused_write_can_be_asked(shop: Api) -> None:
    await shop("DELETE", f"{DOCS}/none", Idempotency_Key="k1")
    record = (await shop("GET", "/v1/dbs/shop/requests/k1")).json()
    assert (record["outcome"], record["code"], record["status"]) == ("not_applied", "document_not_found", 404)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome("ok", data={"results": [], "resume": None}), 200),
        (Outcome("ok", 9, data={"results": [[0, 2, 9]], "resume": None}), 200),
        (Outcome("ok", 9, data={"results": [[0, 2, 9], ["update_refused"]], "resume": None}), 207),
        (Outcome("ok", 9, created=True, data={"modified": False, "document": None, "id": b"1"}), 200),
        (Outcome("ok", data={"modified": True, "document": None}), 200),
        (Outcome("ok", created=True, data=(("ok", 9), ("ok", 10))), 200),
        (Outcome("ok", created=True, data=(("ok", 9), ("duplicate_key", 0))), 207),
        (Outcome("ok", 9, created=True), 201),
        (Outcome("ok"), 204),
    ],
)
async def test_what_became_of_a_write_has_the_status_that_it_was_answered_with(
    shop: Api, backend: FakeBackend, outcome: Outcome, status: int
) -> None:
    backend.records["shop", "k"] = (RequestRecord("k", b"p" * 16, outcome, 0), None)
    record = (await shop("GET", "/v1/dbs/shop/requests/k")).json()
    assert (record["outcome"], record["code"], record["status"]) == ("applied", "ok", status)


async def test_what_became_of_a_catalog_write_can_be_asked(api: Api) -> None:
    await api("PUT", "/v1/dbs/shop", {}, Idempotency_Key="k1")
    assert (await api("GET", "/v1/requests/k1")).json()["status"] == 201
    again = await api("PUT", "/v1/dbs/shop", {}, Idempotency_Key="k1")
    assert again.status == 201
    await api("DELETE", "/v1/dbs/shop", Idempotency_Key="k2")
    assert (await api("GET", "/v1/requests/k2")).json()["status"] == 204


async def test_an_unknown_key_is_404(shop: Api) -> None:
    assert (await shop("GET", "/v1/dbs/shop/requests/none")).code == "request_not_found"
    assert (await shop("GET", "/v1/requests/none")).code == "request_not_found"
    assert (await shop("GET", f"/v1/requests/{'x' * 129}")).code == "invalid_request"
    assert (await shop("GET", "/v1/requests/%C3%A4")).code == "invalid_request"
