"""Who leads: every node is asked twice a second, past all proxies, and each change is noted."""

from __future__ import annotations

import asyncio
from typing import Any

from jepsen_lite.clock import Clock
from jepsen_lite.cluster import Cluster

INTERVAL_S = 0.4


class Observer:
    """Roles and terms of the workload's group, as the nodes themselves see them."""

    def __init__(self, cluster: Cluster, clock: Clock, database: str = "jepsen") -> None:
        self.leader: str | None = None
        self.changes: list[dict[str, Any]] = []
        self._cluster = cluster
        self._clock = clock
        self._database = database
        self._last: dict[str, tuple[str, int]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.gather(*(self._ask(node) for node in tuple(self._cluster.nodes)))
            await asyncio.sleep(INTERVAL_S)

    async def _ask(self, node: str) -> None:
        view = None
        if self._cluster.is_running(node) and not self._cluster.nodes[node].is_paused:
            view = await self._cluster.view(node)
        role, term = _own(view, node, self._database)
        if role == "leader":
            self.leader = node
        if self._last.get(node) != (role, term):
            self._last[node] = role, term
            self.changes.append({"time": self._clock.now_ns(), "node": node, "role": role, "term": term})


def _own(view: dict[str, Any] | None, node: str, database: str) -> tuple[str, int]:
    """Return the role that a node has in the group by its own words, and its term."""
    if view is None:
        return "silent", 0
    for group in view["groups"]:
        if group["database"] == database:
            role = next((one["role"] for one in group["replicas"] if one["node"] == node), "none")
            return role, group["term"]
    return "none", 0
