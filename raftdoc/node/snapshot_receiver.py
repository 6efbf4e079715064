"""Takes in the state of a group: into a fresh incarnation beside the live one, then one record of the log switches.

    chunks      verified and written as plain batches, one per slice; refused ones (EngineBusy) again at the next tick
    the end     the digest of all that was written, and that of the machine that loads it, are those the sender declares
    flush       in a thread: what the record will speak of is durable before it
    install     core.install_snapshot: one synced record of the log; before it the old state counts, after it the new
    installed   the replica has the new machine; the old incarnation is removed in slices

A stream that ends otherwise leaves an incarnation that nobody speaks of: removed in slices, after a crash at the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from raftdoc.errors import DiskFull, FormatTooNew, StateCorrupt
from raftdoc.ids import GroupId, Incarnation, NodeId
from raftdoc.limits import (
    NS_PER_MS,
    NS_PER_S,
    SNAPSHOT_DAMAGES_MAX,
    SNAPSHOT_SILENCE_MS_MAX,
    SNAPSHOT_STREAMS_MAX,
    SNAPSHOT_WINDOW_CHUNKS,
)
from raftdoc.node.incarnations import Incarnations
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica, StateMachine
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshot_stream import StreamState
from raftdoc.raft.snapshots import SnapshotMeta, SnapshotOffer, SnapshotVerdict
from raftdoc.statemachine.digest import StoredDigest, differing
from raftdoc.statemachine.staging import STATE_FORMAT
from raftdoc.storage.engine import Engine, EngineBusy
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.snapshot import SCOPE_BYTES, Chunk, ChunkDamaged, ChunkWriter
from raftdoc.wire.messages import SnapshotAbort, SnapshotBegin, SnapshotChunk, SnapshotEnd, SnapshotStatus

log = logging.getLogger("raftdoc.node")

MakeMachine = Callable[[GroupId, Incarnation], StateMachine]


class Stage(Enum):
    RECEIVING = "receiving"
    FLUSHING = "flushing"
    INSTALLING = "installing"
    """The record is on its way to the disk; only Ready.installed ends it."""


class Incoming:
    """One stream."""

    __slots__ = (
        "after",
        "began_ns",
        "chunk_count",
        "damage_count",
        "digest",
        "end",
        "flushing",
        "gap_at",
        "heard_ns",
        "id",
        "is_held_up",
        "keys",
        "machine",
        "meta",
        "queue",
        "raw_bytes",
        "replica",
        "sender",
        "stage",
        "writer",
    )

    def __init__(
        self, begin: SnapshotBegin, replica: Replica, sender: NodeId, incarnation: Incarnation, now_ns: int
    ) -> None:
        self.id = begin.stream
        self.replica = replica
        self.sender = sender
        self.meta = SnapshotMeta(begin.term, begin.index, begin.index_term, begin.configuration, begin.time_ms)
        self.keys = GroupKeys(replica.group, incarnation)
        self.writer = ChunkWriter(self.keys)
        self.digest = StoredDigest(self.keys)
        self.stage = Stage.RECEIVING
        self.queue: deque[SnapshotChunk] = deque()
        """Chunks that follow what is written, without a gap: never more than the sender's window."""
        self.chunk_count = 0
        """Written."""
        self.after = b""
        self.raw_bytes = 0
        self.end: SnapshotEnd | None = None
        self.damage_count = 0
        self.gap_at = -1
        """The chunk that was last found to be missing."""
        self.is_held_up = False
        """The engine refused; again at the next tick."""
        self.flushing: asyncio.Future[None] | None = None
        self.machine: StateMachine | None = None
        self.began_ns = self.heard_ns = now_ns


class Installed(NamedTuple):
    """What the turn is told when a state came in force."""

    incarnation: Incarnation
    machine: StateMachine


