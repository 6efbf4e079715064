"""Faults of processes: killed, stopped, paused, in a crash loop, restarted one after the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from jepsen_lite.cluster import Cluster, NotReady
from jepsen_lite.exposition import metric
from jepsen_lite.faults.fault import ANY_TARGETS, Plain, World

SERVES = 'event="node serves"'
DRAINS = 'event="node drains"'
LIFE_S = 0.7
"""Of a node in a crash loop: about until it serves."""
PAUSE_NOTICED_S = 0.4


@dataclass(slots=True)
class Kill(Plain):
    """kill -9 and a start later. Noticed: the node's own log says that it serves once more."""

    is_term: bool = False
    ended: list[str] = field(default_factory=list)

    async def start(self, world: World) -> Any:
        self.ended = [node for node in world.pick(ANY_TARGETS) if node not in world.hurt]
        end = world.cluster.stop if self.is_term else world.cluster.kill
        await asyncio.gather(*(end(node) for node in self.ended))
        return self.ended

    async def stop(self, world: World) -> Any:
        for node in self.ended:
            if node not in world.hurt:
                world.cluster.start(node)
        return self.ended

    async def seen(self, world: World) -> int:
        return _lines(world.cluster, DRAINS) if self.is_term else _restarts(world.cluster)


@dataclass(slots=True)
class CrashLoop(Plain):
    """A minority that is killed again as soon as it serves."""

    task: asyncio.Task[None] | None = None
    targets: list[str] = field(default_factory=list)

    async def start(self, world: World) -> Any:
        self.targets = [node for node in world.pick(("one", "minority", "leader")) if node not in world.hurt]
        self.task = asyncio.create_task(self._loop(world))
        return self.targets

    async def _loop(self, world: World) -> None:
        while True:
            for node in self.targets:
                if node not in world.hurt:
                    await world.cluster.kill(node)
                    world.cluster.start(node)
            await asyncio.sleep(LIFE_S * (0.5 + world.random.random()))

    async def stop(self, world: World) -> Any:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.task = None
        for node in self.targets:
            if node not in world.hurt:
                world.cluster.start(node)
        return self.targets

    async def seen(self, world: World) -> int:
        return _restarts(world.cluster)


@dataclass(slots=True)
class Pause(Plain):
    """SIGSTOP. Noticed: the loop of the node was late, by its own metric or by the line of its watchdog."""

    targets: list[str] = field(default_factory=list)

    async def start(self, world: World) -> Any:
        self.targets = [node for node in world.pick(ANY_TARGETS) if node not in world.hurt]
        for node in self.targets:
            world.cluster.pause(node)
        return self.targets

    async def stop(self, world: World) -> Any:
        for node in self.targets:
            world.cluster.resume(node)
        return self.targets

    async def seen(self, world: World) -> int:
        late = 0
        for node in world.cluster.running():
            _, text = await world.cluster.ask(node, "/metrics")
            late += metric(text, "raftdoc_loop_lag_seconds_sum") > PAUSE_NOTICED_S
        return late


@dataclass(slots=True)
class RollingRestart(Plain):
    """SIGTERM, start, until it is ready; then the next."""

    task: asyncio.Task[None] | None = None
    done: list[str] = field(default_factory=list)

    async def start(self, world: World) -> Any:
        self.task = asyncio.create_task(self._roll(world))
        return list(world.cluster.founders)

    async def _roll(self, world: World) -> None:
        for node in world.cluster.founders:
            if node in world.hurt:
                continue
            await world.cluster.stop(node)
            world.cluster.start(node)
            try:
                await world.cluster.wait_ready([node])
            except NotReady:
                # Another fault keeps it from it; the final heal waits again, and judges.
                return
            self.done.append(node)

    async def stop(self, world: World) -> Any:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
            self.task = None
        for node in world.cluster.founders:
            if node not in world.hurt:
                world.cluster.start(node)
        return self.done

    async def seen(self, world: World) -> int:
        return _lines(world.cluster, DRAINS)


def _restarts(cluster: Cluster) -> int:
    """Return how many lives the logs tell of beyond the first of each node."""
    return sum(max(cluster.log(node).count(SERVES) - 1, 0) for node in cluster.nodes)


def _lines(cluster: Cluster, part: str) -> int:
    return sum(cluster.log(node).count(part) for node in cluster.nodes)
