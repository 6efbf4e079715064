"""Transport inside one process: for tests of the floors above, and for simulation.

Everything passes through the codec, so that what a receiver gets is what TCP would have brought. Nothing
happens by itself: every delivery and every report goes through the `call_soon` that the hub was given, which
decides when, and in what order. With the same calls in the same order, the same comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raftdoc.ids import BootId, NodeId
from raftdoc.transport.transport import Lane, Receiver, Refusal, Unreachable, parse_address
from raftdoc.wire.codec import Item, decode_messages, encode_messages

CallSoon = Callable[..., object]
"""`call_soon(callback, *args)`, as an event loop has it."""


class MemoryHub:
    """The network between the transports made from it. A link is one direction of one pair of nodes."""

    def __init__(self, call_soon: CallSoon) -> None:
        self._call_soon = call_soon
        self._nodes: dict[NodeId, MemoryTransport] = {}
        self._cuts: set[tuple[NodeId, NodeId]] = set()
        self._up: set[tuple[NodeId, NodeId]] = set()
        """Links, as (sender, receiver), over which frames pass now."""
        self.delivered_count = 0
        self.dropped_count = 0

    def transport(self, node: NodeId, boot_id: BootId) -> MemoryTransport:
        """Return a new life of the node; it takes part from its `start` on."""
        return MemoryTransport(self, node, boot_id)

    def cut(self, a: NodeId, b: NodeId) -> None:
        """Cut both directions. What is under way is lost."""
        self._cuts |= {(a, b), (b, a)}
        self.settle()

    def cut_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        """Cut one direction. What is under way is lost."""
        self._cuts.add((sender, receiver))
        self.settle()

    def heal_one_way(self, sender: NodeId, receiver: NodeId) -> None:
        """Mend one direction."""
        self._cuts.discard((sender, receiver))
        self.settle()

    def heal(self) -> None:
        """Mend all that was cut."""
        self._cuts.clear()
        self.settle()

    def is_up(self, sender: NodeId, receiver: NodeId) -> bool:
        return (sender, receiver) in self._up

    def join(self, transport: MemoryTransport) -> None:
        """Take part; an earlier life of the same node ends."""
        self.leave(transport.node)
        self._nodes[transport.node] = transport
        self.settle()
        for peer in transport.peers:
            if not self.is_up(transport.node, peer):
                self._call_soon(transport.unreachable, peer)

    def leave(self, node: NodeId) -> None:
        """Take the node, in whatever life, off the network."""
        if self._nodes.pop(node, None) is not None:
            self.settle()

    def present(self, node: NodeId) -> MemoryTransport | None:
        return self._nodes.get(node)

    def carry(self, sender: MemoryTransport, receiver: NodeId, items: list[Item]) -> None:
        """Have a frame delivered some time, unless its link is cut until then."""
        if self.is_up(sender.node, receiver) and self._nodes.get(sender.node) is sender:
            self._call_soon(self._deliver, sender, self._nodes[receiver], encode_messages(items))
        else:
            self.dropped_count += 1

    def settle(self) -> None:
        """Bring the links up or down as nodes, peers and cuts have it; tell both ends of those that went down."""
        up = {
            (sender.node, peer)
            for sender in self._nodes.values()
            for peer in sender.peers
            if peer in self._nodes and (sender.node, peer) not in self._cuts
        }
        broken, self._up = self._up - up, up
        for sender_id, receiver_id in sorted(up):
            sender, receiver = self._nodes[sender_id], self._nodes[receiver_id]
            sender.boot_ids[receiver_id] = receiver.boot_id
            receiver.boot_ids[sender_id] = sender.boot_id
        for node, peer in sorted({pair for link in broken for pair in (link, link[::-1])}):
            transport = self._nodes.get(node)
            if transport is not None:
                self._call_soon(transport.unreachable, peer)

    def _deliver(self, sender: MemoryTransport, receiver: MemoryTransport, body: bytes) -> None:
        is_same = self._nodes.get(sender.node) is sender and self._nodes.get(receiver.node) is receiver
        if is_same and self.is_up(sender.node, receiver.node):
            self.delivered_count += 1
            receiver.receive(sender.node, decode_messages(body))
        else:
            self.dropped_count += 1


class MemoryTransport:
    """One life of one node. See Transport for the contract; addresses are checked for form and otherwise ignored."""

    def __init__(self, hub: MemoryHub, node: NodeId, boot_id: BootId) -> None:
        self.node = node
        self.boot_id = boot_id
        self.peers: frozenset[NodeId] = frozenset()
        self.boot_ids: dict[NodeId, BootId] = {}
        self._hub = hub
        self._receiver: Receiver | None = None
        self._on_unreachable: Unreachable | None = None
        self._is_closed = False
        self.on_stranger: Callable[[NodeId], None] | None = None
        """Is told of who sends and is none of `peers`: a real handshake says where such a node is dialled."""

    def send(self, peer: NodeId, lane: Lane, items: list[Item]) -> None:
        assert lane in tuple(Lane), lane
        self._hub.carry(self, peer, items)

    def set_receiver(self, receiver: Receiver, on_unreachable: Unreachable) -> None:
        self._receiver = receiver
        self._on_unreachable = on_unreachable

    def set_peers(self, peers: Mapping[NodeId, str]) -> None:
        for address in peers.values():
            parse_address(address)
        self.peers = frozenset(peers) - {self.node}
        self._hub.settle()

    async def start(self) -> None:
        assert self._receiver is not None, "set_receiver comes before start"
        self._hub.join(self)

    async def close(self) -> None:
        self._is_closed = True
        if self._hub.present(self.node) is self:
            self._hub.leave(self.node)

    def connected(self, peer: NodeId) -> bool:
        return self._hub.present(self.node) is self and self._hub.is_up(self.node, peer)

    def peer_boot_id(self, peer: NodeId) -> BootId | None:
        return self.boot_ids.get(peer)

    def refusal(self, peer: NodeId) -> Refusal | None:
        """Return None: nobody refuses anybody here."""

    # What the hub tells -----------------------------------------------------------------------------

    def receive(self, sender: NodeId, items: list[Item]) -> None:
        assert self._receiver is not None
        if sender not in self.peers and self.on_stranger is not None:
            self.on_stranger(sender)
        self._receiver(sender, items)

    def unreachable(self, peer: NodeId) -> None:
        if not self._is_closed and self._on_unreachable is not None:
            self._on_unreachable(peer)
