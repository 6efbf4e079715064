"""Faults of clocks, by the file that a node reads its offset and rate from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from jepsen_lite.cluster import Cluster
from jepsen_lite.exposition import metric
from jepsen_lite.faults.fault import ANY_TARGETS, Plain, World

Bend: TypeAlias = Callable[[Random], tuple[float, float]]
NOTICED_S = 0.5
TRUE = (0.0, 1.0)


@dataclass(slots=True)
class ClockFault(Plain):
    """Clocks of some nodes go wrong. Noticed: a node measures how far its wall clock is from the others'."""

    bend: Bend = lambda _: TRUE
    kinds: tuple[str, ...] = ANY_TARGETS
    targets: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    noticed: int = 0

    def equip(self, cluster: Cluster) -> None:
        for node in cluster.founders:
            self.files[node] = cluster.directory.resolve() / "nodes" / f"{node}.clock"
            self.files[node].parent.mkdir(parents=True, exist_ok=True)
            _write(self.files[node], *TRUE)
            cluster.nodes[node].flags["clock-file"] = str(self.files[node])

    async def start(self, world: World) -> Any:
        self.targets = world.pick(self.kinds)
        bent = {node: self.bend(world.random) for node in self.targets}
        for node, (offset_ms, rate) in bent.items():
            _write(self.files[node], offset_ms, rate)
        return {node: {"offset_ms": round(offset_ms), "rate": rate} for node, (offset_ms, rate) in bent.items()}

    async def stop(self, world: World) -> Any:
        self.noticed += await self._noticed(world)
        for node in self.targets:
            _write(self.files[node], *TRUE)
        return self.targets

    async def seen(self, world: World) -> int:
        return self.noticed + await self._noticed(world)

    async def _noticed(self, world: World) -> int:
        """Return how many nodes know now that their clock differs from the others'."""
        count = 0
        for node in world.cluster.running():
            if not world.cluster.nodes[node].is_paused:
                _, text = await world.cluster.ask(node, "/metrics")
                count += abs(metric(text, "raftdoc_wall_clock_skew_seconds")) > NOTICED_S
        return count


def jump(random: Random) -> tuple[float, float]:
    """Return an offset of up to half a minute, either way."""
    return random.choice((-1, 1)) * random.uniform(1_000, 30_000), 1.0


def rate(random: Random) -> tuple[float, float]:
    """Return a rate far beyond what leases allow: a node has to notice, and do without them."""
    return 0.0, random.choice((0.4, 1.5, 3.0))


def skew(random: Random) -> tuple[float, float]:
    """Return an offset of a few seconds and a rate within what is allowed."""
    return random.choice((-1, 1)) * random.uniform(800, 8_000), random.uniform(0.996, 1.004)


def _write(path: Path, offset_ms: float, rate: float) -> None:
    """Replace the file at once: a node never reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"offset_ms": offset_ms, "rate": rate}))
    os.replace(new, path)
