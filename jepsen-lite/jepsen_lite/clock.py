"""The harness's own time, and how much of it the machine withheld."""

from __future__ import annotations

import asyncio
import time

PULSE_S = 0.25


class Clock:
    """Nanoseconds since the run began."""

    def __init__(self) -> None:
        self._began_ns = time.monotonic_ns()
        self.starved_s = 0.0
        """For how long a busy machine gave the harness nothing, as far as `watch` saw it."""

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._began_ns

    def given_s(self) -> float:
        """Return seconds since the run began, without those that the machine withheld: what deadlines count."""
        return self.now_ns() / 1e9 - self.starved_s

    async def watch(self) -> None:
        """Add up what is withheld; runs until cancelled."""
        while True:
            before_ns = self.now_ns()
            await asyncio.sleep(PULSE_S)
            late_s = (self.now_ns() - before_ns) / 1e9 - PULSE_S
            if late_s > PULSE_S:
                self.starved_s += late_s
