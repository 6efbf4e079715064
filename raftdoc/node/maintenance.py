"""Keeps restart time, log space and memory bounded: flushes the state, then lets go of the log below it.

A flush runs in a thread. What was applied when it began is durable when it ends; only then may the log be
truncated there. It is kept for members that lag, as far as the leader knows and tells the others, and for those that
a snapshot is on its way to. When the log is over its budget, members that lag are left to a snapshot.

Source: persistence rule P8 of docs/consensus.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from raftdoc.errors import DiskFailed, DiskFull
from raftdoc.ids import Index, NodeId
from raftdoc.limits import FLUSH_APPLIED_BYTES, LOG_CACHE_BYTES, MIB
from raftdoc.node.node import Node
from raftdoc.node.replica import Replica
from raftdoc.storage.engine import Engine
from raftdoc.storage.log.log import SharedLog, log_record
from raftdoc.wire.messages import MatchedEverywhere

log = logging.getLogger("raftdoc.node")

T = TypeVar("T")

RELOCATE_BYTES = MIB
"""Of live entries of lagging groups that are written again at the head, per flush."""

OVER_BUDGET_SHARE = 4
"""So many times more often the state is flushed while the log is over its budget, because that is what shortens it."""


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
        cache_bytes_max: int = LOG_CACHE_BYTES,
        phase: float = 0.0,
    ) -> None:
        """`phase`: how much of the way to its first flush is behind it, from 0 to 1.

        Replicas apply the same bytes at the same rate. Where each begins elsewhere, they do not all flush and compact
        at one time, and a quorum of them is quick.
        """
        self._node = node
        self._log = log
        self._engine = engine
        self._on_fatal = on_fatal
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="maintenance")
        self._running: asyncio.Future[None] | None = None
        self._flush_bytes = flush_bytes
        self._flushed_bytes = -int(flush_bytes * phase)
        self._cache_bytes_max = cache_bytes_max

    def tick(self) -> None:
        """Begin a flush when enough was applied since the last one, or a release when there is something to let go of.

        What a flush lets go of can be released once the records that say so are durable: some ticks later.
        """
        self._fit_logs()
        if self._running is not None:
            return
        applied_bytes = sum(replica.applied_bytes for replica in self._node.replicas.values())
        flush_bytes = self._flush_bytes // OVER_BUDGET_SHARE if self._log.is_over_budget() else self._flush_bytes
        if abs(applied_bytes - self._flushed_bytes) >= flush_bytes:
            self._flushed_bytes = applied_bytes
            self._running = asyncio.ensure_future(self._guard(self._flush()))
        elif self._log.has_releasable():
            self._running = asyncio.ensure_future(self._guard(self._release()))

    def _fit_logs(self) -> None:
        """Have all groups together hold no more of their logs in memory than they may: the largest holders let go."""
        replicas = self._node.replicas.values()
        if sum([replica.core.log.cached_bytes for replica in replicas]) <= self._cache_bytes_max:
            return
        logs = [(replica.core.log.cached_bytes, replica) for replica in replicas]
        left, holder_count = self._cache_bytes_max // 2, len(logs)
        for byte_count, replica in sorted(logs, key=lambda log: log[0]):
            share = left // holder_count
            if byte_count > share:
                replica.core.shrink_log(share)
            left -= min(byte_count, share)
            holder_count -= 1

    def flush(self) -> asyncio.Future[None]:
        """Make durable what the engine was given so far. Fails with DiskFull or DiskFailed."""
        return asyncio.ensure_future(self._flush_engine())

    async def _flush_engine(self) -> None:
        try:
            await self._in_thread(self._engine.flush)
        except OSError as error:
            raise DiskFailed(f"flushing the state failed: {error}") from error
        self._node.metrics.flushes.value += 1

    async def _flush(self) -> None:
        applied = {replica: replica.machine.applied_index for replica in self._node.replicas.values()}
        await self._flush_engine()
        self._truncate_all(applied)
        self._node.relocate(RELOCATE_BYTES)
        await self._release()

    async def _release(self) -> None:
        await self._in_thread(self._log.release)

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except DiskFull as error:
            # Nothing is lost and nothing is let go of: the log keeps what the state could not take.
            log.warning("the state could not be flushed detail=%s", error)
        except DiskFailed as error:
            self._on_fatal(error)
        except OSError as error:
            self._on_fatal(DiskFailed(f"the log could not be released: {error}"))
        finally:
            self._running = None

    def _truncate_all(self, applied: Mapping[Replica, Index]) -> None:
        """Let go of log. `applied`: per replica, the index that is durably applied now.

        Safety: what was durable of a replica that left meanwhile says nothing of another one that took its place.
        """
        left = self._log.groups_over_budget()
        for replica, index in applied.items():
            if self._node.hosts(replica):
                replica.durable_applied_index = max(replica.durable_applied_index, index)
                self._truncate(replica, is_over_budget=replica.group in left)

    def _truncate(self, replica: Replica, *, is_over_budget: bool) -> None:
        """Let go of the log whose effect is durable here and that nobody is to be sent."""
        core = replica.core
        if replica.is_leader:
            replica.matched_everywhere = core.min_match_index()
            message = MatchedEverywhere(replica.matched_everywhere)
            for peer in self._peers(replica):
                self._node.send(peer, replica.group, message)
        index = replica.durable_applied_index
        if not is_over_budget:
            index = min(index, replica.matched_everywhere)
        snapshots = self._node.snapshots
        floor = None if snapshots is None else snapshots.floor(replica.group)
        if floor is not None:
            index = min(index, floor)
        if index > core.log.compacted_index and core.may_compact(self._node.clock.now_ns()):
            term, configuration = core.log.term_at(index), core.configuration_at(index)
            core.compact(index)
            self._node.record(log_record(replica.group, compacted=(index, term), configuration=configuration))

    def _peers(self, replica: Replica) -> list[NodeId]:
        return [peer for peer in sorted(replica.core.configuration.members()) if peer != self._node.node]

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def close(self, *, is_flushing: bool = True) -> None:
        """Wait for what runs, then flush once more, as far as there is space: the next start replays little."""
        if self._running is not None:
            await self._running
        if is_flushing:
            with suppress(DiskFull):
                await self._in_thread(self._engine.flush)
        self._executor.shutdown()
