"""The clocks of a simulated machine: each off by an offset and a rate.

The wall clock may be set. While the machine is suspended, CLOCK_MONOTONIC_RAW stands still and CLOCK_BOOTTIME goes on,
as Linux has it. Reading a clock takes time, if the world wants: code that runs long sees time pass.
"""

from __future__ import annotations

from raftdoc.limits import NS_PER_MS
from raftdoc.simulation.nodes.event_loop import VirtualLoop

WALL_START_MS = 1_700_000_000_000
"""What a right clock shows when the world begins."""


class MachineClock:
    """See node.clock.Clock."""

    def __init__(self, loop: VirtualLoop, *, offset_ns: int, rate: float, read_ns: int) -> None:
        self._loop = loop
        self._offset_ns = offset_ns
        self._rate = rate
        self._read_ns = read_ns
        self._wall_ahead_ns = 0
        self._slept_ns = 0

    def now_ns(self) -> int:
        if self._read_ns:
            self._loop.spend(self._read_ns)
        return self.peek_ns()

    def peek_ns(self) -> int:
        """Return what `now_ns` is, without taking the time to read it."""
        return self._offset_ns + int(self._loop.now_ns * self._rate)

    def raw_ns(self) -> int:
        return self.peek_ns() - self._slept_ns

    def wall_ms(self) -> int:
        """Return milliseconds since 1970, as wrong as the rest."""
        return WALL_START_MS + (self.peek_ns() - self._offset_ns + self._wall_ahead_ns) // NS_PER_MS

    def set_wall(self, ahead_ns: int) -> None:
        """Set the wall clock to be so far ahead of what it should be."""
        self._wall_ahead_ns = ahead_ns

    def sleep(self, duration_ns: int) -> None:
        """Be suspended for so long, from now on."""
        self._slept_ns += int(duration_ns * self._rate)
