"""Where the cluster of `raftdoc dev` lives: its directory, its identity, its ports."""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import sys
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
IDENTITY = "dev.json"
SECRET = "secret"
DRAIN_TIMEOUT_MS = 1000
"""Short: when all nodes stop at once, there is nobody to hand leadership to."""


class CannotStart(RuntimeError):
    """The message says why, and what helps."""


class Identity(NamedTuple):
    cluster_id: str
    node_count: int


class NodePlace(NamedTuple):
    """Where one node of the cluster lives."""

    name: str
    http_port: int
    peer_port: int
    data: Path

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.http_port}"


class Place(NamedTuple):
    """Where the cluster lives."""

    data: Path
    cluster_id: str
    nodes: tuple[NodePlace, ...]

    def command(self, node: NodePlace) -> list[str]:
        """Return the command that runs this node, with this very Python."""
        peers = ",".join(f"{each.name}={LOOPBACK}:{each.peer_port}" for each in self.nodes)
        options = {
            "--node": node.name,
            "--cluster-id": self.cluster_id,
            "--data": str(node.data),
            "--http": f"{LOOPBACK}:{node.http_port}",
            "--peer": f"{LOOPBACK}:{node.peer_port}",
            "--peers": peers,
            "--secret-file": str(self.data / SECRET),
            "--drain-timeout-ms": str(DRAIN_TIMEOUT_MS),
        }
        return [sys.executable, "-m", "raftdoc", "serve", *(part for option in options.items() for part in option)]

    def shell_command(self, node: NodePlace) -> str:
        return shlex.join(self.command(node))

    def join_command(self) -> str:
        """Return what a person types to have one more node join."""
        last = self.nodes[-1]
        name = f"n{len(self.nodes) + 1}"
        options = {
            "--node": name,
            "--cluster-id": self.cluster_id,
            "--data": str(self.data / name),
            "--http": f"{LOOPBACK}:{last.http_port + 1}",
            "--peer": f"{LOOPBACK}:{last.peer_port + 1}",
            "--secret-file": str(self.data / SECRET),
            "--join": self.nodes[0].url,
        }
        return shlex.join(["raftdoc", "serve", *(part for option in options.items() for part in option)])


def open_place(data: Path, *, node_count: int, http_port: int, peer_offset: int) -> Place:
    """Return the place of the cluster in this directory, which is made, with a new identity, when missing.

    Raises:
        CannotStart: the directory holds another kind of cluster, or cannot be used.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        identity = _identity(data.resolve(), node_count)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotStart(f"the directory {data} cannot be used: {error}") from error
    if identity.node_count != node_count:
        raise CannotStart(
            f"the cluster in {data} has {identity.node_count} nodes, not {node_count}:"
            f" say --nodes {identity.node_count}, or choose another directory with --data"
        )
    nodes = tuple(
        NodePlace(
            f"n{number}", http_port + number - 1, http_port + number - 1 - peer_offset, data.resolve() / f"n{number}"
        )
        for number in range(1, node_count + 1)
    )
    return Place(data.resolve(), identity.cluster_id, nodes)


def _identity(data: Path, node_count: int) -> Identity:
    """Read who the cluster is, or decide it. The secret is written first: where the identity is, it is too."""
    file = data / IDENTITY
    if not file.exists():
        (data / SECRET).touch(mode=0o600)
        (data / SECRET).write_text(secrets.token_hex(32) + "\n")
        file.write_text(json.dumps({"cluster_id": f"dev-{secrets.token_hex(8)}", "nodes": node_count}) + "\n")
    identity = json.loads(file.read_text())
    return Identity(str(identity["cluster_id"]), int(identity["nodes"]))


def taken_ports(place: Place) -> list[str]:
    """Return one sentence for each port that cannot be listened on."""
    taken = []
    for node in place.nodes:
        for port, use in ((node.http_port, "HTTP"), (node.peer_port, "peers")):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((LOOPBACK, port))
                except OSError as error:
                    taken.append(f"port {port} of {LOOPBACK} ({use} of {node.name}) cannot be used: {error.strerror}")
    return taken
