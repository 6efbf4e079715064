"""Series of preferred numbers, to which `$bucketAuto` rounds its boundaries.

Source: ISO 3 (Renard), IEC 60063 (E), as the dialect scales them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

_R20: Final = "100 112 125 140 160 180 200 224 250 280 315 355 400 450 500 560 630 710 800 900"
_R40: Final = (
    "100 106 112 118 125 132 140 150 160 170 180 190 200 212 224 236 250 265 280 300 315 335 355 375 400 425 450 475 "
    "500 530 560 600 630 670 710 750 800 850 900 950"
)
_R80: Final = (
    "1.00 1.03 1.06 1.09 1.12 1.15 1.18 1.22 1.25 1.28 1.32 1.36 1.40 1.45 1.50 1.55 1.60 1.65 1.70 1.75 1.80 1.85 "
    "1.90 1.95 2.00 2.06 2.12 2.18 2.24 2.30 2.36 2.43 2.50 2.58 2.65 2.72 2.80 2.90 3.00 3.07 3.15 3.25 3.35 3.45 "
    "3.55 3.65 3.75 3.87 4.00 4.12 4.25 4.37 4.50 4.62 4.75 4.87 5.00 5.15 5.30 5.45 5.60 5.80 6.00 6.15 6.30 6.50 "
    "6.70 6.90 7.10 7.30 7.50 7.75 8.00 8.25 8.50 8.75 9.00 9.25 9.50 9.75"
)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number.replace(".", "")) for number in text.split())


def _fine(count: int) -> tuple[int, ...]:
    series = tuple(round(100 * 10 ** (step / count)) for step in range(count))
    # The one number of IEC 60063 that is not the rounded power.
    return tuple(920 if number == 919 and count == 192 else number for number in series)


SERIES: Final[Mapping[str, tuple[int, ...]]] = {
    "R5": (10, 16, 25, 40, 63),
    "R10": (100, 125, 160, 200, 250, 315, 400, 500, 630, 800),
    "R20": _numbers(_R20),
    "R40": _numbers(_R40),
    "R80": _numbers(_R80),
    "1-2-5": (10, 20, 50),
    "E6": (10, 15, 22, 33, 47, 68),
    "E12": (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82),
    "E24": (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91),
    "E48": _fine(48),
    "E96": _fine(96),
    "E192": _fine(192),
}


class Granularity(NamedTuple):
    up: Callable[[float], float]
    """The next number above; of 0 it is 0."""
    down: Callable[[float], float]
    """The next number below; of 0 it is 0."""


def granularity_of(name: str) -> Granularity | None:
    """Return a granularity, None if there is none of that name."""
    if name == "POWERSOF2":
        return Granularity(_power_above, _power_below)
    series = SERIES.get(name)
    if series is None:
        return None
    return Granularity(lambda number: _series_above(series, number), lambda number: _series_below(series, number))


def _power_above(number: float) -> float:
    return math.ldexp(1.0, math.floor(math.log2(number)) + 1) if number else 0.0


def _power_below(number: float) -> float:
    return math.ldexp(1.0, math.ceil(math.log2(number)) - 1) if number else 0.0


def _series_above(series: Sequence[int], number: float) -> float:
    if not number:
        return 0.0
    scale = 1.0
    while number >= series[-1] * scale:
        if number < series[0] * (scale * 10.0):
            return series[0] * (scale * 10.0)
        scale *= 10.0
    while number < series[0] * scale:
        if number >= series[-1] * (scale / 10.0):
            return series[0] * scale
        scale /= 10.0
    return series[bisect_right([step * scale for step in series], number)] * scale


def _series_below(series: Sequence[int], number: float) -> float:
    if not number:
        return 0.0
    scale = 1.0
    while number <= series[0] * scale:
        if number > series[-1] * (scale / 10.0):
            return series[-1] * (scale / 10.0)
        scale /= 10.0
    while number > series[-1] * scale:
        if number <= series[0] * (scale * 10.0):
            return series[-1] * scale
        scale *= 10.0
    return series[bisect_left([step * scale for step in series], number) - 1] * scale
