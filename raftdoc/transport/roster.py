"""Which life of which peer is the present one.

A peer that starts again has another boot id: it takes the place of its earlier life. An earlier life that
shows itself again proves that two processes run under one id, as does another data directory while the
first is still connected. The one that came second is refused; the first goes on undisturbed.
"""

from __future__ import annotations

from collections import deque

from raftdoc.ids import BootId, NodeId
from raftdoc.transport.handshake import DUPLICATE_NODE
from raftdoc.transport.transport import Peer, Refusal

EARLIER_LIVES_MAX = 8


class Roster:
    def __init__(self) -> None:
        self._present: dict[NodeId, Peer] = {}
        self._earlier: dict[NodeId, deque[BootId]] = {}

    def boot_id(self, node: NodeId) -> BootId | None:
        """Return the newest life that has shown itself."""
        peer = self._present.get(node)
        return None if peer is None else peer.boot_id

    def check(self, peer: Peer, *, is_linked: bool) -> Refusal | None:
        """Return why peer is not who it says. `is_linked`: the present life under its id has links."""
        if peer.boot_id in self._earlier.get(peer.node, ()):
            detail = f"another process has started as node {peer.node} since; only one may run under one id"
            return Refusal(DUPLICATE_NODE, detail)
        present = self._present.get(peer.node)
        if is_linked and present is not None and present.store_id != peer.store_id:
            detail = (
                f"node {peer.node} is connected from another data directory (store {present.store_id}, "
                f"this one is {peer.store_id}); only one may run under one id"
            )
            return Refusal(DUPLICATE_NODE, detail)
        return None

    def learn(self, peer: Peer) -> bool:
        """Take peer as the present life; return whether an earlier one has ended by it."""
        present = self._present.get(peer.node)
        self._present[peer.node] = peer
        if present is None or present.boot_id == peer.boot_id:
            return False
        self._earlier.setdefault(peer.node, deque(maxlen=EARLIER_LIVES_MAX)).append(present.boot_id)
        return True
