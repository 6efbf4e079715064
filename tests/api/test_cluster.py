"""The cluster and the node itself."""

from __future__ import annotations

import pytest

from .conftest import JSON, Api
from .fake_backend import FakeBackend

TRANSFER = "/v1/cluster/transfer-leader"


async def test_the_cluster_is_shown_with_its_groups(shop: Api) -> None:
    cluster = (await shop("GET", "/v1/cluster")).json()
    assert cluster["cluster_id"] == "fake"
    assert [member["id"] for member in cluster["members"]] == ["n1"]
    assert [(group["id"], group["database"]) for group in cluster["groups"]] == [(0, None), (1, "shop")]
    assert cluster["groups"][1]["replicas"][0]["role"] == "leader"
    assert (await shop("GET", "/v1/cluster/groups")).json() == {"groups": cluster["groups"]}


async def test_leadership_is_handed_over(shop: Api, backend: FakeBackend) -> None:
    assert (await shop("POST", TRANSFER, {"group": 1, "to": "n1"})).status == 202
    assert (await shop("POST", TRANSFER, {"group": 1})).json() == {"group": 1, "to": None}
    assert backend.transfers == [(1, "n1"), (1, None)]
    assert (await shop("POST", TRANSFER, {"group": 9})).code == "group_not_found"
    assert (await shop("POST", TRANSFER, {"group": 1, "to": "n9"})).code == "invalid_request"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"group":"1"}', b'{"group":true}', b'{"group":-1}', b'{"group":1,"to":2}', b"[]"]
)
async def test_a_hand_over_of_no_group_is_400(shop: Api, body: bytes) -> None:
    assert (await shop("POST", TRANSFER, body, Content_Type=JSON)).code == "invalid_request"


async def test_an_unknown_member_is_400_with_its_pointer(shop: Api) -> None:
    answer = await shop("POST", TRANSFER, {"group": 1, "force/now": True})
    assert (answer.code, answer.json()["errors"][0]["pointer"]) == ("unknown_option", "/force~1now")


async def test_livez_answers_while_the_process_serves(api: Api, backend: FakeBackend) -> None:
    backend.missing = ["group 1 has no leader"]
    assert (await api("GET", "/livez")).json() == {"status": "alive"}


async def test_readyz_says_what_is_missing(api: Api, backend: FakeBackend) -> None:
    assert (await api("GET", "/readyz")).json() == {"status": "ready"}
    backend.missing = ["group 1 has no leader", "group 2 has 9000 entries to apply"]
    answer = await api("GET", "/readyz")
    assert (answer.status, answer.code) == (503, "not_ready")
    assert [error["detail"] for error in answer.json()["errors"]] == backend.missing
    assert answer["Retry-After"] == "1"


async def test_metrics_count_requests_by_operation_and_status(shop: Api) -> None:
    await shop("GET", "/v1/dbs/none")
    await shop("GET", "/nowhere")
    answer = await shop(
        "GET", "/metrics", Accept="application/openmetrics-text;q=0.5, text/plain;version=0.0.4, */*;q=0.1"
    )
    lines = answer.body.decode().splitlines()
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'raftdoc_http_requests_total{operation="create_database",status="201"} 1' in lines
    assert 'raftdoc_http_requests_total{operation="get_database",status="404"} 1' in lines
    assert 'raftdoc_http_requests_total{operation="none",status="404"} 1' in lines
    assert 'raftdoc_http_request_seconds_count{operation="create_database"} 1' in lines
    assert "raftdoc_http_connections 1" in lines


async def test_request_ids_are_the_callers_or_new(api: Api) -> None:
    assert (await api("GET", "/livez", X_Request_Id="my-id.7_x"))["X-Request-Id"] == "my-id.7_x"
    made = [(await api("GET", "/livez"))["X-Request-Id"] for _ in range(3)]
    assert len(set(made)) == 3
    for bad in ("", "a b", "x" * 129, "a/b"):
        answer = await api("GET", "/nowhere", X_Request_Id=bad)
        assert answer["X-Request-Id"] not in (bad, "")
        assert answer.json()["request_id"] == answer["X-Request-Id"]
