"""The seam between the nodes of a cluster. One conformance suite holds every implementation to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeAlias

from raftdoc.errors import InvalidSettings
from raftdoc.ids import BootId, NodeId, StoreId
from raftdoc.wire.codec import Item


class Lane(IntEnum):
    """Each lane is a connection of its own. What is on one never waits for what is on the other."""

    HEARTBEAT = 0
    """Small things that keep leases alive: votes, heartbeats without entries, responses."""
    BULK = 1


class Peer(NamedTuple):
    """One life of another node, proven by the handshake."""

    node: NodeId
    store_id: StoreId
    boot_id: BootId
    address: str = ""
    """Where it says that it is dialled; empty when it did not say."""


class Refusal(NamedTuple):
    """Why one node does not talk to another. `code` is one of `raftdoc.transport.handshake`'s."""

    code: str
    detail: str


Receiver: TypeAlias = Callable[[NodeId, list[Item]], None]
Unreachable: TypeAlias = Callable[[NodeId], None]
Admit: TypeAlias = Callable[[Peer], Refusal | None]
"""Returns why this peer may not come in, or None."""


class Transport(Protocol):
    """Frames to peers: unordered, lossy, at most once, never to another life of the sender's choosing.

    A frame that is lost takes all of its messages with it; one that comes, comes whole. Nothing blocks and
    nothing raises because of the network.
    """

    def send(self, peer: NodeId, lane: Lane, items: list[Item]) -> None:
        """Send items, in this order, as one frame. Dropped and counted: no such peer, no link, or its queue is full."""

    def set_receiver(self, receiver: Receiver, on_unreachable: Unreachable) -> None:
        """Say whom to call. Before `start`.

        `receiver(peer, items)` once per frame that came. `on_unreachable(peer)` after a link to or from the peer
        broke, or the first dial since the last success failed: once per link and change, and once for links that
        break together.
        """

    def set_peers(self, peers: Mapping[NodeId, str]) -> None:
        """Say whom to dial, and where: `host:port`. Links to peers that are gone or have moved are dropped, and links
        from those that are gone.

        Raises:
            InvalidSettings: an address is not `host:port`; nothing is changed.
        """

    async def start(self) -> None:
        """Listen, and begin to dial.

        Raises:
            OSError: the address to listen on cannot be had.
        """

    async def close(self) -> None:
        """End all links, once what was written has left, or after PEER_CLOSE_TIMEOUT_MS. No callback follows."""

    def connected(self, peer: NodeId) -> bool:
        """Return whether all lanes to the peer are up."""

    def peer_boot_id(self, peer: NodeId) -> BootId | None:
        """Return the newest life of the peer that has shown itself; None before the first."""

    def refusal(self, peer: NodeId) -> Refusal | None:
        """Return why the last dial to the peer was refused, by either side; None when it was not."""


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; an IPv6 host stands in brackets.

    Raises:
        InvalidSettings: it is something else.
    """
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise InvalidSettings(f"{address!r} is not an address of the form host:port")
    return host, int(port)
