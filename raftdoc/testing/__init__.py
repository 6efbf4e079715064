"""A real cluster for the tests of programs that use raftdoc: real processes, temporary data, loopback only.

    with LocalCluster(nodes=3) as cluster:
        client = Client(cluster.urls)
        cluster.kill("n2")                       # as kill -9 does
        cluster.start("n2")

pytest finds a fixture as soon as raftdoc is installed: `raftdoc_cluster` has a running cluster for the whole session,
`raftdoc_database` a fresh database of it for each test.

Duties of the caller: use it as a context manager, or call `close`; the processes live no longer than that. Starting
three nodes takes about a second; share a cluster between tests, and give each test a database of its own.
"""

from raftdoc.testing.cluster import CannotStart, LocalCluster

__all__ = ["CannotStart", "LocalCluster"]
