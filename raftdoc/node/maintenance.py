"""Keeps restart time and log space bounded: flushes the state, then lets go of the log below it.

A flush runs in a thread. What was applied when it began is durable when it ends; only then may the log be
truncated there, and, while there are no snapshots to send, never above what every member holds durably.
The leader knows that index and tells the others.

Source: persistence rule P8 of docs/consensus.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from raftdoc.errors import DiskFailed, DiskFull
from raftdoc.ids import NodeId
from raftdoc.limits import FLUSH_APPLIED_BYTES, MIB
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.storage.engine import Engine
from raftdoc.storage.log.log import SharedLog, log_record
from raftdoc.wire.messages import MatchedEverywhere

log = logging.getLogger("raftdoc.node")

T = TypeVar("T")

RELOCATE_BYTES = MIB
"""Of live entries of lagging groups that are written again at the head, per flush."""


class Maintenance:
    """Called by the ticker; at most one flush and one release run at a time, in a thread of their own."""

    def __init__(
        self,
        node: Node,
        log: SharedLog,
        engine: Engine,
        on_fatal: Callable[[BaseException], None],
        *,
        flush_bytes: int = FLUSH_APPLIED_BYTES,
    ) -> None:
        self._node = node
        self._log = log
        self._engine = engine
        self._on_fatal = on_fatal
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="maintenance")
        self._running: asyncio.Future[None] | None = None
        self._flush_bytes = flush_bytes
        self._flushed_bytes = 0

    def tick(self) -> None:
        """Begin a flush when enough was applied since the last one."""
        applied_bytes = sum(replica.applied_bytes for replica in self._node.replicas.values())
        if self._running is None and abs(applied_bytes - self._flushed_bytes) >= self._flush_bytes:
            self._flushed_bytes = applied_bytes
            self._running = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        applied = {group: replica.machine.applied_index for group, replica in self._node.replicas.items()}
        try:
            await self._in_thread(self._engine.flush)
            self._node.metrics.flushes.value += 1
            for group, index in applied.items():
                replica = self._node.replicas.get(group)
                if replica is not None:
                    replica.durable_applied_index = max(replica.durable_applied_index, index)
                    self._truncate(replica)
            self._node.relocate(RELOCATE_BYTES)
            await self._in_thread(self._log.release)
        except DiskFull as error:
            # Nothing is lost and nothing is let go of: the log keeps what the state could not take.
            log.warning("the state could not be flushed detail=%s", error)
        except OSError as error:
            self._on_fatal(DiskFailed(f"flushing the state failed: {error}"))
        finally:
            self._running = None

    def _truncate(self, replica: Replica) -> None:
        """Let go of the log that every member has and whose effect is durable here."""
        core = replica.core
        if replica.is_leader:
            replica.matched_everywhere = core.min_match_index()
            message = MatchedEverywhere(replica.matched_everywhere)
            for peer in self._peers(replica):
                self._node.send(peer, replica.group, message)
        index = min(replica.durable_applied_index, replica.matched_everywhere)
        if index > core.log.compacted_index:
            term = core.log.term_at(index)
            # Entries with configurations go, too: the record has to say which one the rest begins with.
            configuration = core.configuration_at(index)
            core.compact(index)
            record = log_record(replica.group, compacted=(index, term), configuration=configuration)
            self._node.record(record)

    def _peers(self, replica: Replica) -> list[NodeId]:
        return [peer for peer in replica.core.configuration.members() if peer != self._node.node]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def close(self) -> None:
        """Wait for what runs, then flush once more, so that the next start replays nothing."""
        if self._running is not None:
            await self._running
        await self._in_thread(self._engine.flush)
        self._executor.shutdown()

    def drop_range(self, start: bytes, stop: bytes) -> asyncio.Future[None]:
        """Delete a key range of a group that is gone, in the background."""
        return asyncio.ensure_future(self._in_thread(lambda: self._engine.delete_range(start, stop)))
