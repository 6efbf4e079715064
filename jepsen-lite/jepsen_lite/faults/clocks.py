"""Faults of clocks: by a file that the node reads its offset and rate from, or by libfaketime, unknown to it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, TypeAlias

from jepsen_lite.cluster import Cluster, Node
from jepsen_lite.exposition import metric
from jepsen_lite.faults.fault import ANY_TARGETS, Plain, World

Bend: TypeAlias = Callable[[Random], tuple[float, float]]
"""Draws an offset in milliseconds and a rate."""
NOTICED_S = 0.5
WATCH_INTERVAL_S = 0.7
TRUE = (0.0, 1.0)
LIBRARY_ROOTS: Final = (Path("/usr/lib"), Path("/usr/local/lib"), Path("/opt/homebrew/lib"))
LIBRARY_NAMES: Final = ("faketime/libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1")


class Means(Protocol):
    """How a clock is bent from outside."""

    @property
    def ending(self) -> str:
        """Return what the names of its files end in."""
        ...

    def available(self) -> str | None:
        """Return why it cannot be had here, None if it can."""
        ...

    def equip(self, node: Node, path: Path) -> None:
        """Let a node that is not running read its clocks through a file."""
        ...

    def text(self, offset_ms: float, rate: float) -> str:
        """Return what the file says."""
        ...


class ClockFile:
    """The node's own setting: wall clock and the clock of the leases go wrong together."""

    ending = "clock"

    def available(self) -> str | None:
        return None

    def equip(self, node: Node, path: Path) -> None:
        node.flags["clock-file"] = str(path)

    def text(self, offset_ms: float, rate: float) -> str:
        return json.dumps({"offset_ms": offset_ms, "rate": rate})


@dataclass(frozen=True, slots=True)
class FakeTime:
    """libfaketime before the C library: the wall clock alone is set, as an operator or a time service sets it.

    It is told to leave CLOCK_MONOTONIC alone, from which asyncio's timers count. Times of files stay true, and the file
    is read at every call, so that a clock leaps within a turn of the node's loop. It knows rates as well, but bends
    timers with them.
    """

    roots: tuple[Path, ...] = LIBRARY_ROOTS
    ending: str = "faketime"

    def library(self) -> Path | None:
        """Return where it is, in the form for programs with threads."""
        return next((path for root in self.roots for name in LIBRARY_NAMES for path in sorted(root.glob(name))), None)

    def available(self) -> str | None:
        return None if self.library() else "no libfaketime (Debian's package is called faketime)"

    def equip(self, node: Node, path: Path) -> None:
        library = self.library()
        assert library is not None, self.roots
        node.preload(str(library))
        node.environment |= {
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }

    def text(self, offset_ms: float, rate: float) -> str:
        assert rate == 1.0, rate
        return f"{offset_ms / 1000:+.3f}s\n"


CLOCK_FILE: Final = ClockFile()
FAKE_TIME: Final = FakeTime()


@dataclass(slots=True)
class ClockFault(Plain):
    """Clocks of some nodes go wrong. Noticed: a node measures how far its wall clock is from the others'."""

    bend: Bend = lambda _: TRUE
    kinds: tuple[str, ...] = ANY_TARGETS
    means: Means = CLOCK_FILE
    targets: list[str] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    noticed: int = 0
    watch: asyncio.Task[None] | None = None

    def available(self) -> str | None:
        return self.means.available()

    def equip(self, cluster: Cluster) -> None:
        for node in cluster.founders:
            self.files[node] = cluster.directory.resolve() / "nodes" / f"{node}.{self.means.ending}"
            self.files[node].parent.mkdir(parents=True, exist_ok=True)
            self._set(node, *TRUE)
            self.means.equip(cluster.nodes[node], self.files[node])

    async def start(self, world: World) -> Any:
        self.targets = world.pick(self.kinds)
        bent = {node: self.bend(world.random) for node in self.targets}
        for node, (offset_ms, rate) in bent.items():
            self._set(node, offset_ms, rate)
        self.watch = asyncio.create_task(self._watch(world))
        return {node: {"offset_ms": round(offset_ms), "rate": rate} for node, (offset_ms, rate) in bent.items()}

    async def stop(self, world: World) -> Any:
        if self.watch is not None:
            self.watch.cancel()
            await asyncio.wait([self.watch])
            self.watch = None
        self.noticed += await self._noticed(world)
        for node in self.targets:
            self._set(node, *TRUE)
        return self.targets

    async def seen(self, world: World) -> int:
        return self.noticed + await self._noticed(world)

    async def _watch(self, world: World) -> None:
        """Ask again and again: at the end of a fault another one may keep the nodes from measuring."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            self.noticed += await self._noticed(world)

    async def _noticed(self, world: World) -> int:
        """Return how many nodes know now that their clock differs from the others'."""
        count = 0
        for node in world.cluster.running():
            if not world.cluster.nodes[node].is_paused:
                _, text = await world.cluster.ask(node, "/metrics")
                count += abs(metric(text, "raftdoc_wall_clock_skew_seconds")) > NOTICED_S
        return count

    def _set(self, node: str, offset_ms: float, rate: float) -> None:
        """Replace the file at once: a node never reads half of it."""
        path = self.files[node]
        new = path.with_name(f"{path.name}.new")
        new.write_text(self.means.text(offset_ms, rate))
        os.replace(new, path)


def jump(random: Random) -> tuple[float, float]:
    """Return an offset of up to half a minute, either way."""
    return random.choice((-1, 1)) * random.uniform(1_000, 30_000), 1.0


def rate(random: Random) -> tuple[float, float]:
    """Return a rate far beyond what leases allow: a node has to notice, and do without them."""
    return 0.0, random.choice((0.4, 1.5, 3.0))


def skew(random: Random) -> tuple[float, float]:
    """Return an offset of a few seconds and a rate within what is allowed."""
    return random.choice((-1, 1)) * random.uniform(800, 8_000), random.uniform(0.996, 1.004)
