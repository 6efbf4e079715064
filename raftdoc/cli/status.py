"""`raftdoc status`: the cluster as one of its nodes sees it."""

from __future__ import annotations

import argparse
import json
from typing import Any

from raftdoc.cli.commands import EXIT_BAD_NEWS, Subparsers, add_command, add_url, table, unavailable, urls_of

DESCRIPTION = """\
Asks one node for what it knows (GET /v1/cluster). Exit code 0: every group has a leader. 1: some group has none.
69: no node answers.
"""


def add_parser(commands: Subparsers) -> None:
    parser = add_command(
        commands, "status", run, summary="show nodes, groups, leaders and indexes", description=DESCRIPTION
    )
    add_url(parser)
    parser.add_argument("--json", action="store_true", help="print the node's own answer")


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.client import control

    try:
        cluster = control.first_answer(urls_of(arguments), "/v1/cluster").json()
    except control.NodeUnreachable as error:
        return unavailable(error)
    print(json.dumps(cluster, indent=2) if arguments.json else describe(cluster))
    return 0 if all(group.get("leader") for group in cluster["groups"]) else EXIT_BAD_NEWS


def describe(cluster: dict[str, Any]) -> str:
    """Return the tables of nodes and groups for the body of `GET /v1/cluster`."""
    nodes = [
        (member["id"], member["http"], member["peer"], member["host"], "yes" if member["alive"] else "NO")
        for member in cluster["members"]
    ]
    groups = [_group_row(group) for group in cluster["groups"]]
    return "\n".join(
        [
            f"cluster {cluster['cluster_id']}",
            "",
            table(("NODE", "HTTP", "PEER", "HOST", "ALIVE"), nodes),
            "",
            table(("GROUP", "DATABASE", "LEADER", "TERM", "COMMITTED", "APPLIED"), groups),
        ]
    )


def _group_row(group: dict[str, Any]) -> tuple[object, ...]:
    applied = ", ".join(f"{replica['node']} {_index(replica['applied_index'])}" for replica in group["replicas"])
    database = group["database"] if group["database"] is not None else "(catalog)"
    return group["id"], database, group["leader"] or "NONE", group["term"], group["commit_index"], applied


def _index(applied_index: int | None) -> str:
    return "?" if applied_index is None else str(applied_index)
