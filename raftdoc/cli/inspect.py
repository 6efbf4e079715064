"""`raftdoc inspect`: look into the data directory of a node that is stopped."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raftdoc.cli.commands import EXIT_BAD_NEWS, Subparsers, add_command, complain, table, whole_number
from raftdoc.errors import Fatal
from raftdoc.ids import GroupId, Index

if TYPE_CHECKING:
    from raftdoc.cli.stopped_node import StoppedNode

DESCRIPTION = """\
Reads the log and the state of one node as a start would, and changes nothing. The node has to be stopped.

  raftdoc inspect raftdoc-data/n1                               the log, and every group
  raftdoc inspect raftdoc-data/n1 --entries 1 --first 40        what is in the log of group 1 from index 40 on
  raftdoc inspect raftdoc-data/n1 --digest                      checks every stored byte against the state's digest

Applied indexes are those of the state on disk: what follows them in the log is applied again at the next start.

Exit code 0: all is well. 1: a digest differs, the collection named is damaged on this node. 65: a checksum fails.
78: this is no data directory, or its node runs.
"""


def add_parser(commands: Subparsers) -> None:
    parser = add_command(
        commands, "inspect", run, summary="read the data directory of a stopped node", description=DESCRIPTION
    )
    parser.add_argument("data", type=Path, metavar="DIR", help="the node's data directory")
    parser.add_argument(
        "--entries", type=whole_number(0, 1 << 31), metavar="GROUP", help="print log entries of a group"
    )
    parser.add_argument("--first", type=whole_number(1, 1 << 62), default=1, metavar="INDEX", help="with --entries (1)")
    parser.add_argument("--count", type=whole_number(1, 1 << 31), default=20, metavar="COUNT", help="of entries (20)")
    parser.add_argument("--digest", action="store_true", help="work out every digest from what is stored, and compare")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.cli.stopped_node import open_stopped
    from raftdoc.server.crash import exit_code

    try:
        with open_stopped(arguments.data) as node:
            if arguments.entries is not None:
                return _print_entries(node, GroupId(arguments.entries), Index(arguments.first), arguments.count)
            report = _report(node, with_digest=arguments.digest)
    except Fatal as error:
        complain(f"{error.title}: {error.detail}")
        return exit_code(error)
    except OSError as error:
        complain(str(error))
        return os.EX_CONFIG
    print(json.dumps(report, indent=2) if arguments.json else describe(report))
    return EXIT_BAD_NEWS if any(group["differing"] for group in report["groups"]) else 0


def _print_entries(node: StoppedNode, group: GroupId, first: Index, count: int) -> int:
    from raftdoc.cli.stopped_node import describe_entry

    if group not in node.log.groups:
        complain(f"the log has no group {group}; it has {', '.join(map(str, sorted(node.log.groups))) or 'none'}")
        return EXIT_BAD_NEWS
    for entry in node.entries(group, first, count):
        print(describe_entry(entry))
    return 0


def _report(node: StoppedNode, *, with_digest: bool) -> dict[str, Any]:
    """Return all that is told, in JSON's types."""
    groups = []
    for group in node.groups():
        found, differing = node.digest(group.group) if with_digest else ({}, [])
        groups.append(group._asdict() | {"digest": found, "differing": differing})
    log = node.log
    return {
        "identity": node.identity._asdict(),
        "log": {
            "first_segment": log.first_segment,
            "last_segment": log.last_segment,
            "is_clean": log.is_clean,
            "cut_bytes": log.cut_bytes,
        },
        "groups": groups,
    }


def describe(report: dict[str, Any]) -> str:
    """Return the report for people."""
    identity, log, groups = report["identity"], report["log"], report["groups"]
    made = datetime.fromtimestamp(identity["created_ms"] / 1000, UTC).isoformat(timespec="seconds")
    head = ("GROUP", "DATABASE", "TERM", "VOTE", "VOTERS", "LOG", "APPLIED", "COLLECTIONS", "DOCUMENTS")
    lines = [
        f"node {identity['node']} of cluster {identity['cluster']}, store {identity['store']}, made {made}",
        f"log segments {log['first_segment']} to {log['last_segment']}, {_end_of_log(log)}",
        "",
        table(head, [_row(group) for group in groups]),
    ]
    if any(group["digest"] for group in groups):
        lines += ["", table(("GROUP", "DIGEST OF", "STORED", ""), _digest_rows(groups))]
    return "\n".join(lines)


def _end_of_log(log: dict[str, Any]) -> str:
    if log["cut_bytes"]:
        return f"torn at its end: {log['cut_bytes']} bytes that were never acknowledged are cut at the next start"
    return "closed in order" if log["is_clean"] else "not closed in order (kill -9, power loss)"


def _row(group: dict[str, Any]) -> tuple[object, ...]:
    span = f"{group['first_index']}-{group['last_index']}" if group["last_index"] >= group["first_index"] else "empty"
    name = group["database"] or ("(catalog)" if group["group"] == 0 else "-")
    voters = ",".join(group["voters"])
    counts = (group["collections"], group["documents"])
    return group["group"], name, group["term"], group["vote"] or "-", voters, span, group["applied_index"], *counts


def _digest_rows(groups: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (group["group"], name, digest, "DIFFERS" if name in group["differing"] else "as kept")
        for group in groups
        for name, digest in sorted(group["digest"].items())
    ]
