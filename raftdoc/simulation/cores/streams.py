"""Snapshots on their way: pinned state of a leader, in the product's chunks, into a fresh incarnation of a follower.

Offer, chunks, flush, install are separate moments: the world may crash, cut or pause anybody between them. The
protocol of windows and retransmissions (`raftdoc.node.snapshot_stream`) is not simulated here.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from raftdoc.ids import BootId, Incarnation, NodeId
from raftdoc.raft import SnapshotMeta, SnapshotOffer, SnapshotVerdict
from raftdoc.raft.invariants import require
from raftdoc.simulation.cores.disk import GROUP
from raftdoc.simulation.cores.host import Host
from raftdoc.simulation.cores.plan import MS
from raftdoc.statemachine.digest import StoredDigest, differing
from raftdoc.storage.engine import EngineBusy
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.snapshot import SCOPE_BYTES, Chunk, ChunkDamaged, ChunkReader, ChunkWriter

if TYPE_CHECKING:
    from raftdoc.simulation.cores.world import World

REMEMBERED_MAX: Final = 10
DAMAGE_SHARE: Final = 0.05
LOSS_SHARE: Final = 0.1


class Stream(NamedTuple):
    sender: NodeId
    sender_life: int
    boot_id: BootId
    peer: NodeId
    meta: SnapshotMeta
    chunks: tuple[Chunk, ...]
    digest: dict[str, str]


class Streams:
    """Of one world."""

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._old: list[Stream] = []

    def begin(self, host: Host, peer: NodeId) -> None:
        """Pin the state of a leader and offer it, as `SnapshotSender` does."""
        core, machine = host.core, host.machine
        index = machine.applied_index
        meta = SnapshotMeta(
            core.term, index, core.log.term_at(index), core.configuration_at(index), machine.log_time_ms
        )
        reader = ChunkReader(host.disk_model.engine.snapshot(), GroupKeys(GROUP, host.replica.incarnation))
        chunks = tuple(iter(reader.read, None))
        reader.close()
        stream = Stream(host.node, host.boot, host.boot_id, peer, meta, chunks, machine.digest())
        self._old = [*self._old[-REMEMBERED_MAX:], stream]
        self._world.count("snapshots")
        self._world.note("offer", host.node, peer, f"state at {index}")
        self._later(self._arrive, stream)

    def offer_again(self, host: Host, random: Random) -> None:
        """Have an old state be offered to a node, or be complete there, once more."""
        others = [stream for stream in self._old if stream.sender != host.node]
        if others:
            stream = random.choice(others)._replace(peer=host.node)
            self._later(self._arrive if random.random() < 0.5 else self._write, stream, host.boot)

    def _arrive(self, stream: Stream, _: int = 0) -> None:
        """The offer is at the peer."""
        peer = self._world.hosts[stream.peer]
        if not self._is_reached(stream):
            self._world.schedule(self._random.randrange(1, 400) * MS, self._end, stream, False)
            return
        meta = stream.meta
        offer = SnapshotOffer(meta.term, meta.index, meta.index_term, stream.boot_id)
        verdict = peer.core.offer_snapshot(stream.sender, offer, peer.clock())
        self._world.count(f"offer_{verdict.value}")
        peer.touch()
        if verdict is SnapshotVerdict.ACCEPT:
            self._later(self._write, stream, peer.boot)
        else:
            self._later(self._end, stream, verdict is not SnapshotVerdict.REFUSED)

    def _write(self, stream: Stream, life: int) -> None:
        """The chunks are at the peer: write them beside what is there, and look whether they are what was sent."""
        peer = self._world.hosts[stream.peer]
        is_lost = self._random.random() < LOSS_SHARE and not self._world.is_calm
        if is_lost or not self._is_reached(stream) or peer.boot != life:
            self._later(self._end, stream, False)
            return
        incarnation = peer.disk_model.fresh_incarnation()
        try:
            is_whole = self._write_chunks(stream, peer, incarnation)
        except EngineBusy:
            self._world.count("busy_streams")
            self._later(self._write, stream, life)
            return
        if not is_whole:
            self._world.count("damaged_chunks")
            self._later(self._end, stream, False)
            return
        machine = peer.open_machine(incarnation)
        require(machine.applied_index == stream.meta.index, "I9: a state of another index", machine.applied_index)
        self._later(self._install, stream, peer.boot, incarnation)

    def _write_chunks(self, stream: Stream, peer: Host, incarnation: Incarnation) -> bool:
        keys = GroupKeys(GROUP, incarnation)
        writer, stored, after = ChunkWriter(keys), StoredDigest(keys), b""
        for chunk in stream.chunks:
            if self._random.random() < DAMAGE_SHARE and not self._world.is_calm:
                data = bytearray(chunk.data)
                data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)
                chunk = chunk._replace(data=bytes(data))  # noqa: PLW2901  # what came is not what was sent
            try:
                changes = writer.changes(chunk, after)
            except ChunkDamaged:
                return False
            peer.disk_model.engine.write(changes)
            for key, value in changes.items():
                assert value is not None, key
                stored.add(key, value)
            after = next(reversed(changes))[SCOPE_BYTES:]
        wrong = differing(stored.result(), stream.digest)
        require(not wrong, "I5: a state is not what was sent", stream.sender, stream.peer, wrong)
        return True

    def _install(self, stream: Stream, life: int, incarnation: Incarnation) -> None:
        """The state is complete: flush it, then have the log switch to it."""
        peer = self._world.hosts[stream.peer]
        is_ok = peer.is_reachable and peer.boot == life and not peer.core.is_installing
        if is_ok:
            peer.disk_model.engine.flush()
            is_ok = peer.core.install_snapshot(stream.meta, incarnation, peer.clock())
            if is_ok:
                peer.replica.freeze()
            self._world.count("installs" if is_ok else "unwanted_installs")
            peer.touch()
        self._later(self._end, stream, is_ok)

    def _end(self, stream: Stream, is_ok: bool) -> None:
        """Tell the sender, if it still lives; one that is paused learns of it when it goes on."""
        sender = self._world.hosts[stream.sender]
        if not sender.is_up or sender.boot != stream.sender_life:
            return
        if self._world.now_ns < sender.paused_until_ns:
            self._world.schedule(sender.paused_until_ns - self._world.now_ns, self._end, stream, is_ok)
        else:
            sender.core.on_snapshot_status(stream.peer, is_ok, sender.clock())
            sender.touch()

    def _is_reached(self, stream: Stream) -> bool:
        peer = self._world.hosts[stream.peer]
        return peer.is_reachable and not self._world.network.is_cut(stream.sender, stream.peer)

    def _later(self, act: object, *arguments: object) -> None:
        wait_ns = self._random.choice((1, 1, 5, 60)) * self._world.plan.delay_ns
        self._world.schedule(wait_ns, act, *arguments)  # type: ignore[arg-type]
