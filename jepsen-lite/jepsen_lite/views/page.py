"""The frame of every page, and the scale that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from jepsen_lite.nemesis import TARGETS
from raftdoc.simulation.history import NEMESIS, Event

STYLE = """
body{font:14px/1.45 system-ui,sans-serif;margin:24px;color:#1c2733;background:#fff;max-width:1200px}
h1{font-size:20px}h2{font-size:16px;margin-top:28px}table{border-collapse:collapse}
td,th{border-bottom:1px solid #dde3e9;padding:4px 10px;text-align:left;vertical-align:top}
.ok{color:#14713a}.illegal{color:#b3261e;font-weight:600}.unknown{color:#8a5a00;font-weight:600}
pre{background:#f4f6f8;padding:8px;white-space:pre-wrap;overflow-wrap:anywhere}
svg{background:#fbfcfd;border:1px solid #dde3e9}
"""
WIDTH = 1120
LEFT = 90
BAND_COLOURS = ("#f6c6c3", "#fbe0b5", "#d5e3f7", "#e3d6f2", "#cfeadb", "#f2d5e6")


class Band(NamedTuple):
    """A fault that was on, in nanoseconds."""

    name: str
    start: int
    stop: int
    targets: str


class Scale(NamedTuple):
    """Nanoseconds to pixels."""

    end: int

    def x(self, time: int) -> float:
        return LEFT + (WIDTH - LEFT - 10) * time / max(self.end, 1)


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f"{head}<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "</html>\n"


def svg(height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg width="{WIDTH}" height="{height:.0f}" font-size="11" font-family="sans-serif">'
        + "".join(parts)
        + "</svg>"
    )


def text(x: float, y: float, words: str, fill: str = "#1c2733") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, hover: str = "") -> str:
    title = f"<title>{escape(hover)}</title>" if hover else ""
    size = f'width="{max(width, 1):.1f}" height="{height:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{fill}">{title}</rect>'


def bands_of(events: Sequence[Event]) -> list[Band]:
    """Return when each fault was on."""
    end = max((event.time for event in events), default=0)
    open_: dict[str, tuple[int, str]] = {}
    found = []
    for event in events:
        if event.process != NEMESIS:
            continue
        if event.f == TARGETS and event.key in open_:
            open_[event.key] = open_[event.key][0], str(event.value)
        elif event.type == "invoke":
            open_[event.f] = event.time, ""
        elif event.f in open_:
            start, targets = open_.pop(event.f)
            found.append(Band(event.f, start, event.time, targets))
    found += [Band(name, start, end, targets) for name, (start, targets) in open_.items()]
    return sorted(found, key=lambda band: band.start)


def colour_of(name: str, bands: Sequence[Band]) -> str:
    names = sorted({band.name for band in bands})
    return BAND_COLOURS[names.index(name) % len(BAND_COLOURS)]


def draw_bands(bands: Sequence[Band], scale: Scale, height: float) -> list[str]:
    """Return the faults as bands behind a plot."""
    return [
        box(
            scale.x(band.start),
            0,
            scale.x(band.stop) - scale.x(band.start),
            height,
            colour_of(band.name, bands),
            f"{band.name} {band.targets}",
        )
        for band in bands
    ]


def draw_seconds(scale: Scale, height: float) -> list[str]:
    """Return the axis of time below a plot."""
    seconds = scale.end / 1e9
    step = next((one for one in (1, 2, 5, 10, 30, 60, 120) if seconds / one <= 20), 300)
    return [text(scale.x(int(at * 1e9)), height - 3, f"{at}s", "#667") for at in range(0, int(seconds) + 1, step)]
