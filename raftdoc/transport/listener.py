"""The receiving end: everything that has dialled this node, known or not."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from typing import Protocol

from raftdoc.ids import NodeId
from raftdoc.telemetry.log import RepeatGate
from raftdoc.transport.handshake import NONCE_BYTES, TOO_MANY, DialledHandshake, Local
from raftdoc.transport.links import InboundLink
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.tasks import spawn
from raftdoc.transport.transport import Lane, Peer, Receiver, Refusal
from raftdoc.wire.codec import Item

log = logging.getLogger("raftdoc.transport")

BACKLOG = 128
ACCEPT_RETRY_S = 0.1


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
        self._sockets: list[socket.socket] = []
        self._adopting: set[asyncio.Task[None]] = set()
        self._links: dict[InboundLink, None] = {}
        """Every connection that there is."""
        self._strangers: dict[InboundLink, None] = {}
        """Those that have not proven who they are, the oldest first."""
        self._admitted: dict[tuple[NodeId, Lane], InboundLink] = {}
        self._gate = RepeatGate()

    @property
    def address(self) -> str:
        """`host:port`, the port as bound."""
        host, port = self._sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, host: str, port: int) -> None:
        """Listen on all addresses of host.

        Raises:
            OSError: an address cannot be had.
        """
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        try:
            for family, _, _, _, address in dict.fromkeys(infos):
                self._sockets.append(socket.create_server(address[:2], family=family, backlog=BACKLOG))
        except OSError:
            for listening in self._sockets:
                listening.close()
            raise
        for listening in self._sockets:
            listening.setblocking(False)
            self._watch(listening)

    async def close(self) -> None:
        """Stop listening and end all connections at once."""
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._sockets.clear()
        await asyncio.gather(*self._adopting)
        lost = [link.lost for link in self._links]
        for link in list(self._links):
            link.abort("this node stops")
        if lost:
            await asyncio.wait(lost, timeout=self._settings.close_timeout_ms / 1000)

    def is_linked(self, node: NodeId) -> bool:
        """Return whether the node has a link to this one."""
        return any((node, lane) in self._admitted for lane in Lane)

    def drop_earlier_life(self, peer: Peer) -> None:
        """End the links of other lives of the peer's node."""
        for lane in Lane:
            link = self._admitted.get((peer.node, lane))
            if link is not None and link.peer.boot_id != peer.boot_id:
                link.abort("the peer has started again")

    def drop(self, node: NodeId) -> None:
        """End the links of a node that is no peer any more. Where it dials again, it is asked who it is."""
        for lane in Lane:
            link = self._admitted.get((node, lane))
            if link is not None:
                link.abort("it is no peer any more")

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
        # A name that is not proven could be another one each time.
        event = (refusal.code, link.claimed if link.is_proven else "")
        if self._gate.opens(link.address, event, time.monotonic_ns()):
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

    def _watch(self, listening: socket.socket) -> None:
        """Accept what comes. Not `loop.create_server`, whose connections hang when the server closes as they come."""
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Take one connection. Without a free descriptor, wait for one: links that exist go on."""
        loop = asyncio.get_running_loop()
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            if self._gate.opens("accept", str(error), time.monotonic_ns()):
                log.error("cannot accept peers address=%s reason=%s", self.address, error)
            loop.remove_reader(listening)
            loop.call_later(ACCEPT_RETRY_S, self._watch, listening)
            return
        connection.setblocking(False)
        task = spawn(self._adopt(connection), "accepting a connection")
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connection: socket.socket) -> None:
        """Give the connection a link."""
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._make_link, connection)
        except OSError:
            # The caller was gone again before its socket could be set up.
            connection.close()

    def _make_link(self) -> InboundLink:
        return InboundLink(DialledHandshake(self._local, secrets.token_bytes(NONCE_BYTES)), self._settings, self)
