"""`raftdoc cluster recover`: go on with what is left when most nodes are lost for good."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from raftdoc.cli.commands import EXIT_BAD_NEWS, Subparsers, add_command, complain, table
from raftdoc.errors import Fatal
from raftdoc.ids import NodeId

if TYPE_CHECKING:
    from raftdoc.cli.quorum_recovery import GroupPlan
    from raftdoc.cli.stopped_node import StoppedNode

DESCRIPTION = """\
THIS LOSES DATA. Use it only when so many nodes are lost for good that groups have no majority any more, and never
will have one again. While a lost node may come back, wait for it: it brings everything with it.

What only the lost nodes had is gone, writes that were acknowledged among it. Writes that were never acknowledged may
appear. If a lost node is started again later, it is refused only once it has been removed (below).

1. Stop every node that is left, and see to it that no lost node starts again.
2. On each survivor, with the same list of survivors (look first: without the flag nothing is changed):
     raftdoc cluster recover /var/lib/raftdoc/n1 --survivors n1 --accept-data-loss
3. Start the survivors. Remove every lost node:      raftdoc cluster remove n2
4. Add new ones in their place:                      raftdoc serve --node n4 --join URL ...

Refuses to run while any other node of the cluster answers, and where nothing is lost. Exit code 0: done. 1: refused,
or only shown. 65, 78: the directory cannot be used.
"""
ASK_TIMEOUT_S = 2.0


def add_parser(commands: Subparsers) -> None:
    parser = add_command(
        commands, "recover", run, summary="go on after the loss of a quorum; LOSES DATA", description=DESCRIPTION
    )
    parser.add_argument("data", type=Path, metavar="DIR", help="data directory of a survivor, which is stopped")
    parser.add_argument(
        "--survivors", required=True, metavar="ID,...", help="every node that is left, this one included"
    )
    parser.add_argument(
        "--accept-data-loss", action="store_true", help="do it; without this flag it is only shown what would be done"
    )


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.server.crash import exit_code

    survivors = tuple(sorted({NodeId(name.strip()) for name in arguments.survivors.split(",") if name.strip()}))
    try:
        return _recover(arguments.data, survivors, is_accepted=arguments.accept_data_loss)
    except Fatal as error:
        complain(f"{error.title}: {error.detail}")
        return exit_code(error)
    except OSError as error:
        complain(str(error))
        return os.EX_CONFIG


def _recover(path: Path, survivors: tuple[NodeId, ...], *, is_accepted: bool) -> int:
    from raftdoc.cli.quorum_recovery import plans, rewrite
    from raftdoc.cli.stopped_node import open_stopped

    with open_stopped(path) as node:
        me = node.identity.node
        refusal = _refusal(node, survivors)
        todo = list(plans(node, survivors))
    if refusal:
        complain(*refusal)
        return EXIT_BAD_NEWS
    print(_describe(todo))
    changed = [plan for plan in todo if plan.is_rewritten]
    if not changed:
        complain(f"there is nothing to recover on node {me}: start the survivors")
        return EXIT_BAD_NEWS
    if not is_accepted:
        complain("nothing was changed. Whatever only the lost nodes had will be gone: to go on, --accept-data-loss")
        return EXIT_BAD_NEWS
    rewrite(path, me, changed, survivors)
    print(f"\nnode {me} goes on with {', '.join(survivors)}. Do the same on every survivor, then start them.")
    return 0


def _refusal(node: StoppedNode, survivors: tuple[NodeId, ...]) -> list[str]:
    """Return why this is not to be done; nothing: it may be."""
    known = node.nodes()
    strangers = [survivor for survivor in survivors if survivor not in known]
    if strangers:
        return [f"the catalog here knows no node {', '.join(strangers)}; it knows {', '.join(sorted(known))}"]
    if node.identity.node not in survivors:
        return [f"this is the directory of node {node.identity.node}, which is none of the survivors"]
    living = [id_ for id_, url in sorted(known.items()) if id_ != node.identity.node and _answers(url)]
    if living:
        return [
            f"node {', '.join(living)} answers: the cluster is not lost, or not stopped",
            "this is for nodes that are gone for good; stop those that are left before you recover them",
        ]
    return []


def _answers(url: str) -> bool:
    from raftdoc.client import control

    try:
        control.call("GET", f"{url}/livez", timeout_s=ASK_TIMEOUT_S)
    except control.NodeUnreachable:
        return False
    return True


def _describe(todo: list[GroupPlan]) -> str:
    """Return what is done for each group."""
    rows = []
    for plan in todo:
        name = plan.database or ("(catalog)" if plan.group == 0 else "-")
        if plan.is_rewritten:
            what = f"goes on with {', '.join(plan.survivors)}"
        elif not plan.survivors:
            what = "LOST: no survivor has a vote in it"
        else:
            what = "stays as it is"
        rows.append((plan.group, name, ", ".join(plan.voters), what))
    return table(("GROUP", "DATABASE", "VOTERS", ""), rows)
