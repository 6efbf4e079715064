"""When what is broken: each fault in its own rhythm, or packages of 30 s with one quiet period in four."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from jepsen_lite.clock import Clock
from jepsen_lite.faults.fault import Fault, World
from raftdoc.simulation.history import NEMESIS, Event, Recorder

PERIOD_S = 30.0
QUIET_SHARE = 0.25
TARGETS = "targets"
"""Of an event that says what the fault of its key has hit."""


class Rhythm(NamedTuple):
    """Seconds: how long a fault is on, and off, at least and at most."""

    on_min: float
    on_max: float
    off_min: float
    off_max: float


def rhythm_of(seconds: float) -> Rhythm:
    """Return a rhythm that lets a fault come at least twice in a run of these seconds."""
    if seconds < 15:
        return Rhythm(1.5, 2.5, 0.7, 1.2)
    return Rhythm(2.0, 5.0, 1.5, 4.0)


class Nemesis:
    """Starts and stops faults, and writes down when."""

    def __init__(self, world: World, recorder: Recorder, clock: Clock, random: Random) -> None:
        self._world = world
        self._recorder = recorder
        self._clock = clock
        self._random = random
        self._running: dict[str, tuple[Fault, Event]] = {}

    async def run(self, faults: Sequence[Fault], rhythm: Rhythm, *, has_packages: bool) -> None:
        """Break and heal until cancelled."""
        if has_packages:
            await self._packages(faults, rhythm)
            return
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._beat(fault, rhythm))

    async def heal(self) -> None:
        """Stop every fault that is on, then every rule of the network."""
        for fault, _ in tuple(self._running.values()):
            await self._stop(fault)
        self._world.links.heal()

    async def _packages(self, faults: Sequence[Fault], rhythm: Rhythm) -> None:
        while True:
            chosen: list[Fault] = []
            if self._random.random() >= QUIET_SHARE:
                chosen = self._random.sample(list(faults), k=min(len(faults), self._random.randint(2, 4)))
            try:
                async with asyncio.timeout(PERIOD_S), asyncio.TaskGroup() as group:
                    for fault in chosen:
                        group.create_task(self._beat(fault, rhythm))
                    group.create_task(asyncio.sleep(PERIOD_S))
            except TimeoutError:
                await self.heal()

    async def _beat(self, fault: Fault, rhythm: Rhythm) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(rhythm.off_min, rhythm.off_max))
            await self._start(fault)
            await asyncio.sleep(self._random.uniform(rhythm.on_min, rhythm.on_max))
            await self._stop(fault)

    async def _start(self, fault: Fault) -> None:
        event = self._recorder.invoke(self._clock.now_ns(), NEMESIS, fault.name, None, "start")
        self._running[fault.name] = fault, event
        value: Any = await fault.start(self._world)
        # A line of its own says what it hit; the fault is over with its ok.
        target = Event(len(self._recorder.events), self._clock.now_ns(), NEMESIS, "info", TARGETS, fault.name, value)
        self._recorder.events.append(target)

    async def _stop(self, fault: Fault) -> None:
        running = self._running.get(fault.name)
        if running is None:
            return
        value = await fault.stop(self._world)
        # Only now: a stop that is cancelled on the way is done again by the final heal.
        del self._running[fault.name]
        self._recorder.complete(running[1], self._clock.now_ns(), "ok", value)
