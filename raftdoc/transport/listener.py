"""The receiving end: everything that has dialled this node, known or not."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Protocol

from raftdoc.ids import NodeId
from raftdoc.telemetry.log import RepeatGate
from raftdoc.transport.handshake import NONCE_BYTES, TOO_MANY, DialledHandshake, Local
from raftdoc.transport.links import InboundLink
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.transport import Lane, Peer, Receiver, Refusal
from raftdoc.wire.codec import Item

log = logging.getLogger("raftdoc.transport")


class ListenerOwner(Protocol):
    """What the Listener needs of the transport."""

    def admit(self, peer: Peer) -> Refusal | None:
        """Decide about a proven peer; None: it is in."""

    def arrived(self, peer: NodeId) -> None:
        """Take note that the peer has dialled, so it is alive."""

    def left(self, peer: NodeId) -> None:
        """Take note that a link from the peer is gone."""


class Listener:
    def __init__(
        self, local: Local, settings: TcpSettings, metrics: TransportMetrics, owner: ListenerOwner, receiver: Receiver
    ) -> None:
        self._local = local
        self._settings = settings
        self._metrics = metrics
        self._owner = owner
        self._receiver = receiver
        self._server: asyncio.Server | None = None
        self._links: dict[InboundLink, None] = {}
        """Every connection that there is."""
        self._strangers: dict[InboundLink, None] = {}
        """Those that have not proven who they are, the oldest first."""
        self._admitted: dict[tuple[NodeId, Lane], InboundLink] = {}
        self._gate = RepeatGate()

    @property
    def address(self) -> str:
        """`host:port`, the port as bound."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        self._server = await asyncio.get_running_loop().create_server(self._make_link, host, port)

    async def close(self) -> None:
        """Stop listening and end all connections at once."""
        assert self._server is not None
        self._server.close()
        links, self._links = self._links, {}
        for link in links:
            link.abort("this node stops")
        if links:
            await asyncio.wait([link.lost for link in links], timeout=self._settings.close_timeout_ms / 1000)
        await self._server.wait_closed()

    def is_linked(self, node: NodeId) -> bool:
        """Return whether the node has a link to this one."""
        return any((node, lane) in self._admitted for lane in Lane)

    def drop_earlier_life(self, peer: Peer) -> None:
        """End the links of other lives of the peer's node."""
        for lane in Lane:
            link = self._admitted.get((peer.node, lane))
            if link is not None and link.peer.boot_id != peer.boot_id:
                link.abort("the peer has started again")

    # What links ask and tell ------------------------------------------------------------------------

    def accepted(self, link: InboundLink) -> None:
        if len(self._strangers) >= self._settings.handshakes_max:
            oldest = next(iter(self._strangers))
            oldest.refuse(Refusal(TOO_MANY, "too many connections have not said who they are"))
        self._links[link] = None
        self._strangers[link] = None

    def proven(self, link: InboundLink) -> Refusal | None:
        peer = link.peer
        refusal = self._owner.admit(peer)
        if refusal is not None:
            return refusal
        self._strangers.pop(link, None)
        replaced = self._admitted.get((peer.node, link.lane))
        if replaced is not None:
            replaced.abort("the peer has dialled again")
        self._admitted[peer.node, link.lane] = link
        self._gate.reset(link.address)
        self._owner.arrived(peer.node)
        return None

    def received(self, link: InboundLink, items: list[Item], byte_count: int) -> None:
        counters = self._metrics.lanes[link.lane]
        counters.received_frames.value += 1
        counters.received_bytes.value += byte_count
        self._receiver(link.peer.node, items)

    def refused(self, link: InboundLink, refusal: Refusal, *, is_ours: bool) -> None:
        self._strangers.pop(link, None)
        if is_ours:
            self._metrics.refusals[refusal.code].value += 1
        if self._gate.opens(link.address, (refusal.code, link.claimed), time.monotonic_ns()):
            log.warning(
                "connection refused by=%s address=%s claimed=%s code=%s detail=%s",
                "this node" if is_ours else "the caller",
                link.address,
                link.claimed,
                refusal.code,
                refusal.detail,
            )

    def ended(self, link: InboundLink, reason: str) -> None:
        self._links.pop(link, None)
        self._strangers.pop(link, None)
        if not link.is_admitted:
            return
        node = link.peer.node
        if self._admitted.get((node, link.lane)) is link:
            del self._admitted[node, link.lane]
        log.debug("link ended peer=%s lane=%s reason=%s", node, link.lane.name.lower(), reason)
        self._owner.left(node)

    def _make_link(self) -> InboundLink:
        return InboundLink(DialledHandshake(self._local, secrets.token_bytes(NONCE_BYTES)), self._settings, self)
