"""A line that says how far long work is, where somebody looks."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

INTERVAL_S: Final = 0.2


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

    def show(self, count: int) -> None:
        """Say how many there are so far."""
        now_s = time.monotonic()
        if self._is_shown and now_s >= self._next_s:
            self._next_s = now_s + INTERVAL_S
            rate = count / max(now_s - self._started_s, 0.001)
            sys.stderr.write(f"\r\x1b[K{count:,} {self._unit}, {rate:,.0f}/s")
            sys.stderr.flush()
