"""Documents in the order of their ids, page by page."""

from __future__ import annotations

import pytest

from raftdoc.errors import DeadlineExceeded, NoLeader

from .conftest import Api
from .fake_backend import FakeBackend

DOCS = "/v1/dbs/shop/collections/orders/docs"
NDJSON = "application/x-ndjson"


async def fill(shop: Api, count: int = 25) -> None:
    body = b"".join(b'{"_id":%d}\n' % n for n in range(count))
    assert (await shop("POST", DOCS, body, Content_Type=NDJSON)).status == 200


async def walk(shop: Api, query: str) -> list[int]:
    """Return the ids of all pages."""
    ids: list[int] = []
    cursor = ""
    while True:
        page = (await shop("GET", f"{DOCS}?{query}{cursor}")).json()
        ids += [document["_id"] for document in page["documents"]]
        if page["cursor"] is None:
            return ids
        cursor = f"&cursor={page['cursor']}"


async def test_an_empty_collection_is_an_empty_page(shop: Api) -> None:
    page = (await shop("GET", DOCS)).json()
    assert (page["documents"], page["cursor"]) == ([], None)


async def test_a_missing_collection_is_404(shop: Api) -> None:
    assert (await shop("GET", "/v1/dbs/shop/collections/none/docs")).code == "collection_not_found"


@pytest.mark.parametrize("limit", [1, 7, 25, 100])
async def test_pages_follow_one_another_without_gap_or_repeat(shop: Api, limit: int) -> None:
    await fill(shop)
    assert await walk(shop, f"limit={limit}") == list(range(25))


async def test_a_page_is_shorter_where_bytes_are_many(shop: Api, backend: FakeBackend) -> None:
    await fill(shop)
    backend.page_bytes_max = 50
    assert len((await shop("GET", f"{DOCS}?limit=10")).json()["documents"]) < 10
    assert await walk(shop, "limit=10") == list(range(25))


async def test_the_limit_may_change_from_page_to_page(shop: Api) -> None:
    await fill(shop)
    cursor = (await shop("GET", f"{DOCS}?limit=3")).json()["cursor"]
    page = (await shop("GET", f"{DOCS}?limit=5&cursor={cursor}")).json()
    assert [document["_id"] for document in page["documents"]] == [3, 4, 5, 6, 7]


async def test_a_cursor_sees_later_writes(shop: Api) -> None:
    await fill(shop, 4)
    cursor = (await shop("GET", f"{DOCS}?limit=2")).json()["cursor"]
    await shop("DELETE", f"{DOCS}/2?id_type=json")
    await shop("POST", DOCS, {"_id": 2.5})
    page = (await shop("GET", f"{DOCS}?cursor={cursor}")).json()
    assert [document["_id"] for document in page["documents"]] == [2.5, 3]


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "10001", "ten", "", "%31x", "1e2", "+1", "²"])
async def test_a_limit_that_is_none_is_400(shop: Api, limit: str) -> None:
    from urllib.parse import quote

    assert (await shop("GET", f"{DOCS}?limit={quote(limit, safe='%+')}")).code == "invalid_request"


async def test_every_change_to_a_cursor_is_noticed(shop: Api) -> None:
    await fill(shop)
    cursor = (await shop("GET", f"{DOCS}?limit=2")).json()["cursor"]
    for position in range(len(cursor)):
        changed = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        assert (await shop("GET", f"{DOCS}?cursor={changed}")).code == "invalid_cursor"
    for changed in ("", cursor[:-1], cursor + "A", cursor + "=", "%00", "x" * 3000):
        assert (await shop("GET", f"{DOCS}?cursor={changed}")).code == "invalid_cursor"


async def test_a_cursor_of_another_collection_is_400(shop: Api) -> None:
    await fill(shop)
    await shop("PUT", "/v1/dbs/shop/collections/other", {})
    cursor = (await shop("GET", f"{DOCS}?limit=2")).json()["cursor"]
    answer = await shop("GET", f"/v1/dbs/shop/collections/other/docs?cursor={cursor}")
    assert (answer.status, answer.code) == (400, "invalid_cursor")


async def test_ndjson_is_one_document_a_line_and_a_trailer(shop: Api) -> None:
    await fill(shop, 5)
    answer = await shop("GET", f"{DOCS}?limit=3", Accept=NDJSON)
    *documents, end = answer.lines()
    assert answer["Content-Type"] == NDJSON
    assert documents == [{"_id": 0}, {"_id": 1}, {"_id": 2}]
    assert end["$end"]["count"] == 3
    rest = await shop("GET", f"{DOCS}?cursor={end['$end']['cursor']}", Accept=NDJSON)
    *documents, end = rest.lines()
    assert documents == [{"_id": 3}, {"_id": 4}]
    assert (end["$end"]["count"], end["$end"]["cursor"]) == (2, None)


async def test_ndjson_goes_on_over_pages_up_to_the_limit(shop: Api, backend: FakeBackend) -> None:
    await fill(shop)
    backend.page_bytes_max = 50
    answer = await shop("GET", f"{DOCS}?limit=20", Accept=NDJSON)
    *documents, end = answer.lines()
    assert [document["_id"] for document in documents] == list(range(20))
    assert (end["$end"]["count"], end["$end"]["cursor"] is None) == (20, False)


async def test_an_error_on_the_way_takes_the_place_of_the_trailer(shop: Api, backend: FakeBackend) -> None:
    await fill(shop)
    backend.page_bytes_max = 50
    backend.failures = [None, NoLeader("the group has no leader")]
    answer = await shop("GET", f"{DOCS}?limit=20", Accept=NDJSON)
    *documents, last = answer.lines()
    assert answer.status == 200
    assert 0 < len(documents) < 20
    assert (last["$error"]["code"], last["$error"]["status"]) == ("no_leader", 503)


async def test_an_error_at_the_start_is_an_error(shop: Api, backend: FakeBackend) -> None:
    await fill(shop)
    backend.failures = [DeadlineExceeded("too late")]
    answer = await shop("GET", DOCS, Accept=NDJSON)
    assert (answer.status, answer.code) == (504, "deadline_exceeded")


async def test_head_of_a_list_has_no_body(shop: Api) -> None:
    await fill(shop)
    assert (await shop("HEAD", DOCS)).status == 200
    assert (await shop("HEAD", DOCS, Accept=NDJSON)).status == 200
    assert (await shop("GET", DOCS)).status == 200


async def test_accept_chooses_the_form(shop: Api) -> None:
    for accepted, kind in (
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json;q=0.5, application/x-ndjson", NDJSON),
        ("application/x-ndjson;q=0.5, */*;q=0.1", NDJSON),
    ):
        assert (await shop("GET", DOCS, Accept=accepted))["Content-Type"] == kind
    assert (await shop("GET", DOCS, Accept="text/csv")).code == "not_acceptable"
