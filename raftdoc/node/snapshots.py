"""Snapshots of a node's groups: what it sends as a leader, and what it takes in.

Create it after the node, before the first turn; it attaches itself:

    Snapshots(node, engine, incarnations, metrics, boot_id=..., make_machine=factory.machine, flush=maintenance.flush)

Everything happens within the turn, in slices; only the flush is waited for, in a thread of the host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from raftdoc.ids import BootId, GroupId, Index, NodeId
from raftdoc.limits import SNAPSHOT_BYTES_PER_S, SNAPSHOT_IDLE_BYTES_PER_S
from raftdoc.node.incarnations import Incarnations
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshot_receiver import MakeMachine, SnapshotReceiver
from raftdoc.node.snapshot_sender import SnapshotSender
from raftdoc.node.snapshot_stream import Pace
from raftdoc.raft.snapshots import SnapshotMeta
from raftdoc.storage.engine import Engine
from raftdoc.wire.messages import SnapshotAbort, SnapshotBegin, SnapshotChunk, SnapshotEnd, SnapshotStatus


class Snapshots:
    """The SnapshotHost of a Node."""

    def __init__(
        self,
        node: Node,
        engine: Engine,
        incarnations: Incarnations,
        metrics: SnapshotMetrics,
        *,
        boot_id: BootId,
        random: Random,
        make_machine: MakeMachine,
        flush: Callable[[], asyncio.Future[None]],
        bytes_per_s: int = SNAPSHOT_BYTES_PER_S,
        idle_bytes_per_s: int = SNAPSHOT_IDLE_BYTES_PER_S,
    ) -> None:
        self._node = node
        self._now_ns = node.clock.now_ns
        self._incarnations = incarnations
        self._pace = Pace(bytes_per_s, idle_bytes_per_s)
        self.sender = SnapshotSender(node, engine, self._pace, metrics, boot_id, random)
        self.receiver = SnapshotReceiver(node, engine, incarnations, metrics, make_machine=make_machine, flush=flush)
        node.serve(SnapshotBegin, self._on_begin)
        node.serve(SnapshotChunk, self._on_chunk)
        node.serve(SnapshotEnd, self._on_end)
        node.serve(SnapshotAbort, self._on_abort)
        node.serve(SnapshotStatus, self._on_status)
        node.host_snapshots(self)

    def wanted(self, replica: Replica, peers: Sequence[NodeId]) -> None:
        self.sender.wanted(replica, peers, self._now_ns())

    def installed(self, replica: Replica, meta: SnapshotMeta) -> None:
        installed = self.receiver.installed(replica, meta, self._now_ns())
        replica.switch(installed.incarnation, installed.machine)

    def turn(self, now_ns: int) -> bool:
        has_more = self.receiver.turn(now_ns)
        return self.sender.turn(now_ns) or has_more

    def tick(self, now_ns: int) -> None:
        self._pace.measure(sum(replica.applied_bytes for replica in self._node.replicas.values()), now_ns)
        self.receiver.tick(now_ns)
        self.sender.tick(now_ns)

    def floor(self, group: GroupId) -> Index | None:
        return self.sender.floor(group)

    def forget(self, group: GroupId) -> None:
        self.sender.forget(group)
        self.receiver.forget(group)

    def close(self) -> None:
        """Give up what is sent; what is being received stays as it is, and is dropped at the next start."""
        self.sender.close()
        self._incarnations.close()

    def _on_begin(self, peer: NodeId, group: GroupId, message: SnapshotBegin) -> None:
        self.receiver.on_begin(peer, group, message, self._now_ns())

    def _on_chunk(self, peer: NodeId, group: GroupId, message: SnapshotChunk) -> None:
        self.receiver.on_chunk(peer, group, message, self._now_ns())

    def _on_end(self, peer: NodeId, group: GroupId, message: SnapshotEnd) -> None:
        self.receiver.on_end(peer, group, message, self._now_ns())

    def _on_abort(self, peer: NodeId, group: GroupId, message: SnapshotAbort) -> None:
        self.receiver.on_abort(peer, group, message)

    def _on_status(self, peer: NodeId, group: GroupId, message: SnapshotStatus) -> None:
        self.sender.on_status(peer, group, message, self._now_ns())
