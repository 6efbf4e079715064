"""Members: listed, let in, drained, removed; and how far that is."""

from __future__ import annotations

from typing import Any

import pytest

from raftdoc.database.requests import RebalancingStep
from raftdoc.errors import ChangePending, NodeIdUsed, NodeUnreachable, OtherCluster, QuorumAtRisk
from raftdoc.ids import GroupId, NodeId

from .conftest import Api
from .fake_backend import NODE, FakeBackend

MEMBERS = "/v1/cluster/members"
DRAIN = "/v1/cluster/drain"
REBALANCE = "/v1/cluster/rebalance"
JOINING = {
    "id": "n2",
    "store_id": "s2",
    "cluster_id": "fake",
    "http": "http://127.0.0.1:8102",
    "peer": "127.0.0.1:7102",
    "host": "h2",
}


async def test_a_node_joins_and_its_operation_tells_how_far_it_is(api: Api) -> None:
    first = await api("POST", MEMBERS, JOINING)
    assert (first.status, first["Location"]) == (202, "/v1/operations/join-n2")
    assert first.json()["member"]["state"] == "joining"
    assert (await api("POST", MEMBERS, JOINING)).status == 200
    assert [member["id"] for member in (await api("GET", MEMBERS)).json()["members"]] == ["n1", "n2"]
    assert (await api("GET", f"{MEMBERS}/n2")).json()["http"] == JOINING["http"]
    assert (await api("GET", first["Location"])).json()["state"] == "running"


async def test_a_node_is_drained_and_removed(api: Api) -> None:
    drained = await api("POST", DRAIN, {"node": "n1"})
    assert (drained.status, drained.json()["operation"]) == (202, "drain-n1")
    assert drained.json()["member"]["state"] == "draining"
    assert (await api("POST", DRAIN, {"node": "n1", "undo": True})).json()["member"]["state"] == "member"
    removed = await api("DELETE", f"{MEMBERS}/n1")
    assert (removed.status, removed["Location"]) == (202, "/v1/operations/remove-n1")


async def test_what_is_not_there_is_404(api: Api) -> None:
    assert (await api("GET", f"{MEMBERS}/n9")).code == "node_not_found"
    assert (await api("DELETE", f"{MEMBERS}/n9")).code == "node_not_found"
    assert (await api("POST", DRAIN, {"node": "n9"})).code == "node_not_found"
    for id in ("remove-n9", "build-n1", "n1", "x"):
        assert (await api("GET", f"/v1/operations/{id}")).code == "operation_not_found"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"id": "no id"}, "/id"),
        ({"id": None}, "/id"),
        ({"peer": "nowhere"}, "/peer"),
        ({"http": "n2:8102"}, "/http"),
        ({"store_id": ""}, "/store_id"),
        ({"host": 7}, "/host"),
        ({"votes": 2}, "/votes"),
    ],
)
async def test_a_node_that_says_nonsense_of_itself_is_400(api: Api, change: dict[str, Any], pointer: str) -> None:
    answer = await api("POST", MEMBERS, JOINING | change)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize("body", [{}, {"node": 1}, {"node": "n1", "undo": "yes"}, {"nodes": ["n1"]}])
async def test_a_drain_of_nothing_is_400(api: Api, body: dict[str, Any]) -> None:
    assert (await api("POST", DRAIN, body)).status == 400


@pytest.mark.parametrize("refusal", [OtherCluster, NodeIdUsed, NodeUnreachable, ChangePending, QuorumAtRisk])
async def test_a_refusal_is_409_with_its_code(api: Api, backend: FakeBackend, refusal: type[OtherCluster]) -> None:
    backend.failures = [refusal("why")]
    answer = await api("POST", MEMBERS, JOINING)
    assert (answer.status, answer.code, answer.json()["outcome"]) == (409, refusal.code, "not_applied")


async def test_an_idempotency_key_means_nothing_here(api: Api) -> None:
    assert (await api("DELETE", f"{MEMBERS}/n1", Idempotency_Key="k")).code == "unknown_option"


async def test_a_rebalancing_pass_says_its_steps_and_who_tells_how_far_it_is(api: Api, backend: FakeBackend) -> None:
    backend.to_rebalance = (RebalancingStep(GroupId(1), "shop", "replica", NODE, NodeId("n2"), "node n1 is draining"),)
    steps = [
        {"group": 1, "database": "shop", "kind": "replica", "from": "n1", "to": "n2", "why": "node n1 is draining"}
    ]
    begun = await api("POST", REBALANCE)
    assert (begun.status, begun["Location"]) == (202, "/v1/operations/rebalance-1")
    assert begun.json() == {"moves": 1, "steps": steps, "operation": "rebalance-1"}


async def test_a_dry_run_and_a_balanced_cluster_begin_nothing(api: Api, backend: FakeBackend) -> None:
    balanced = await api("POST", REBALANCE, {})
    assert (balanced.status, balanced.json()) == (200, {"moves": 0, "steps": [], "operation": None})
    backend.to_rebalance = (RebalancingStep(GroupId(1), "shop", "leadership", NODE, NodeId("n2"), "why"),)
    dry = await api("POST", REBALANCE, {"dry_run": True})
    assert (dry.status, dry.json()["moves"], dry.json()["operation"]) == (200, 1, None)


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"dry": True}])
async def test_a_rebalancing_pass_of_nonsense_is_400(api: Api, body: dict[str, Any]) -> None:
    assert (await api("POST", REBALANCE, body)).status == 400