class SnapshotReceiver:
    """Called within the turn."""

    def __init__(
        self,
        node: Node,
        engine: Engine,
        incarnations: Incarnations,
        metrics: SnapshotMetrics,
        *,
        make_machine: MakeMachine,
        flush: Callable[[], asyncio.Future[None]],
    ) -> None:
        """`make_machine` loads the machine of an incarnation; `flush` makes durable what the engine was given."""
        self._node = node
        self._engine = engine
        self._incarnations = incarnations
        self._metrics = metrics
        self._make_machine = make_machine
        self._flush = flush
        self.streams: dict[GroupId, Incoming] = {}
        metrics.watch_receiving(lambda: len(self.streams), lambda: incarnations.doomed_count)

    # Messages ---------------------------------------------------------------------------------------

    def on_begin(self, peer: NodeId, group: GroupId, begin: SnapshotBegin, now_ns: int) -> None:
        """Take an offer, or the question how far a stream is."""
        replica = self._node.replicas.get(group)
        if replica is None:
            return
        stream = self.streams.get(group)
        is_same = stream is not None and stream.id == begin.stream and stream.sender == peer
        if stream is not None and stream.stage is not Stage.RECEIVING:
            state = StreamState.GOING if is_same else StreamState.BUSY
            self._answer(peer, group, begin.stream, state, stream if is_same else None)
            return
        verdict = self._offer(replica, peer, begin, now_ns)
        if verdict is not SnapshotVerdict.ACCEPT:
            state = StreamState.FAILED if verdict is SnapshotVerdict.REFUSED else StreamState.DONE
            if stream is not None and (is_same or verdict is not SnapshotVerdict.REFUSED):
                self._drop(stream, "it is not needed any more")
            self._answer(peer, group, begin.stream, state, None)
            return
        if stream is not None and is_same:
            stream.heard_ns = now_ns
            self._answer_from(stream, StreamState.GOING)
            return
        if stream is not None:
            self._drop(stream, "another stream begins")
        self._begin(replica, peer, begin, now_ns)

    def on_chunk(self, peer: NodeId, group: GroupId, chunk: SnapshotChunk, now_ns: int) -> None:
        """Queue the next chunk; say what is missing where it is not the next."""
        stream = self._find(peer, group, chunk.stream)
        if stream is None or stream.stage is not Stage.RECEIVING:
            return
        stream.heard_ns = now_ns
        expected = stream.chunk_count + len(stream.queue)
        if chunk.sequence < expected:
            self._answer_from(stream, StreamState.GOING)
        elif chunk.sequence == expected:
            if len(stream.queue) < 2 * SNAPSHOT_WINDOW_CHUNKS:
                stream.queue.append(chunk)
                self._node.wake()
        elif stream.gap_at != expected:
            # Said once: what else of the window is behind the gap would ask for the same again.
            stream.gap_at = expected
            self._answer_from(stream, StreamState.GAP)

    def on_end(self, peer: NodeId, group: GroupId, end: SnapshotEnd, now_ns: int) -> None:
        stream = self._find(peer, group, end.stream)
        if stream is None:
            return
        stream.heard_ns = now_ns
        if stream.stage is Stage.RECEIVING:
            stream.end = end
            is_short = stream.chunk_count + len(stream.queue) < end.chunk_count
            self._answer_from(stream, StreamState.GAP if is_short else StreamState.GOING)
            self._node.wake()
        else:
            self._answer_from(stream, StreamState.GOING)

    def on_abort(self, peer: NodeId, group: GroupId, abort: SnapshotAbort) -> None:
        stream = self.streams.get(group)
        if stream is not None and (stream.id, stream.sender) == (abort.stream, peer):
            self._drop(stream, "the sender gave it up")

    # The turn ---------------------------------------------------------------------------------------

    def turn(self, now_ns: int) -> bool:
        """Write one chunk, or go one step on; return whether there is more to do at once."""
        if not self.streams:
            return False
        for stream in list(self.streams.values()):
            if stream.stage is Stage.RECEIVING and stream.queue and not stream.is_held_up:
                self._write(stream)
            elif stream.stage is Stage.RECEIVING and stream.end is not None and self._is_complete(stream):
                self._check(stream)
            elif stream.stage is Stage.FLUSHING and stream.flushing is not None and stream.flushing.done():
                self._flushed(stream, stream.flushing, now_ns)
        return any(stream.stage is Stage.RECEIVING and self._has_work(stream) for stream in self.streams.values())

    def tick(self, now_ns: int) -> None:
        for stream in list(self.streams.values()):
            stream.is_held_up = False
            if stream.stage is not Stage.RECEIVING:
                continue
            if self._node.health.is_disk_full:
                self._fail(stream, "the disk is full")
            elif now_ns - stream.heard_ns > SNAPSHOT_SILENCE_MS_MAX * NS_PER_MS:
                self._drop(stream, "the sender is not heard any more")

    def installed(self, replica: Replica, meta: SnapshotMeta, now_ns: int) -> Installed:
        """Return what is in force from now on; the log says so already, durably."""
        stream = self.streams.pop(replica.group)
        assert stream.stage is Stage.INSTALLING, (stream.stage, meta)
        assert stream.meta.index == meta.index, (stream.meta, meta)
        assert stream.machine is not None
        self._incarnations.drop(GroupKeys(replica.group, replica.incarnation))
        self._metrics.installed.value += 1
        self._log_installed(stream, now_ns)
        self._answer_from(stream, StreamState.DONE)
        return Installed(stream.keys.incarnation, stream.machine)

    def forget(self, group: GroupId) -> None:
        stream = self.streams.get(group)
        if stream is not None:
            stream.stage = Stage.RECEIVING
            self._drop(stream, "the group left this node")

    # Inside -----------------------------------------------------------------------------------------

    def _offer(self, replica: Replica, peer: NodeId, begin: SnapshotBegin, now_ns: int) -> SnapshotVerdict:
        offer = SnapshotOffer(begin.term, begin.index, begin.index_term, begin.boot_id)
        verdict = replica.core.offer_snapshot(peer, offer, now_ns)
        self._node.touch(replica)
        if begin.state_format != STATE_FORMAT:
            log.warning("snapshot of an unknown format group=%d from=%s", replica.group, peer)
            return SnapshotVerdict.REFUSED
        return verdict

    def _begin(self, replica: Replica, peer: NodeId, begin: SnapshotBegin, now_ns: int) -> None:
        if len(self.streams) >= SNAPSHOT_STREAMS_MAX or self._node.health.is_disk_full:
            self._answer(peer, replica.group, begin.stream, StreamState.BUSY, None)
            return
        incarnation = self._incarnations.fresh(replica.group)
        stream = self.streams[replica.group] = Incoming(begin, replica, peer, incarnation, now_ns)
        log.info(
            "snapshot comes group=%d from=%s index=%d incarnation=%d", replica.group, peer, begin.index, incarnation
        )
        self._answer_from(stream, StreamState.GOING)

    def _find(self, peer: NodeId, group: GroupId, id: int) -> Incoming | None:
        """Return a stream that goes on; a sender whose stream does not is told."""
        stream = self.streams.get(group)
        if stream is not None and stream.id == id and stream.sender == peer:
            return stream
        if group in self._node.replicas:
            self._answer(peer, group, id, StreamState.UNKNOWN, None)
        return None

    def _has_work(self, stream: Incoming) -> bool:
        return not stream.is_held_up and (bool(stream.queue) or (stream.end is not None and self._is_complete(stream)))

    def _is_complete(self, stream: Incoming) -> bool:
        return stream.end is not None and stream.chunk_count == stream.end.chunk_count

    def _write(self, stream: Incoming) -> None:
        message = stream.queue[0]
        chunk = Chunk(message.pair_count, message.raw_bytes, message.checksum, message.data)
        try:
            changes = stream.writer.changes(chunk, stream.after)
            self._engine.write(changes)
        except ChunkDamaged as error:
            self._damaged(stream, message.sequence, error)
            return
        except EngineBusy:
            stream.is_held_up = True
            return
        try:
            for key, value in changes.items():
                assert value is not None, key
                stream.digest.add(key, value)
        except StateCorrupt as error:
            self._fail(stream, error.detail)
            return
        stream.queue.popleft()
        stream.chunk_count += 1
        stream.after = next(reversed(changes))[SCOPE_BYTES:]
        stream.raw_bytes += chunk.raw_bytes
        self._metrics.received_raw_bytes.value += chunk.raw_bytes
        self._answer_from(stream, StreamState.GOING)

    def _damaged(self, stream: Incoming, sequence: int, error: ChunkDamaged) -> None:
        """Ask for a chunk again; what came behind it comes again, too."""
        self._metrics.damaged.value += 1
        stream.damage_count += 1
        stream.queue.clear()
        log.warning("snapshot chunk damaged group=%d sequence=%d detail=%s", stream.replica.group, sequence, error)
        if stream.damage_count > SNAPSHOT_DAMAGES_MAX:
            self._fail(stream, "too many damaged chunks")
        else:
            self._answer_from(stream, StreamState.GAP)

    def _check(self, stream: Incoming) -> None:
        """Compare what was written with what the sender declares, then have it flushed."""
        assert stream.end is not None
        declared = dict(stream.end.digest)
        wrong = differing(stream.digest.result(), declared)
        if not wrong:
            try:
                stream.machine = self._make_machine(stream.replica.group, stream.keys.incarnation)
            except (StateCorrupt, FormatTooNew) as error:
                self._fail(stream, error.detail)
                return
            wrong = differing(stream.machine.digest(), declared)
            if stream.machine.applied_index != stream.meta.index:
                wrong.append(f"applied index {stream.machine.applied_index}")
        if wrong:
            self._fail(stream, f"the digest differs in {', '.join(wrong)}")
            return
        stream.stage = Stage.FLUSHING
        stream.flushing = self._flush()
        stream.flushing.add_done_callback(lambda _: self._node.wake())

    def _flushed(self, stream: Incoming, flushing: asyncio.Future[None], now_ns: int) -> None:
        stream.flushing = None
        try:
            flushing.result()
        except DiskFull as error:
            stream.stage = Stage.RECEIVING
            self._fail(stream, error.detail)
            return
        replica = stream.replica
        if not replica.core.install_snapshot(stream.meta, stream.keys.incarnation, now_ns):
            stream.stage = Stage.RECEIVING
            self._fail(stream, "it is not wanted any more")
            return
        stream.stage = Stage.INSTALLING
        replica.freeze()
        self._node.touch(replica)

    def _fail(self, stream: Incoming, why: str) -> None:
        self._answer_from(stream, StreamState.FAILED)
        self._drop(stream, why)

    def _drop(self, stream: Incoming, why: str) -> None:
        """Forget a stream and have what it wrote removed. Not while its record is on the way."""
        if stream.stage is not Stage.RECEIVING:
            return
        group = stream.replica.group
        del self.streams[group]
        self._incarnations.drop(stream.keys)
        self._metrics.refused.value += 1
        log.warning(
            "snapshot dropped group=%d from=%s index=%d detail=%s", group, stream.sender, stream.meta.index, why
        )

    def _answer_from(self, stream: Incoming, state: StreamState) -> None:
        self._answer(stream.sender, stream.replica.group, stream.id, state, stream)

    def _answer(self, peer: NodeId, group: GroupId, id: int, state: StreamState, stream: Incoming | None) -> None:
        chunk_count, after = (0, b"") if stream is None else (stream.chunk_count, stream.after)
        self._node.send(peer, group, SnapshotStatus(id, int(state), chunk_count, after))

    def _log_installed(self, stream: Incoming, now_ns: int) -> None:
        seconds = max(1, now_ns - stream.began_ns) / NS_PER_S
        log.info(
            "snapshot installed group=%d from=%s index=%d chunks=%d bytes=%d seconds=%.1f bytes_per_s=%d",
            stream.replica.group,
            stream.sender,
            stream.meta.index,
            stream.chunk_count,
            stream.raw_bytes,
            round(seconds, 1),
            int(stream.raw_bytes / seconds),
        )
