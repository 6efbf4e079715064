"""Faults, leaders and terms, latency and rate over the time of a run, one below the other on one scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from jepsen_lite.views.page import (
    LEFT,
    WIDTH,
    Band,
    Scale,
    box,
    colour_of,
    draw_bands,
    draw_seconds,
    names_of,
    rule,
    svg,
    text,
)
from raftdoc.simulation.history import NEMESIS, Event

HEIGHT = 220.0
LANE = 24.0
FOOT = 16.0
COLOURS = {"ok": "#1f9254", "fail": "#e09a1a", "info": "#cf3a2f"}
WORDS = {"ok": "ok", "fail": "failed for certain", "info": "unknown"}
ROLE_COLOURS = {
    "leader": "#1f6fb2",
    "follower": "#c7d6e5",
    "pre_candidate": "#f3d28b",
    "candidate": "#e2a03f",
    "silent": "#ffffff",
    "none": "#eceff2",
}
OTHER_ROLE_COLOUR = "#d9cfe6"
DECADES = (0.1, 1, 10, 100, 1000, 10000)


def faults(bands: Sequence[Band], scale: Scale) -> str:
    """Return a lane for each fault, with what it hit."""
    names = names_of(bands)
    height = LANE * len(names) + FOOT
    parts = [text(2, LANE * row + 16, name) for row, name in enumerate(names)]
    for band in bands:
        row = names.index(band.name)
        width = scale.x(band.stop) - scale.x(band.start)
        seconds = (band.stop - band.start) / 1e9
        hover = f"{band.name} for {seconds:.1f} s: {band.targets}"
        parts.append(box(scale.x(band.start), LANE * row + 4, width, LANE - 7, colour_of(band.name, bands), hover))
        parts.append(text(scale.x(band.start) + 4, LANE * row + 16, _short(band.targets, width), "#ffffff"))
    return svg(height, [*parts, *draw_seconds(scale, height)])


def _short(targets: str, width: float) -> str:
    """Return as much of what was hit as has room."""
    words = targets.translate(str.maketrans("", "", "[]'{}"))
    room = int(width / 6.2)
    return words if len(words) <= room else words[: max(room - 2, 0)] + "…" if room > 3 else ""


def latencies(events: Sequence[Event], bands: Sequence[Band], scale: Scale) -> str:
    """Return a dot for each operation, its milliseconds on a scale of decades."""
    begun: dict[int, Event] = {}
    parts = draw_bands(bands, scale, HEIGHT)
    for decade in DECADES:
        y = _height_of(decade)
        parts.append(rule(LEFT, y, WIDTH, y))
        parts.append(text(4, y + 4, f"{decade:g} ms", "#5a6877"))
    for event in events:
        if event.process == NEMESIS:
            continue
        if event.type == "invoke":
            begun[event.process] = event
            continue
        start = begun.pop(event.process)
        took_ms = (event.time - start.time) / 1e6
        hover = f"<title>p{event.process} {event.f}({event.key}) {event.type} {took_ms:.1f} ms</title>"
        x, y = scale.x(start.time), _height_of(max(took_ms, 0.1))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{COLOURS[event.type]}">{hover}</circle>')
    return svg(HEIGHT + FOOT, [*parts, *draw_seconds(scale, HEIGHT + FOOT)])


def _height_of(took_ms: float) -> float:
    return HEIGHT - 12 - (HEIGHT - 30) * (log10(took_ms) + 1) / 5


def rates(events: Sequence[Event], bands: Sequence[Band], scale: Scale) -> str:
    """Return completions a second, by outcome."""
    seconds = (scale.end - scale.start) / 1e9
    slot_ns = int(max(0.5, seconds / 200) * 1e9)
    counts: Counter[tuple[int, str]] = Counter()
    for event in events:
        if event.process != NEMESIS and event.type != "invoke":
            counts[(event.time - scale.start) // slot_ns, event.type] += 1
    most = max(counts.values(), default=1)
    parts = draw_bands(bands, scale, HEIGHT)
    for share in (0.0, 0.5, 1.0):
        y = HEIGHT - 12 - (HEIGHT - 30) * share
        parts += [rule(LEFT, y, WIDTH, y), text(4, y + 4, f"{share * most / (slot_ns / 1e9):.0f} / s", "#5a6877")]
    for type_, colour in COLOURS.items():
        last = (scale.end - scale.start) // slot_ns
        points = " ".join(
            f"{scale.x(scale.start + at * slot_ns):.1f},{HEIGHT - 12 - (HEIGHT - 30) * counts[at, type_] / most:.1f}"
            for at in range(last + 1)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return svg(HEIGHT + FOOT, [*parts, *draw_seconds(scale, HEIGHT + FOOT)])


def leaders(changes: Sequence[Mapping[str, Any]], bands: Sequence[Band], scale: Scale) -> str:
    """Return a strip for each node: its role by its own words, with the term where it leads."""
    nodes = sorted({change["node"] for change in changes})
    height = LANE * len(nodes) + FOOT
    parts = draw_bands(bands, scale, height - FOOT)
    for row, node in enumerate(nodes):
        own = [change for change in changes if change["node"] == node]
        parts.append(text(4, row * LANE + 17, node))
        for at, change in enumerate(own):
            start = max(change["time"], scale.start)
            stop = own[at + 1]["time"] if at + 1 < len(own) else scale.end
            if stop <= start or change["role"] == "silent":
                continue
            x, width = scale.x(start), scale.x(stop) - scale.x(start)
            hover = f"{node} {change['role']} term {change['term']}"
            colour = ROLE_COLOURS.get(change["role"], OTHER_ROLE_COLOUR)
            parts.append(box(x, row * LANE + 4, width, LANE - 7, colour, hover))
            if change["role"] == "leader" and width > 10:
                parts.append(text(x + 4, row * LANE + 17, str(change["term"]), "#ffffff"))
    return svg(height, [*parts, *draw_seconds(scale, height)])
