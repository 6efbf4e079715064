"""Latency, rate, leaders and terms over the time of a run, with the faults behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from jepsen_lite.views.page import LEFT, WIDTH, Band, Scale, box, draw_bands, draw_seconds, svg, text
from raftdoc.simulation.history import NEMESIS, Event

HEIGHT = 220.0
COLOURS = {"ok": "#1d8348", "fail": "#c07f00", "info": "#c0392b"}
ROLE_COLOURS = {
    "leader": "#1f6fb2",
    "follower": "#cfd8e0",
    "candidate": "#e2a03f",
    "silent": "#ffffff",
    "none": "#eeeeee",
}
DECADES = (0.1, 1, 10, 100, 1000, 10000)


def latencies(events: Sequence[Event], bands: Sequence[Band], scale: Scale) -> str:
    """Return a dot for each operation, its milliseconds on a scale of decades."""
    begun: dict[int, Event] = {}
    parts = draw_bands(bands, scale, HEIGHT)
    for decade in DECADES:
        y = _height_of(decade)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.0f}" y2="{y:.0f}" stroke="#dde3e9"/>')
        parts.append(text(4, y + 4, f"{decade:g} ms"))
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
    return svg(HEIGHT + 16, [*parts, *draw_seconds(scale, HEIGHT + 16)])


def _height_of(took_ms: float) -> float:
    return HEIGHT - 12 - (HEIGHT - 30) * (log10(took_ms) + 1) / 5


def rates(events: Sequence[Event], bands: Sequence[Band], scale: Scale) -> str:
    """Return completions in each half second, by outcome."""
    counts: Counter[tuple[int, str]] = Counter()
    for event in events:
        if event.process != NEMESIS and event.type != "invoke":
            counts[int(event.time / 5e8), event.type] += 1
    most = max(counts.values(), default=1)
    parts = draw_bands(bands, scale, HEIGHT)
    parts.append(text(4, 24, f"{2 * most}/s"))
    for type_, colour in COLOURS.items():
        last = int(scale.end / 5e8)
        points = " ".join(
            f"{scale.x(int(at * 5e8)):.1f},{HEIGHT - 12 - (HEIGHT - 30) * counts[at, type_] / most:.1f}"
            for at in range(last + 1)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return svg(HEIGHT + 16, [*parts, *draw_seconds(scale, HEIGHT + 16)])


def leaders(changes: Sequence[Mapping[str, Any]], bands: Sequence[Band], scale: Scale) -> str:
    """Return a strip for each node: its role by its own words, with the term where it leads."""
    nodes = sorted({change["node"] for change in changes})
    height = 24.0 * len(nodes) + 16
    parts = draw_bands(bands, scale, height)
    for row, node in enumerate(nodes):
        own = [change for change in changes if change["node"] == node]
        parts.append(text(4, row * 24 + 18, node))
        for at, change in enumerate(own):
            stop = own[at + 1]["time"] if at + 1 < len(own) else scale.end
            x, width = scale.x(change["time"]), scale.x(stop) - scale.x(change["time"])
            hover = f"{node} {change['role']} term {change['term']}"
            parts.append(box(x, row * 24 + 5, width, 18, ROLE_COLOURS.get(change["role"], "#cccccc"), hover))
            if change["role"] == "leader":
                parts.append(text(x + 2, row * 24 + 18, str(change["term"]), "#ffffff"))
    return svg(height, [*parts, *draw_seconds(scale, height)])
