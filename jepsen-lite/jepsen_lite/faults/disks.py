"""Faults of disks: full, failing, slow, and losing what was not durable when the power went."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Any

from jepsen_lite.faults.disk_library import compiler
from jepsen_lite.faults.fault import ANY_TARGETS, Plain, World

DISK_FAILED = 74
POWER_DELAY_MS = 10
"""A disk that takes its time: the window in which something is not durable."""


@dataclass(slots=True)
class DiskFault(Plain):
    """A switch of the library, on for a while. Noticed: system calls of the node met it."""

    switch: str = "full"
    value: int = 1
    count: str = "full_seen"
    kinds: tuple[str, ...] = ("one", "minority", "leader")
    has_disk_library: bool = True
    ends_nodes: bool = False
    """Nodes that meet it stop by themselves, and are started again."""
    targets: list[str] = field(default_factory=list)

    def available(self) -> str | None:
        return None if compiler() else "no C compiler for the library that stands before the disk"

    async def start(self, world: World) -> Any:
        self.targets = world.pick(self.kinds)
        for node in self.targets:
            if self.ends_nodes:
                world.cluster.nodes[node].may_end_with.add(DISK_FAILED)
            world.disks[node].switch(self.switch, self.value)
        return self.targets

    async def stop(self, world: World) -> Any:
        for node in self.targets:
            world.disks[node].heal(self.switch)
            if not world.cluster.is_running(node) and node not in world.hurt:
                world.cluster.start(node)
        return self.targets

    async def seen(self, world: World) -> int:
        return sum(disk.count(self.count) for disk in world.disks.values())


@dataclass(slots=True)
class PowerLoss(Plain):
    """kill -9, and what was not durable is gone. Noticed: the node made writes that could be lost, and serves again."""

    is_torn: bool = False
    has_disk_library: bool = True
    targets: list[str] = field(default_factory=list)
    lost_count: int = 0
    loss_count: int = 0

    def available(self) -> str | None:
        return None if compiler() else "no C compiler for the library that stands before the disk"

    async def start(self, world: World) -> Any:
        self.targets = [node for node in world.pick(ANY_TARGETS) if node not in world.hurt]
        world.hurt.update(self.targets)
        for node in self.targets:
            was_running = world.cluster.is_running(node)
            await world.cluster.kill(node)
            self.lost_count += world.disks[node].lose_power(world.random, is_torn=self.is_torn)
            self.loss_count += was_running
        return {"nodes": self.targets, "writes lost so far": self.lost_count}

    async def stop(self, world: World) -> Any:
        world.hurt.difference_update(self.targets)
        for node in self.targets:
            world.cluster.start(node)
        return self.targets

    async def seen(self, world: World) -> int:
        recorded = sum(disk.count("recorded") for disk in world.disks.values())
        return min(self.loss_count, recorded)


def disk_full() -> DiskFault:
    """Free space is none: the node keeps its reserve, refuses writes and hands leadership over."""
    return DiskFault("disk-full", switch="full", count="full_seen", kinds=ANY_TARGETS)


def write_error() -> DiskFault:
    return DiskFault("write-error", switch="write_error", value=errno.EIO, count="write_errors", ends_nodes=True)


def sync_error() -> DiskFault:
    return DiskFault("sync-error", switch="sync_error", value=errno.EIO, count="sync_errors", ends_nodes=True)


def slow_sync() -> DiskFault:
    return DiskFault("slow-sync", switch="sync_delay_ms", value=150, count="slow_syncs", kinds=ANY_TARGETS)
