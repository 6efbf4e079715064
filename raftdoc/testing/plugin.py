"""pytest fixtures for programs that use raftdoc. Installed with raftdoc; nothing starts before a test asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from raftdoc.client.blocking import Database
    from raftdoc.testing.cluster import LocalCluster


@pytest.fixture(scope="session")
def raftdoc_cluster() -> Iterator[LocalCluster]:
    """A running cluster of three nodes, for the whole session."""
    from raftdoc.testing.cluster import LocalCluster

    with LocalCluster(nodes=3) as cluster:
        yield cluster


@pytest.fixture
def raftdoc_database(raftdoc_cluster: LocalCluster) -> Iterator[Database]:
    """A fresh database of `raftdoc_cluster`, seen by a blocking client; it is dropped after the test."""
    from raftdoc.client.blocking import Client

    name = f"test-{uuid4().hex}"
    with Client(raftdoc_cluster.urls) as client:
        yield client.create_database(name)
        client.drop_database(name)
