"""The clock of a simulated node: off by an offset and a rate; it may leap, and stand still while the node sleeps."""

from __future__ import annotations

from collections.abc import Callable

from raftdoc.limits import NS_PER_MS

WALL_START_MS = 1_700_000_000_000
"""What a right clock shows when the world begins."""


class SimulatedClock:
    """`now_ns` is what the node reads; `true_now_ns` is the world's time, which no node sees."""

    __slots__ = ("_frozen_ns", "_true_now_ns", "offset_ns", "rate")

    def __init__(self, true_now_ns: Callable[[], int], *, offset_ns: int, rate: float) -> None:
        self._true_now_ns = true_now_ns
        self.offset_ns = offset_ns
        self.rate = rate
        self._frozen_ns: int | None = None

    def now_ns(self) -> int:
        if self._frozen_ns is not None:
            return self._frozen_ns
        return self.offset_ns + int(self._true_now_ns() * self.rate)

    def wall_ms(self) -> int:
        """Return the time of day, as wrong as the rest."""
        return WALL_START_MS + self.now_ns() // NS_PER_MS

    @property
    def is_frozen(self) -> bool:
        return self._frozen_ns is not None

    def leap(self, by_ns: int) -> None:
        self.offset_ns += by_ns

    def freeze(self) -> None:
        """Stand still: the machine is suspended, and its clock with it."""
        self._frozen_ns = self.now_ns()

    def thaw(self) -> None:
        """Go on from where it stood."""
        if self._frozen_ns is not None:
            self.offset_ns = self._frozen_ns - int(self._true_now_ns() * self.rate)
            self._frozen_ns = None
