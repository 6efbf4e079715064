"""A column for each client, time downwards, in pages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from jepsen_lite.logs import GroupLog, term_at
from jepsen_lite.views.page import BAND_OPACITY, Band, box, colour_of, names_of, rule, svg, text
from jepsen_lite.views.plots import COLOURS
from raftdoc.simulation.history import Operation, RaftPosition

CLOCK = 64
LANE = 16
COLUMN = 200
ROW = 12
SHOWN_CHARS = 32
TIME_EVERY_ROWS = 4
EVENTS_PER_PAGE = 3000


class Run(NamedTuple):
    """What the timeline shows."""

    operations: Sequence[Operation]
    bands: Sequence[Band]
    times: Sequence[int]
    """Of each event, in nanoseconds; the first is second 0."""
    clients: int
    effects: Mapping[str, Sequence[RaftPosition]]
    """Where in the log writes took effect, by idempotency key."""
    logs: Mapping[str, Mapping[str, GroupLog]]

    @property
    def page_count(self) -> int:
        return max(1, -(-len(self.times) // EVENTS_PER_PAGE))


def name_of(number: int) -> str:
    """Return the file of a page of the timeline; they count from 0."""
    return "timeline.html" if number == 0 else f"timeline-{number + 1}.html"


def page_of(event: int) -> str:
    """Return the file that shows an event."""
    return name_of(event // EVENTS_PER_PAGE)


def timeline(run: Run, number: int) -> str:
    """Return one page of the history as columns: each event is a row, so that short operations can be read."""
    first = number * EVENTS_PER_PAGE
    stop = min(first + EVENTS_PER_PAGE, len(run.times))
    lanes = names_of(run.bands)
    left = CLOCK + LANE * len(lanes)
    width = left + COLUMN * run.clients
    parts = []
    for row in range(first, stop, TIME_EVERY_ROWS):
        y = (row - first) * ROW
        seconds = (run.times[row] - run.times[0]) / 1e9
        parts += [rule(0, y, width, y), text(2, y + 10, f"{seconds:.3f} s", "#5a6877")]
    for band in run.bands:
        parts += _band(run, band, first, stop, width)
    for one in run.operations:
        last = one.stop if one.stop is not None else one.start + 3
        if last >= first and one.start < stop:
            parts.append(_operation(run, one, first, left))
    return _heads(run, lanes) + svg((stop - first) * ROW + 20, parts, width)


def _heads(run: Run, lanes: Sequence[str]) -> str:
    """Return the names of the columns, which stay on top."""
    cells = [f'<div style="width:{CLOCK}px">time</div>']
    cells += [
        f'<div style="width:{LANE}px;background:{colour_of(name, run.bands)}" title="{escape(name)}">&nbsp;</div>'
        for name in lanes
    ]
    cells += [f'<div style="width:{COLUMN}px;padding-left:6px">client {client}</div>' for client in range(run.clients)]
    return f'<div class="heads">{"".join(cells)}</div>'


def _band(run: Run, band: Band, first: int, stop: int, width: float) -> list[str]:
    """Return a fault as a bar in its lane and as a tint behind the columns."""
    top = max(bisect_left(run.times, band.start), first)
    bottom = min(bisect_left(run.times, band.stop), stop)
    if top >= bottom:
        return []
    y, height = (top - first) * ROW, (bottom - top) * ROW
    colour, hover = colour_of(band.name, run.bands), f"{band.name} {band.targets}"
    x = CLOCK + LANE * names_of(run.bands).index(band.name)
    return [box(x, y, LANE - 3, height, colour, hover), box(x, y, width - x, height, colour, opacity=BAND_OPACITY)]


def _operation(run: Run, one: Operation, first: int, left: float) -> str:
    x = left + COLUMN * (one.process % run.clients)
    top = max(one.start - first, 0) * ROW
    last = one.stop if one.stop is not None else one.start + 3
    height = (last - max(one.start, first)) * ROW
    bar = box(x + 2, top + 1, COLUMN - 4, height - 1, COLOURS[one.type], _hover(run, one), opacity=0.62)
    return f'<g id="e{one.start}">{bar}{text(x + 6, top + 10, _words(one)[:SHOWN_CHARS])}</g>'


def _words(one: Operation) -> str:
    value = "" if one.value is None else f" {one.value}"
    answer = f" = {one.result}" if one.type == "ok" and one.result != one.value else ""
    return f"{one.f} {one.key or ''}{value}{answer}" + (f" {one.error}" if one.error else "")


def _hover(run: Run, one: Operation) -> str:
    """Return all that is known of an operation: value, answer, index and term."""
    places = [one.raft] if one.raft else run.effects.get(one.id or "", ())
    lines = [str(one), *(f"key {one.id}" for _ in (1,) if one.id)]
    for place in places:
        if place.index > 0:
            term = term_at(run.logs, place.group, place.index)
            lines.append(f"group {place.group}, index {place.index}, term {'compacted' if term is None else term}")
    return "\n".join(lines)
