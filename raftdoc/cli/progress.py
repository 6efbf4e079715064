"""A line that says how far long work is, where somebody looks."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

INTERVAL_S: Final = 0.2
BAR_CHARACTERS: Final = 24


class Progress:
    """Written to standard error when that is a terminal, over and over on one line."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._is_shown = sys.stderr.isatty()
        self._started_s = time.monotonic()
        self._next_s = self._started_s

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, count: int, share: float | None = None) -> None:
        """Say how many there are so far, and which share of all that is, from 0 to 1, where it is known."""
        now_s = time.monotonic()
        if self._is_shown and now_s >= self._next_s:
            self._next_s = now_s + INTERVAL_S
            sys.stderr.write(f"\r\x1b[K{line(self._unit, count, share, now_s - self._started_s)}")
            sys.stderr.flush()


def line(unit: str, count: int, share: float | None, elapsed_s: float) -> str:
    """Return how far it is: with a bar and the time that is left, where the share is known."""
    text = f"{count:,} {unit}, {count / max(elapsed_s, 0.001):,.0f}/s"
    if share is None:
        return text
    share = min(max(share, 0.0), 1.0)
    full = int(share * BAR_CHARACTERS)
    bar = f"[{'#' * full}{'.' * (BAR_CHARACTERS - full)}] {share:4.0%}  {text}"
    return bar + (f", {elapsed_s / share - elapsed_s:,.0f} s left" if share > 0 else "")
