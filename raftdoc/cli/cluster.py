"""`raftdoc cluster`: who belongs to the cluster, and how that changes."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from raftdoc.cli.commands import (
    EXIT_BAD_NEWS,
    Subparsers,
    add_command,
    add_url,
    complain,
    table,
    unavailable,
    urls_of,
    whole_number,
)

if TYPE_CHECKING:
    from raftdoc.client.control import Answer

DESCRIPTION = """\
A node joins by itself: start it with an empty data directory, a name that no node ever had, and any node's URL.
  raftdoc serve --node n4 --cluster-id shop --data /var/lib/raftdoc/n4 --join http://127.0.0.1:8101

  raftdoc cluster status                  nodes, their states, and how many replicas each has
  raftdoc cluster add n4                  wait until the node that joins is a member
  raftdoc cluster replace n2 n4           n4, started as above, takes the place of n2, dead or alive
  raftdoc cluster remove n2               move its replicas elsewhere, then let it go for good
  raftdoc cluster drain n2                move its replicas elsewhere; it stays (--undo: it may have replicas again)
  raftdoc cluster rebalance               put replicas and leaderships where they belong (--dry-run: only tell)
  raftdoc cluster transfer 7 --to n3      hand the leadership of group 7 over
  raftdoc cluster recover DIR ...         only when most nodes are lost for good: see its own --help

Everything but recover asks a running node. Changes go on by themselves; these commands wait and tell how far they are.
"""
ADD_DESCRIPTION = """\
Waits until a node that was started with `raftdoc serve --join URL` is a member. Exit code 0: it is. 1: not in time.
"""
REMOVE_DESCRIPTION = """\
Works for a node that is alive and for one that is dead. Its replicas are made anew on the other nodes first, as far as
there are nodes enough; then it is removed for good: its id is never used again, and its data directory is of no use.
A node that runs stops by itself (exit code 78).

Refused where a group would be left without a living majority.
"""
REPLACE_DESCRIPTION = """\
Start the new node first, with an empty data directory and a name that no node ever had:
  raftdoc serve --node NEW --cluster-id NAME --data DIR --join URL

