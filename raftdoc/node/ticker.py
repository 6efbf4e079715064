"""The heartbeat of a node: ticks, pings, maintenance, and how late the loop was for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from raftdoc.ids import CATALOG_GROUP, NodeId
from raftdoc.limits import HEARTBEAT_INTERVAL_MS, NS_PER_MS, NS_PER_S, TICK_INTERVAL_MS
from raftdoc.node.maintenance import Maintenance
from raftdoc.node.node import Node


class Ticker:
    def __init__(self, node: Node, maintenance: Maintenance, peers: Callable[[], Iterable[NodeId]]) -> None:
        self._node = node
        self._maintenance = maintenance
        self._peers = peers
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._due_ns = 0
        self._next_ping_ns = 0

    def start(self) -> None:
        self._due_ns = self._node.clock.now_ns() + TICK_INTERVAL_MS * NS_PER_MS
        self._handle = self._loop.call_later(TICK_INTERVAL_MS / 1000, self._tick)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _tick(self) -> None:
        node = self._node
        now_ns = node.clock.now_ns()
        node.metrics.loop_lag.observe(max(0, now_ns - self._due_ns) / NS_PER_S)
        self.start()
        node.tick()
        self._maintenance.tick()
        if now_ns >= self._next_ping_ns:
            self._next_ping_ns = now_ns + HEARTBEAT_INTERVAL_MS * NS_PER_MS
            self._ping(now_ns)

    def _ping(self, now_ns: int) -> None:
        node = self._node
        ping = node.staleness.ping(node.replicas.values(), now_ns, node.clock.wall_ms())
        for peer in self._peers():
            if peer != node.node:
                node.send(peer, CATALOG_GROUP, ping)
