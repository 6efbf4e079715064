"""The frame of every page, the scale that plots share, and the pieces that they are drawn of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

from jepsen_lite.nemesis import TARGETS
from raftdoc.simulation.history import NEMESIS, Event

STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:0 auto;padding:24px 28px 60px;width:1160px}
body{color:#1c2733;background:#f3f5f8}
h1{font-size:22px;margin:0 0 4px}h2{font-size:15px;margin:0 0 8px}
a{color:#1f5fa8;text-decoration:none}a:hover{text-decoration:underline}
section{background:#fff;border:1px solid #dfe5ec;border-radius:8px;padding:14px 18px;margin:16px 0;overflow-x:auto}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #e8edf2;padding:5px 12px 5px 0;text-align:left;vertical-align:top}
th{font-weight:600;color:#5a6877;font-size:12px}tr:last-child td{border-bottom:0}
.count{text-align:right;font-variant-numeric:tabular-nums}
code{font:12px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.quiet{color:#5a6877;margin:0 0 6px}
.verdict{display:inline-block;border-radius:10px;padding:1px 10px;font-size:12px;font-weight:600}
h1 .verdict{font-size:15px;vertical-align:3px;margin-left:8px}
.ok{background:#d9f0e1;color:#14713a}.illegal{background:#fbdad7;color:#a51d15}.unknown{background:#fdeccb;color:#8a5a00}
.legend span{display:inline-block;margin-right:16px;font-size:12px;color:#5a6877}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:5px;vertical-align:-1px}
.heads{position:sticky;top:0;display:flex;background:#fff;border-bottom:1px solid #dfe5ec;font-size:12px;color:#5a6877}
.heads div{flex:none;padding:3px 0;box-sizing:border-box}
svg{display:block}rect:hover,circle:hover{stroke:#1c2733}:target rect{stroke:#1c2733;stroke-width:2.5}
"""
WIDTH = 1120
LEFT = 90
BAND_COLOURS = ("#e4572e", "#e0a100", "#3f83c9", "#8d62c4", "#35a06c", "#c9518f", "#5f7d8c", "#a3792f")
BAND_OPACITY = 0.16
LABELLED = 0.98
"""Of the axis of time: what stands further right would be cut off."""
SPAN = re.compile(r"\[(\d+)-(\d*)\]")
"""How an operation says where it is in the history."""


class Band(NamedTuple):
    """A fault that was on, in nanoseconds."""

    name: str
    start: int
    stop: int
    targets: str


class Scale(NamedTuple):
    """Nanoseconds to pixels."""

    start: int
    end: int

    def x(self, time: int) -> float:
        return LEFT + (WIDTH - LEFT - 10) * (time - self.start) / max(self.end - self.start, 1)


def page(title: str, parts: Iterable[str], *, badge: str = "") -> str:
    """Return a whole page."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    mark = f" {verdict(badge)}" if badge else ""
    return f"{head}<h1>{escape(title)}{mark}</h1>\n" + "\n".join(parts) + "</html>\n"


def section(title: str, *parts: str) -> str:
    """Return a part of a page under a heading."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def verdict(word: str) -> str:
    return f'<span class="verdict {escape(word)}">{escape(word)}</span>'


def legend(colours: Iterable[tuple[str, str]]) -> str:
    """Return what colours mean."""
    return (
        '<p class="legend">'
        + "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in colours)
        + "</p>"
    )


def linked(words: str, page_of: Callable[[int], str]) -> str:
    """Return words of a checker, in which each operation leads to its place in the timeline."""
    return SPAN.sub(lambda match: f'<a href="{page_of(int(match[1]))}#e{match[1]}">{match[0]}</a>', escape(words))


def svg(height: float, parts: Iterable[str], width: int = WIDTH) -> str:
    return (
        f'<svg width="{width}" height="{height:.0f}" font-size="11" font-family="system-ui,sans-serif">'
        + "".join(parts)
        + "</svg>"
    )


def text(x: float, y: float, words: str, fill: str = "#1c2733") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" pointer-events="none">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, hover: str = "", *, opacity: float = 1.0) -> str:
    title = f"<title>{escape(hover)}</title>" if hover else ""
    size = f'width="{max(width, 1):.1f}" height="{height:.1f}"'
    faint = f' fill-opacity="{opacity:g}"' if opacity < 1 else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{fill}"{faint}>{title}</rect>'


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a thin line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#e3e8ee"/>'


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


def names_of(bands: Sequence[Band]) -> list[str]:
    """Return the faults in the order in which they first came."""
    return list(dict.fromkeys(band.name for band in bands))


def colour_of(name: str, bands: Sequence[Band]) -> str:
    return BAND_COLOURS[names_of(bands).index(name) % len(BAND_COLOURS)]


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
            opacity=BAND_OPACITY,
        )
        for band in bands
    ]


def draw_seconds(scale: Scale, height: float) -> list[str]:
    """Return the axis of time below a plot; seconds count from the first event."""
    seconds = (scale.end - scale.start) / 1e9
    step = next((one for one in (1, 2, 5, 10, 30, 60, 120) if seconds / one <= 20), 300)
    return [
        text(scale.x(scale.start + int(at * 1e9)) - 4, height - 3, f"{at} s", "#5a6877")
        for at in range(0, int(seconds) + 1, step)
        if at <= seconds * LABELLED
    ]
