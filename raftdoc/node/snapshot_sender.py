"""Sends the state of groups that this node leads to followers that its log does not reach back to.

One chunk per slice; what is out is bounded by a window, how fast it goes by the Pace. The pinned state is a RocksDB
iterator of the moment of the beginning: writes go on beside it. A stream ends when its receiver has installed the
state, when it fails, or when this node no longer leads in the term of the stream; the core then asks again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Any

from raftdoc.ids import BootId, GroupId, Index, NodeId
from raftdoc.limits import (
    NS_PER_MS,
    NS_PER_S,
    SNAPSHOT_BACKOFF_MS_MAX,
    SNAPSHOT_BACKOFF_MS_MIN,
    SNAPSHOT_HOLD_MS,
    SNAPSHOT_PROGRESS_MS,
    SNAPSHOT_RESEND_MS,
    SNAPSHOT_SILENCE_MS_MAX,
    SNAPSHOT_STREAMS_MAX,
    SNAPSHOT_WINDOW_BYTES,
    SNAPSHOT_WINDOW_CHUNKS,
)
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.node.snapshot_metrics import SnapshotMetrics
from raftdoc.node.snapshot_stream import Pace, StreamState
from raftdoc.raft.snapshots import SnapshotMeta
from raftdoc.statemachine.staging import STATE_FORMAT
from raftdoc.storage.engine import Engine
from raftdoc.storage.keyspace import GroupKeys
from raftdoc.storage.snapshot import ChunkReader
from raftdoc.wire.messages import SnapshotAbort, SnapshotBegin, SnapshotChunk, SnapshotEnd, SnapshotStatus

log = logging.getLogger("raftdoc.node")

Key = tuple[GroupId, NodeId]

PROGRESS = " group=%d to=%s index=%d chunks=%d bytes=%d seconds=%.1f bytes_per_s=%d"
"""Of a log line, behind what happens."""


class Stage(Enum):
    OFFERED = "offered"
    """Asked, and not answered since: nothing is sent but the question."""
    SENDING = "sending"
    SENT = "sent"


class Outgoing:
    """One stream to one peer."""

    __slots__ = (
        "acked",
        "began_ns",
        "digest",
        "heard_ns",
        "id",
        "in_flight",
        "in_flight_bytes",
        "is_accepted",
        "logged_ns",
        "meta",
        "peer",
        "raw_bytes",
        "reader",
        "replica",
        "said_ns",
        "sequence",
        "stage",
    )

    def __init__(
        self,
        id: int,
        replica: Replica,
        peer: NodeId,
        meta: SnapshotMeta,
        digest: tuple[tuple[str, str], ...],
        reader: ChunkReader,
        now_ns: int,
    ) -> None:
        self.id = id
        self.replica = replica
        self.peer = peer
        self.meta = meta
        self.digest = digest
        self.reader = reader
        self.stage = Stage.OFFERED
        self.is_accepted = False
        self.sequence = 0
        """Of the next chunk."""
        self.acked = 0
        self.in_flight: deque[int] = deque()
        """Bytes of the chunks acked .. sequence - 1."""
        self.in_flight_bytes = 0
        self.raw_bytes = 0
        """Of keys and values, sent so far; what was sent again counts again."""
        self.began_ns = self.heard_ns = self.said_ns = self.logged_ns = now_ns

    @property
    def key(self) -> Key:
        return self.replica.group, self.peer

    @property
    def has_room(self) -> bool:
        """Return whether another chunk may leave."""
        if self.stage is not Stage.SENDING:
            return False
        count = len(self.in_flight)
        return not count or (count < SNAPSHOT_WINDOW_CHUNKS and self.in_flight_bytes < SNAPSHOT_WINDOW_BYTES)

    @property
    def is_led(self) -> bool:
        """Return whether this node still leads the group in the term of the stream."""
        return self.replica.is_leader and self.replica.core.term == self.meta.term

    def go_on(self, chunk_count: int, after: bytes) -> None:
        """Send from the place where the receiver is."""
        self.stage = Stage.SENDING
        self.is_accepted = True
        self.sequence = self.acked = chunk_count
        self.in_flight.clear()
        self.in_flight_bytes = 0
        self.reader.seek(after)

    def ack(self, chunk_count: int) -> None:
        """Note that the receiver has written so many chunks."""
        while self.acked < chunk_count and self.in_flight:
            self.in_flight_bytes -= self.in_flight.popleft()
            self.acked += 1

    def sent(self, byte_count: int) -> None:
        self.sequence += 1
        self.in_flight.append(byte_count)
        self.in_flight_bytes += byte_count
        self.raw_bytes += byte_count


class SnapshotSender:
    """Called within the turn."""

    def __init__(
        self, node: Node, engine: Engine, pace: Pace, metrics: SnapshotMetrics, boot_id: BootId, random: Random
    ) -> None:
        self._boot_id = boot_id
        self._node = node
        self._engine = engine
        self._pace = pace
        self._metrics = metrics
        self._random = random
        self._waiting: dict[Key, int] = {}
        """Who is to get a snapshot, in the order of asking: not before when."""
        self._failures: dict[Key, int] = {}
        """Streams that failed since the last that did not."""
        self.streams: dict[Key, Outgoing] = {}
        self._held: dict[GroupId, tuple[Index, int]] = {}
        """Per group that sent a snapshot: its index, and until when the log behind it is kept."""
        metrics.watch_sending(lambda: len(self.streams), lambda: len(self._waiting))

    def wanted(self, replica: Replica, peers: Sequence[NodeId], now_ns: int) -> None:
        for peer in peers:
            key = (replica.group, peer)
            if key in self.streams:
                self._close(self.streams[key], "the leader asks for another")
            failures = self._failures.get(key, 0)
            backoff_ms = min(SNAPSHOT_BACKOFF_MS_MAX, SNAPSHOT_BACKOFF_MS_MIN << min(failures, 16)) if failures else 0
            self._waiting[key] = now_ns + backoff_ms * NS_PER_MS

    def turn(self, now_ns: int) -> bool:
        """Send one chunk; return whether another could leave at once."""
        if not self.streams:
            return False
        ready = [stream for stream in self.streams.values() if stream.has_room]
        if not ready or not self._pace.may_send(now_ns):
            return False
        stream = min(ready, key=lambda stream: stream.said_ns)
        self._send_chunk(stream, now_ns)
        return self._pace.may_send(now_ns) and (len(ready) > 1 or stream.has_room)

    def tick(self, now_ns: int) -> None:
        for stream in list(self.streams.values()):
            self._watch(stream, now_ns)
        for key, not_before_ns in list(self._waiting.items()):
            if len(self.streams) < SNAPSHOT_STREAMS_MAX and not_before_ns <= now_ns:
                del self._waiting[key]
                self._begin(*key, now_ns)
        for group, (_, until_ns) in list(self._held.items()):
            if until_ns <= now_ns:
                del self._held[group]

    def on_status(self, peer: NodeId, group: GroupId, status: SnapshotStatus, now_ns: int) -> None:
        """Take the receiver's answer."""
        stream = self.streams.get((group, peer))
        if stream is None or stream.id != status.stream:
            return
        state = status.state
        if state == StreamState.BUSY:
            return
        stream.heard_ns = now_ns
        if state == StreamState.GAP or (state == StreamState.GOING and stream.stage is Stage.OFFERED):
            stream.go_on(status.chunk_count, status.after)
        elif state == StreamState.GOING:
            stream.ack(status.chunk_count)
        elif state == StreamState.UNKNOWN:
            stream.stage = Stage.OFFERED
        elif state == StreamState.DONE:
            self._finish(stream, True, "", now_ns)
        else:
            self._finish(stream, False, "the receiver refused it", now_ns)

    def floor(self, group: GroupId) -> Index | None:
        """Return above which index the log is needed by receivers of snapshots."""
        indexes = [stream.meta.index for stream in self.streams.values() if stream.replica.group == group]
        if group in self._held:
            indexes.append(self._held[group][0])
        return min(indexes, default=None)

    def forget(self, group: GroupId) -> None:
        for stream in [stream for stream in self.streams.values() if stream.replica.group == group]:
            self._close(stream, "the group left this node")
        for key in [key for key in self._waiting if key[0] == group]:
            del self._waiting[key]

    def close(self) -> None:
        for stream in list(self.streams.values()):
            self._close(stream, "this node stops")

    def _begin(self, group: GroupId, peer: NodeId, now_ns: int) -> None:
        """Pin the state and offer it. Nothing is awaited: what is pinned is exactly what the machine has applied."""
        replica = self._node.replicas.get(group)
        if replica is None or not replica.is_leader:
            return
        core, machine = replica.core, replica.machine
        index = machine.applied_index
        configuration = core.configuration_at(index)
        meta = SnapshotMeta(core.term, index, core.log.term_at(index), configuration, machine.log_time_ms)
        reader = ChunkReader(self._engine.snapshot(), GroupKeys(group, replica.incarnation))
        digest = tuple(sorted(machine.digest().items()))
        stream = Outgoing(self._random.getrandbits(62), replica, peer, meta, digest, reader, now_ns)
        self.streams[stream.key] = stream
        self._metrics.begun.value += 1
        log.info("snapshot begins group=%d to=%s index=%d term=%d", group, peer, index, meta.term)
        self._offer(stream, now_ns)

    def _offer(self, stream: Outgoing, now_ns: int) -> None:
        meta = stream.meta
        begin = SnapshotBegin(
            stream.id,
            meta.term,
            meta.index,
            meta.index_term,
            meta.configuration,
            meta.time_ms,
            STATE_FORMAT,
            self._boot_id,
        )
        self._send(stream, begin, now_ns)

    def _send_chunk(self, stream: Outgoing, now_ns: int) -> None:
        chunk = stream.reader.read()
        if chunk is None:
            stream.stage = Stage.SENT
            self._send(stream, SnapshotEnd(stream.id, stream.sequence, stream.digest), now_ns)
            return
        self._send(stream, SnapshotChunk(stream.id, stream.sequence, *chunk), now_ns)
        stream.sent(chunk.raw_bytes)
        self._pace.sent(chunk.raw_bytes, now_ns)
        self._metrics.sent_raw_bytes.value += chunk.raw_bytes
        self._metrics.sent_bytes.value += len(chunk.data)

    def _send(self, stream: Outgoing, message: Any, now_ns: int) -> None:
        stream.said_ns = now_ns
        self._node.send(stream.peer, stream.replica.group, message)

    def _watch(self, stream: Outgoing, now_ns: int) -> None:
        """Give up, ask again, or say how far it is."""
        patience_ms = SNAPSHOT_SILENCE_MS_MAX if stream.is_accepted else SNAPSHOT_RESEND_MS * 5
        if not stream.is_led:
            self._close(stream, "this node does not lead any more")
        elif now_ns - stream.heard_ns > patience_ms * NS_PER_MS:
            self._finish(stream, False, "the receiver does not answer", now_ns)
        elif now_ns - max(stream.heard_ns, stream.said_ns) > SNAPSHOT_RESEND_MS * NS_PER_MS:
            self._ask(stream, now_ns)
        if now_ns - stream.logged_ns > SNAPSHOT_PROGRESS_MS * NS_PER_MS:
            stream.logged_ns = now_ns
            self._log(stream, "snapshot goes on", now_ns)

    def _ask(self, stream: Outgoing, now_ns: int) -> None:
        """Nothing was heard: find out where the receiver is, or have the end answered."""
        if stream.stage is Stage.SENT and not stream.in_flight:
            self._send(stream, SnapshotEnd(stream.id, stream.sequence, stream.digest), now_ns)
        else:
            stream.stage = Stage.OFFERED
            self._offer(stream, now_ns)

    def _finish(self, stream: Outgoing, ok: bool, why: str, now_ns: int) -> None:
        """End a stream and tell the core, which goes on with the log, or asks again."""
        key = stream.key
        if ok:
            self._failures.pop(key, None)
            self._held[key[0]] = (stream.meta.index, now_ns + SNAPSHOT_HOLD_MS * NS_PER_MS)
            self._metrics.sent.value += 1
            self._log(stream, "snapshot sent", now_ns)
            self._release(stream)
        else:
            self._failures[key] = self._failures.get(key, 0) + 1
            self._close(stream, why)
        stream.replica.core.on_snapshot_status(stream.peer, ok, now_ns)
        self._node.touch(stream.replica)

    def _close(self, stream: Outgoing, why: str) -> None:
        """Give a stream up without a word to the core."""
        group, peer = stream.key
        self._metrics.failed.value += 1
        self._node.send(peer, group, SnapshotAbort(stream.id))
        log.warning("snapshot given up group=%d to=%s index=%d detail=%s", group, peer, stream.meta.index, why)
        self._release(stream)

    def _release(self, stream: Outgoing) -> None:
        stream.reader.close()
        del self.streams[stream.key]

    def _log(self, stream: Outgoing, what: str, now_ns: int) -> None:
        seconds = max(1, now_ns - stream.began_ns) / NS_PER_S
        log.info(
            what + PROGRESS,
            stream.replica.group,
            stream.peer,
            stream.meta.index,
            stream.acked,
            stream.raw_bytes,
            round(seconds, 1),
            int(stream.raw_bytes / seconds),
        )
