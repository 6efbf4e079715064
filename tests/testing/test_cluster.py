"""The cluster that raftdoc gives to the tests of others."""

from __future__ import annotations

import pytest

from raftdoc.client.blocking import Client, Database
from raftdoc.testing import CannotStart, LocalCluster

pytestmark = pytest.mark.processes
pytest_plugins: list[str] = []


def test_a_write_survives_the_death_of_a_node(raftdoc_cluster: LocalCluster) -> None:
    with Client(raftdoc_cluster.urls) as client:
        docs = client.create_database("survives").collection("c")
        docs.put("a", {"x": 1})
        raftdoc_cluster.kill("n1")
        docs.put("b", {"x": 2})
        raftdoc_cluster.start("n1")
        assert [docs.get("a"), docs.get("b")] == [{"_id": "a", "x": 1}, {"_id": "b", "x": 2}]
    assert "n1" in raftdoc_cluster.log("n1")


@pytest.mark.parametrize("attempt", [1, 2])
def test_every_test_has_a_database_of_its_own(raftdoc_database: Database, attempt: int) -> None:
    assert raftdoc_database.collections() == []
    raftdoc_database.collection("c").put("a", {"attempt": attempt})


def test_a_paused_node_is_passed_over(raftdoc_cluster: LocalCluster, raftdoc_database: Database) -> None:
    raftdoc_cluster.pause("n3")
    try:
        raftdoc_database.collection("c").put("a", {})
    finally:
        raftdoc_cluster.resume("n3")


def test_a_setting_that_is_none_is_said_with_the_log_of_the_node() -> None:
    with pytest.raises(CannotStart, match="heartbeat"), LocalCluster(1, settings={"heartbeat-interval-ms": "none"}):
        pass


def test_a_cluster_has_a_node() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        LocalCluster(0)
