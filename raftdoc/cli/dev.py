"""`raftdoc dev`: a whole cluster on this machine, each node a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

from raftdoc.cli.commands import EXIT_BAD_NEWS, Subparsers, add_command, complain, whole_number

DESCRIPTION = """\
Starts --nodes real node processes that listen on loopback only: HTTP on --port and the ports after it, peers a thousand
below. Waits until every node is ready, then prints their URLs; their logs come to standard error as one stream.
Ctrl-C (or SIGTERM) stops all. Run it again in the same place and it starts again on the same data.

A node that ends is reported and not started again, so that you can see how the others do without it:
  kill -9 the leader's pid, and write again.

Settings for all nodes can be given in the environment: RAFTDOC_ELECTION_TIMEOUT_MS=300 raftdoc dev
"""
PEER_PORT_OFFSET = 1000
NODES_MAX = 9
DEFAULT_DATA = Path("raftdoc-data")


def add_parser(commands: Subparsers) -> None:
    parser = add_command(commands, "dev", run, summary="run a cluster on this machine", description=DESCRIPTION)
    parser.add_argument("--nodes", type=whole_number(1, NODES_MAX), default=3, metavar="COUNT", help="nodes (3)")
    parser.add_argument(
        "--port",
        type=whole_number(PEER_PORT_OFFSET + 1024, 65535 - NODES_MAX),
        default=8101,
        metavar="PORT",
        help=f"HTTP port of the first node; it listens to its peers {PEER_PORT_OFFSET} below (8101)",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help=f"directory of all data (./{DEFAULT_DATA})"
    )
    place.add_argument(
        "--ephemeral", action="store_true", help="keep nothing: a temporary directory, removed at the end"
    )


def run(arguments: argparse.Namespace) -> int:
    from raftdoc.cli.dev_cluster import DevCluster
    from raftdoc.cli.dev_place import CannotStart, open_place, taken_ports

    data = Path(tempfile.mkdtemp(prefix="raftdoc-dev-")) if arguments.ephemeral else arguments.data
    try:
        place = open_place(data, node_count=arguments.nodes, http_port=arguments.port, peer_offset=PEER_PORT_OFFSET)
        taken = taken_ports(place)
        if taken:
            complain(*taken, "stop what listens there, or choose another --port")
            return EXIT_BAD_NEWS
        return asyncio.run(DevCluster(place).run())
    except CannotStart as error:
        complain(str(error))
        return EXIT_BAD_NEWS
    finally:
        if arguments.ephemeral:
            shutil.rmtree(data, ignore_errors=True)
