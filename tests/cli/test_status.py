"""`raftdoc status` shows what the node answers, and makes what is wrong stand out."""

from __future__ import annotations

from typing import Any

from raftdoc.cli.status import describe

CLUSTER: dict[str, Any] = {
    "cluster_id": "shop",
    "members": [
        {"id": "n1", "http": "http://127.0.0.1:8101", "peer": "127.0.0.1:7101", "host": "box", "alive": True},
        {"id": "n2", "http": "http://127.0.0.1:8102", "peer": "127.0.0.1:7102", "host": "box", "alive": False},
    ],
    "groups": [
        {
            "id": 0,
            "database": None,
            "leader": "n1",
            "term": 3,
            "commit_index": 42,
            "replicas": [
                {"node": "n1", "role": "leader", "applied_index": 42},
                {"node": "n2", "role": "follower", "applied_index": None},
            ],
        },
        {"id": 1, "database": "orders", "leader": None, "term": 4, "commit_index": 7, "replicas": []},
    ],
    "limits": {},
}

SHOWN = """\
cluster shop

NODE  HTTP                   PEER            HOST  ALIVE
n1    http://127.0.0.1:8101  127.0.0.1:7101  box   yes
n2    http://127.0.0.1:8102  127.0.0.1:7102  box   NO

GROUP  DATABASE   LEADER  TERM  COMMITTED  APPLIED
0      (catalog)  n1      3     42         n1 42, n2 ?
1      orders     NONE    4     7"""


def test_tables_show_leaders_and_indexes() -> None:
    assert describe(CLUSTER) == SHOWN