This waits until it is a member, then removes the old one, whose replicas go to the nodes with the fewest: the new one.
"""
DRAIN_DESCRIPTION = """\
The node keeps its place in the cluster and serves requests, from the other nodes. With three nodes and three replicas
a drained node's databases have two replicas meanwhile.
"""
REBALANCING = """\
Replicas go where they belong without being asked, one at a time. This begins at once what was put off after a failure,
and then evens out who leads: after nodes were restarted a few may lead all groups. A hand-over makes the writes of its
group wait for a moment.
"""
TRANSFER_DESCRIPTION = """\
Groups are listed by `raftdoc status`; 0 is the catalog. Without --to the group chooses who is best.
"""
WAIT_S = 600
POLL_S = 0.2
MEMBERS = "/v1/cluster/members"
BAD_STATUS = 400
UNKNOWN = "not known yet"


def add_parser(commands: Subparsers) -> None:
    parser = add_command(
        commands, "cluster", _help, summary="add, replace, remove and drain nodes", description=DESCRIPTION
    )
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="cluster_command")
    from raftdoc.cli import recover

    _add(
        parsers, "status", _status, "show the nodes and where replicas are", "Asks one node (GET /v1/cluster/members)."
    )
    add = _add(parsers, "add", _await_member, "wait until a node that joins is a member", ADD_DESCRIPTION)
    replace = _add(parsers, "replace", _replace, "have a new node take the place of a dead one", REPLACE_DESCRIPTION)
    remove = _add(parsers, "remove", _remove, "remove a node for good", REMOVE_DESCRIPTION)
    drain = _add(parsers, "drain", _drain, "move the replicas of a node elsewhere", DRAIN_DESCRIPTION)
    rebalance = _add(parsers, "rebalance", _rebalance, "put replicas and leaderships in their place", REBALANCING)
    transfer = _add(parsers, "transfer", _transfer, "hand the leadership of a group over", TRANSFER_DESCRIPTION)
    replace.add_argument("old", metavar="OLD", help="the node to be replaced")
    for each in (add, replace, remove, drain):
        each.add_argument("node", metavar="NEW" if each is replace else "NODE", help="id of the node")
    for each in (add, replace, remove, drain, rebalance):
        each.add_argument(
            "--wait",
            type=whole_number(0, 1 << 31),
            default=WAIT_S,
            metavar="SECONDS",
            help=f"how long to wait for the end ({WAIT_S}); it goes on without",
        )
    drain.add_argument("--undo", action="store_true", help="let the node have replicas again")
    rebalance.add_argument("--dry-run", action="store_true", help="tell what there is to do, and do nothing")
    transfer.add_argument("group", type=whole_number(0, (1 << 32) - 1), metavar="GROUP", help="id of the group")
    transfer.add_argument("--to", metavar="NODE", help="who is to lead")
    recover.add_parser(parsers)


def _add(
    parsers: Subparsers, name: str, run: Callable[[argparse.Namespace], int], summary: str, description: str
) -> argparse.ArgumentParser:
    def guarded(arguments: argparse.Namespace) -> int:
        from raftdoc.client import control

        try:
            return run(arguments)
        except control.NodeUnreachable as error:
            return unavailable(error)

    parser = add_command(parsers, name, guarded, summary=summary, description=description)
    add_url(parser)
    return parser


def _help(arguments: argparse.Namespace) -> int:
    arguments.command_parser.print_help()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    members = _call(arguments, "GET", MEMBERS).json()["members"]
    rows = [
        (m["id"], m["state"], "yes" if m["alive"] else "NO", m["host"], m["http"], m["peer"], len(m["groups"]))
        for m in members
        if m["state"] != "removed"
    ]
    print(table(("NODE", "STATE", "ALIVE", "HOST", "HTTP", "PEER", "REPLICAS"), rows))
    removed = [m["id"] for m in members if m["state"] == "removed"]
    if removed:
        print(f"\nremoved: {', '.join(removed)}")
    return 0


def _await_member(arguments: argparse.Namespace) -> int:
    return _until_member(arguments, arguments.node)


def _until_member(arguments: argparse.Namespace, node: str) -> int:
    """Wait until a node is a member, saying what it is meanwhile."""
    shown: list[str] = []

    def is_over() -> bool:
        answer = _call(arguments, "GET", f"{MEMBERS}/{quote(node, safe='')}")
        state = str(answer.json()["state"]) if answer.status < BAD_STATUS else UNKNOWN
        if shown[-1:] != [state]:
            print(f"node {node} is {state}", flush=True)
            shown.append(state)
            if state == UNKNOWN:
                complain(f"start it with: raftdoc serve --node {node} --cluster-id NAME --data DIR --join URL")
        return state not in (UNKNOWN, "joining")

    _pause(time.monotonic() + arguments.wait, is_over)
    return 0 if shown[-1:] == ["member"] else EXIT_BAD_NEWS


def _pause(deadline: float, is_over: Callable[[], bool]) -> bool:
    """Look again and again; return whether it was over before the deadline."""
    while not is_over():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _replace(arguments: argparse.Namespace) -> int:
    code = _until_member(arguments, arguments.node)
    return code or _change(arguments, "DELETE", f"{MEMBERS}/{quote(arguments.old, safe='')}")


def _remove(arguments: argparse.Namespace) -> int:
    return _change(arguments, "DELETE", f"{MEMBERS}/{quote(arguments.node, safe='')}")


def _drain(arguments: argparse.Namespace) -> int:
    body = {"node": arguments.node, "undo": arguments.undo}
    code = _change(arguments, "POST", "/v1/cluster/drain", body, is_long=not arguments.undo)
    if code == 0 and arguments.undo:
        print(f"node {arguments.node} may have replicas again")
    return code


def _rebalance(arguments: argparse.Namespace) -> int:
    answer = _call(arguments, "POST", "/v1/cluster/rebalance", {"dry_run": arguments.dry_run})
    if answer.status >= BAD_STATUS:
        return _refused(answer)
    begun = answer.json()
    if not begun["steps"]:
        print("all is in its place")
        return 0
    rows = [
        (step["group"], step["database"] or "-", step["kind"], step["from"] or "-", step["to"] or "-", step["why"])
        for step in begun["steps"]
    ]
    print(table(("GROUP", "DATABASE", "MOVES", "FROM", "TO", "WHY"), rows))
    return 0 if begun["operation"] is None else _follow(arguments, begun["operation"])


def _transfer(arguments: argparse.Namespace) -> int:
    body = {"group": arguments.group, "to": arguments.to}
    code = _change(arguments, "POST", "/v1/cluster/transfer-leader", body, is_long=False)
    if code == 0:
        print(f"group {arguments.group} is being handed over; `raftdoc status` shows its leader")
    return code


def _change(
    arguments: argparse.Namespace, method: str, path: str, body: dict[str, Any] | None = None, *, is_long: bool = True
) -> int:
    """Begin a change, then follow its operation to the end."""
    answer = _call(arguments, method, path, body)
    if answer.status >= BAD_STATUS:
        return _refused(answer)
    return _follow(arguments, answer.json()["operation"]) if is_long else 0


def _refused(answer: Answer) -> int:
    problem = answer.json()
    complain(f"{problem['title']}: {problem['detail']} ({problem['code']})")
    return EXIT_BAD_NEWS


def _follow(arguments: argparse.Namespace, operation: str) -> int:
    deadline = time.monotonic() + arguments.wait
    shown: list[str] = []

    def is_over() -> bool:
        answer = _call(arguments, "GET", f"/v1/operations/{quote(operation, safe='')}")
        progress = answer.json()
        text = str(progress["detail"])
        if shown[-1:] != [text]:
            print(text, flush=True)
            shown.append(text)
        return answer.status < BAD_STATUS and progress["state"] == "done"

    if _pause(deadline, is_over):
        return 0
    complain(f"not done within {arguments.wait} s; it goes on: GET /v1/operations/{operation}")
    return EXIT_BAD_NEWS


def _call(arguments: argparse.Namespace, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
    """Return the answer of the first node that answers at all."""
    from raftdoc.client import control

    failure: control.NodeUnreachable | None = None
    sent = {name: value for name, value in (body or {}).items() if value is not None}
    data = None if body is None else json.dumps(sent).encode()
    for url in urls_of(arguments):
        try:
            return control.call(method, url + path, data, content_type="application/json")
        except control.NodeUnreachable as error:
            failure = error
    assert failure is not None
    raise failure
