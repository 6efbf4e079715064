"""The clocks of a node, and the watchdog that notices when they stop agreeing.

Leases count on CLOCK_BOOTTIME, which goes on while the machine sleeps and is never set.
The loop's own time is cached for a whole turn and must never be used for a lease.

Source: breaker L4 of docs/consensus.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from raftdoc.errors import InvalidSettings
from raftdoc.limits import CLOCK_RATE_ERROR_MAX, NS_PER_MS

FILE_CHECK_INTERVAL_NS = 10 * NS_PER_MS
DISAGREEMENT_NS_MAX = 20 * NS_PER_MS


class Clock(Protocol):
    """Three readings of time. `now_ns` is for leases and deadlines, `wall_ms` for log time, `raw_ns` to check them."""

    @property
    def now_ns(self) -> Callable[[], int]: ...

    @property
    def wall_ms(self) -> Callable[[], int]: ...

    @property
    def raw_ns(self) -> Callable[[], int]: ...


class SystemClock:
    """CLOCK_BOOTTIME, CLOCK_REALTIME and CLOCK_MONOTONIC_RAW, read freshly at every call."""

    def __init__(self) -> None:
        self.now_ns: Callable[[], int] = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
        self.raw_ns: Callable[[], int] = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC_RAW)

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // NS_PER_MS


class FileClock:
    """A clock that a test bends from outside, through a file of `{"offset_ms": 0, "rate": 1.0}`.

    Offset and rate bend CLOCK_BOOTTIME and CLOCK_REALTIME alike; CLOCK_MONOTONIC_RAW stays true, so that
    a jump is seen by the watchdog as a real one would be. The file is looked at every 10 ms.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._raw = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC_RAW)
        self._boot = partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
        self._anchor_ns = self._boot()
        self._bent_ns = self._anchor_ns
        self._offset_ns, self._rate, self._modified_ns = 0, 1.0, -1
        self._next_check_ns = 0

    def now_ns(self) -> int:
        true_ns = self._boot()
        if true_ns >= self._next_check_ns:
            self._next_check_ns = true_ns + FILE_CHECK_INTERVAL_NS
            self._reload(true_ns)
        return self._bend(true_ns)

    def wall_ms(self) -> int:
        bend_ns = self.now_ns() - self._boot()
        return (time.time_ns() + bend_ns) // NS_PER_MS

    def raw_ns(self) -> int:
        return self._raw()

    def _bend(self, true_ns: int) -> int:
        return self._bent_ns + int((true_ns - self._anchor_ns) * self._rate) + self._offset_ns

    def _reload(self, true_ns: int) -> None:
        """Take up the file's values; one that is missing or half written is looked at again at the next check."""
        try:
            modified_ns = self._path.stat().st_mtime_ns
            if modified_ns == self._modified_ns:
                return
            offset_ns, rate = read_clock_file(self._path)
        except (FileNotFoundError, InvalidSettings):
            return
        self._bent_ns = self._bend(true_ns) - self._offset_ns
        self._anchor_ns = true_ns
        self._offset_ns, self._rate, self._modified_ns = offset_ns, rate, modified_ns


def read_clock_file(path: Path) -> tuple[int, float]:
    """Return (offset_ns, rate) of a clock file.

    Raises:
        FileNotFoundError: there is none.
        InvalidSettings: it is not an object of `offset_ms` and `rate`.
    """
    try:
        values = json.loads(path.read_text())
        return int(values.get("offset_ms", 0) * NS_PER_MS), float(values.get("rate", 1.0))
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidSettings(f"clock_file {path}: {error}") from error


class ClockWatchdog:
    """Compares how far the three clocks moved between two checks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = self._read()

    def disagrees(self) -> bool:
        """Return True when the clocks moved differently since the last call: by a jump, a suspend or a wrong rate."""
        present = self._read()
        moved = [new - old for new, old in zip(present, self._last, strict=True)]
        self._last = present
        allowed_ns = DISAGREEMENT_NS_MAX + int(abs(moved[0]) * CLOCK_RATE_ERROR_MAX)
        return max(moved) - min(moved) > allowed_ns

    def _read(self) -> tuple[int, int, int]:
        clock = self._clock
        return clock.now_ns(), clock.raw_ns(), clock.wall_ms() * NS_PER_MS
