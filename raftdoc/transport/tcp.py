"""Transport over TCP: one Sender per peer and lane, and one Listener."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from random import Random
from typing import Any

from raftdoc.ids import BootId, NodeId
from raftdoc.telemetry.log import RepeatGate
from raftdoc.transport.handshake import Local
from raftdoc.transport.listener import Listener
from raftdoc.transport.metrics import TransportMetrics
from raftdoc.transport.roster import Roster
from raftdoc.transport.sender import Sender
from raftdoc.transport.settings import TcpSettings
from raftdoc.transport.transport import Admit, Lane, Peer, Receiver, Refusal, Unreachable, parse_address
from raftdoc.wire.codec import Item

log = logging.getLogger("raftdoc.transport")


class TcpTransport:
    """See Transport for the contract. All methods are called on the loop, the constructor too.

    `admit(peer)` is asked about every peer that has proven to know the secret, in either direction, before any
    message passes. `listen` is `host:port`; with port 0 the system chooses, and `address` tells.
    """

    def __init__(
        self,
        local: Local,
        *,
        listen: str,
        admit: Admit,
        random: Random,
        metrics: TransportMetrics,
        settings: TcpSettings | None = None,
    ) -> None:
        self._local = local
        self._listen = parse_address(listen)
        self._admit = admit
        self._random = random
        self._metrics = metrics
        self._settings = settings or TcpSettings()
        self._receiver: Receiver | None = None
        self._on_unreachable: Unreachable | None = None
        self._listener: Listener | None = None
        self._is_closed = False
        self._senders: dict[tuple[NodeId, Lane], Sender] = {}
        self._ending: set[asyncio.Future[Any]] = set()
        """Of senders that are no longer wanted."""
        self._roster = Roster()
        self._broken: set[NodeId] = set()
        """Peers to be reported as unreachable at the end of this turn of the loop."""
        self._gate = RepeatGate()
        metrics.queued_bytes.read = self._queued_bytes

    @property
    def address(self) -> str:
        """Where this node listens, with the port that the system chose for 0. After `start`."""
        assert self._listener is not None
        return self._listener.address

    # The contract -----------------------------------------------------------------------------------

    def send(self, peer: NodeId, lane: Lane, items: list[Item]) -> None:
        sender = self._senders.get((peer, lane))
        if sender is None:
            self._metrics.dropped_no_link.value += 1
        else:
            sender.send(items)

    def set_receiver(self, receiver: Receiver, on_unreachable: Unreachable) -> None:
        self._receiver = receiver
        self._on_unreachable = on_unreachable

    def set_peers(self, peers: Mapping[NodeId, str]) -> None:
        for address in peers.values():
            parse_address(address)
        if self._is_closed:
            return
        wanted = {node: address for node, address in peers.items() if node != self._local.node}
        gone = {node for node, _ in self._senders} - wanted.keys()
        if self._listener is not None:
            for node in sorted(gone):
                self._listener.drop(node)
        for key, sender in list(self._senders.items()):
            if wanted.get(sender.peer) != sender.address:
                del self._senders[key]
                self._retire(sender)
        for node, address in wanted.items():
            for lane in Lane:
                if (node, lane) not in self._senders:
                    self._add(node, lane, address)

    async def start(self) -> None:
        assert self._receiver is not None, "set_receiver comes before start"
        listener = Listener(self._local, self._settings, self._metrics, self, self._receiver)
        await listener.start(*self._listen)
        self._listener = listener
        for sender in self._senders.values():
            sender.start()

    async def close(self) -> None:
        self._is_closed = True
        for sender in self._senders.values():
            self._ending.update(sender.end())
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._settings.close_timeout_ms / 1000)
        for sender in self._senders.values():
            sender.abort()
        if self._listener is not None:
            await self._listener.close()

    def connected(self, peer: NodeId) -> bool:
        return all((sender := self._senders.get((peer, lane))) is not None and sender.is_up for lane in Lane)

    def peer_boot_id(self, peer: NodeId) -> BootId | None:
        return self._roster.boot_id(peer)

    def refusal(self, peer: NodeId) -> Refusal | None:
        return next((sender.refusal for sender in self._senders_to(peer) if sender.refusal is not None), None)

    # What senders and the listener ask and tell -----------------------------------------------------

    def admit(self, peer: Peer) -> Refusal | None:
        """Decide about a proven peer, and take it as the present life of its node."""
        refusal = self._roster.check(peer, is_linked=self._is_linked(peer.node))
        if refusal is not None:
            return refusal
        refusal = self._admit(peer)
        if refusal is not None:
            return refusal
        if self._roster.learn(peer):
            assert self._listener is not None
            self._listener.drop_earlier_life(peer)
            for sender in self._senders_to(peer.node):
                sender.drop_other_life(peer.boot_id)
        return None

    def arrived(self, peer: NodeId) -> None:
        for sender in self._senders_to(peer):
            sender.kick()

    def left(self, peer: NodeId) -> None:
        self._metrics.links_lost.value += 1
        self._report(peer)

    def came_up(self, sender: Sender) -> None:
        gauge = self._metrics.connected(sender.peer)
        if self.connected(sender.peer) and not gauge.value:
            gauge.value = 1
            self._gate.reset(sender.peer)
            log.info("peer connected peer=%s address=%s", sender.peer, sender.address)

    def went_down(self, sender: Sender, reason: str, *, was_up: bool, is_change: bool) -> None:
        (self._metrics.links_lost if was_up else self._metrics.dials_failed).value += 1
        self._metrics.connected(sender.peer).value = 0
        if self._gate.opens(sender.peer, reason, time.monotonic_ns()):
            log.warning("peer not connected peer=%s address=%s reason=%s", sender.peer, sender.address, reason)
        if is_change:
            self._report(sender.peer)

    # Inside -----------------------------------------------------------------------------------------

    def _add(self, node: NodeId, lane: Lane, address: str) -> None:
        sender = Sender(
            node,
            lane,
            address,
            local=self._local,
            settings=self._settings,
            random=self._random,
            metrics=self._metrics,
            owner=self,
        )
        self._senders[node, lane] = sender
        self._metrics.connected(node).value = 0
        if self._listener is not None:
            sender.start()

    def _retire(self, sender: Sender) -> None:
        """End a sender that is no longer wanted, in the background."""
        if sender.is_up:
            self._report(sender.peer)
        for future in sender.end():
            self._ending.add(future)
            future.add_done_callback(self._ending.discard)
        self._metrics.forget(sender.peer)

    def _senders_to(self, node: NodeId) -> list[Sender]:
        return [sender for lane in Lane if (sender := self._senders.get((node, lane))) is not None]

    def _is_linked(self, node: NodeId) -> bool:
        assert self._listener is not None
        return self._listener.is_linked(node) or any(sender.is_up for sender in self._senders_to(node))

    def _report(self, node: NodeId) -> None:
        """Tell the host that the node cannot be reached, once for all its links that break in one turn of the loop."""
        if not self._broken:
            asyncio.get_running_loop().call_soon(self._report_broken)
        self._broken.add(node)

    def _report_broken(self) -> None:
        broken, self._broken = self._broken, set()
        assert self._on_unreachable is not None
        for node in sorted(broken):
            if not self._is_closed:
                self._on_unreachable(node)

    def _queued_bytes(self) -> int:
        return sum(sender.queue.byte_count for sender in self._senders.values())
