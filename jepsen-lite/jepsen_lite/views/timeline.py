"""A column for each client, time downwards; what a key did when the linearizability checker gave up."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jepsen_lite.views.page import Band, Scale, box, colour_of, svg, text
from jepsen_lite.views.plots import COLOURS
from raftdoc.simulation.checkers.linearizability import KeyResult, describe
from raftdoc.simulation.history import Operation

COLUMN = 150
ROW = 9
SHOWN_MAX = 3000
FAILURE_SHOWN = 25


def timeline(operations: Sequence[Operation], bands: Sequence[Band], times: Sequence[int], clients: int) -> str:
    """Return the history as columns: each event is a row, so that short operations can be read.

    Args:
        times: of each event, in nanoseconds: where a fault's band begins and ends.
    """
    shown = operations[:SHOWN_MAX]
    last = max((one.stop or one.start for one in shown), default=0)
    parts = []
    for band in bands:
        first, stop = _row_at(times, band.start), _row_at(times, band.stop)
        colour = colour_of(band.name, bands)
        parts.append(
            box(0, first * ROW, COLUMN * (clients + 1), (stop - first) * ROW, colour, f"{band.name} {band.targets}")
        )
        parts.append(text(2, first * ROW + 10, band.name))
    for one in shown:
        x = COLUMN * (one.process % clients + 1)
        stop = one.stop if one.stop is not None else one.start + 3
        hover = f"{describe(one)} at {one.raft}" if one.raft else describe(one)
        parts.append(
            box(x + 2, one.start * ROW, COLUMN - 4, (stop - one.start) * ROW, COLOURS[_type(one)] + "99", hover)
        )
        parts.append(text(x + 4, one.start * ROW + 9, f"{one.f} {one.key or ''}"[:22]))
    return svg(last * ROW + 20, parts)


def failure(result: KeyResult) -> str:
    """Return how far the checker came with a key, and what could not be next."""
    done = "".join(f"<li>{escape(describe(one))}</li>" for one in result.linearized[-FAILURE_SHOWN:])
    blocked = "".join(f"<li>{escape(describe(one))}</li>" for one in result.blocked)
    count = len(result.linearized)
    return (
        f"<h2>key {escape(str(result.key))}: {result.verdict.value}</h2>"
        f"<p>The longest order that was found has {count} operations. It ends with</p><ol>{done}</ol>"
        f"<p>and none of these can be next:</p><ul class='illegal'>{blocked}</ul>"
    )


def _type(one: Operation) -> str:
    return one.type if one.type in COLOURS else "info"


def _row_at(times: Sequence[int], time: int) -> int:
    """Return the number of the first event that is not before a time."""
    return next((row for row, at in enumerate(times) if at >= time), len(times))


def scale_of(times: Sequence[int]) -> Scale:
    return Scale(max(times, default=1))
