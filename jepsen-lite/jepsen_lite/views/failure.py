"""How far the linearizability checker came with a key, and what could not be next."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from jepsen_lite.views.page import WIDTH, box, section, svg, text, verdict
from jepsen_lite.views.plots import COLOURS
from jepsen_lite.views.timeline import page_of
from raftdoc.simulation.checkers.linearizability import KeyResult
from raftdoc.simulation.history import Operation

SHOWN = 18
"""Operations of the order found, from its end."""
LANE = 20
LABEL = 330
BLOCKED_COLOUR = "#cf3a2f"


def failure(result: KeyResult) -> str:
    """Return the end of the longest order that was found, and what could not follow it, each with its span in time."""
    shown, blocked = result.linearized[-SHOWN:], result.blocked
    count = len(result.linearized)
    rows = [(f"{count - len(shown) + at + 1}", one) for at, one in enumerate(shown)]
    rows += [("next?", one) for one in blocked]
    words = (
        f"<p class='quiet'>The longest order of operations that explains the answers has {count} of them; it ends with "
        "the numbered ones, and nothing that is marked “next?” can follow. A bar is an operation from its invocation "
        "to its answer, over the numbers of events; what ends before another begins has to come before it.</p>"
    )
    return section(f"key {result.key}", verdict(result.verdict.value), words, _spans(rows))


def _spans(rows: Sequence[tuple[str, Operation]]) -> str:
    if not rows:
        return ""
    first = min(one.start for _, one in rows)
    end = max(one.stop or one.start + 1 for _, one in rows)
    pixels = (WIDTH - LABEL - 10) / max(end - first, 1)
    parts = []
    for lane, (mark, one) in enumerate(rows):
        y = lane * LANE
        is_blocked = mark == "next?"
        colour = BLOCKED_COLOUR if is_blocked else COLOURS[one.type]
        x = LABEL + (one.start - first) * pixels
        width = ((one.stop or end) - one.start) * pixels
        parts += [
            text(2, y + 14, mark, colour),
            f'<a href="{page_of(one.start)}#e{one.start}">{text(44, y + 14, str(one), "#1f5fa8")}</a>',
            box(x, y + 4, width, LANE - 8, colour, escape(str(one)), opacity=0.9 if is_blocked else 0.55),
        ]
    return svg(len(rows) * LANE + 4, parts)
