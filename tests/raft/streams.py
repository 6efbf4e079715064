"""Streams of the state in a simulated world: from a leader to a peer that lacks what the leader's log no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from raftdoc.ids import BootId, Incarnation, NodeId
from raftdoc.raft import SnapshotMeta, SnapshotOffer, SnapshotVerdict

from .member import Member
from .plan import MS

if TYPE_CHECKING:
    from .world import World

REMEMBERED_MAX = 20


class Stream(NamedTuple):
    sender: NodeId
    boot: int
    peer: NodeId
    meta: SnapshotMeta

    @property
    def offer(self) -> SnapshotOffer:
        return SnapshotOffer(self.meta.term, self.meta.index, self.meta.index_term, BootId(self.boot))


class Streams:
    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random
        self._old: list[Stream] = []

    def begin(self, sender: Member, peer: NodeId) -> None:
        """Pin the sender's state, and offer it."""
        core, index = sender.core, sender.applied_index
        configuration, term = core.configuration_at(index), core.log.term_at(index)
        stream = Stream(sender.node, sender.boot, peer, SnapshotMeta(core.term, index, term, configuration, 0))
        self._old = [*self._old[-REMEMBERED_MAX:], stream]
        self._world.counts["streams"] += 1
        self._world.at(self._world.delay(), self._arrive, stream)

    def repeat(self, member: Member) -> None:
        """Have an old offer, or an old stream that was complete, meet a node in any state."""
        if not self._old:
            return
        stream = self._random.choice(self._old)._replace(peer=member.node)
        if stream.sender == member.node:
            return
        if self._random.random() < 0.5:
            self._arrive(stream)
        else:
            self._complete(stream, member.boot)

    def _arrive(self, stream: Stream) -> None:
        world, peer = self._world, self._world.members[stream.peer]
        if not self._is_reached(stream):
            world.at(self._random.randrange(1, 400) * MS, self._end, stream, False)
            return
        verdict = peer.core.offer_snapshot(stream.sender, stream.offer, peer.clock())
        world.counts[f"offer_{verdict.value}"] += 1
        world.stepped(peer)
        if verdict is SnapshotVerdict.ACCEPT and (world.is_calm or self._random.random() < 0.8):
            wait_ns = self._random.choice((1, 1, 30, 300)) * world.plan.delay_ns
            world.at(wait_ns, self._complete, stream, peer.boot)
        else:
            world.at(world.delay(), self._end, stream, verdict in {SnapshotVerdict.OLD, SnapshotVerdict.KEEP})

    def _complete(self, stream: Stream, boot: int) -> None:
        """All of the state has come, and is durable in a fresh incarnation."""
        world, peer = self._world, self._world.members[stream.peer]
        is_ok = peer.boot == boot and peer.is_up and world.now_ns >= peer.paused_until_ns
        if is_ok:
            incarnation = Incarnation(max(peer.states) + 1)
            peer.states[incarnation] = stream.meta.index
            is_wanted = peer.core.install_snapshot(stream.meta, incarnation, peer.clock())
            world.counts["installs" if is_wanted else "unwanted_installs"] += 1
            world.stepped(peer)
        world.at(world.delay(), self._end, stream, is_ok)

    def _end(self, stream: Stream, is_ok: bool) -> None:
        sender = self._world.members[stream.sender]
        if sender.is_up and sender.boot == stream.boot:
            sender.core.on_snapshot_status(stream.peer, is_ok, sender.clock())
            self._world.stepped(sender)

    def _is_reached(self, stream: Stream) -> bool:
        world, peer = self._world, self._world.members[stream.peer]
        is_cut = (stream.sender, stream.peer) in world.cut
        return peer.is_up and not is_cut and world.now_ns >= peer.paused_until_ns
