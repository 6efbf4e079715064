"""A run as text: a column per node, a line per thing that happened.

time ms     n1                  n2                  n3
1203.250    |---Vote(t3)------->|                   |          sent
1204.100    |                   X crash             |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

COLUMN: Final = 22
TIME_WIDTH: Final = 12
LINES_MAX: Final = 4000
"""The end of a run is what tells."""
Traced = tuple[int, str, str, str, str]

_SHOWN: Final = (
    "term",
    "index",
    "commit_index",
    "prev_index",
    "match_index",
    "granted",
    "pre",
    "success",
    "read_round",
)
_FIELD: Final = re.compile(r"(\w+)=([^,()\[\]]+)")
_ENTRIES: Final = re.compile(r"Entry\(index=(\d+), term=(\d+)")


def draw_trace(nodes: Sequence[str], trace: Sequence[Traced]) -> list[str]:
    """Return the lines; `trace` has (time in ns, kind, from, to, text)."""
    if not trace:
        return []
    columns = {node: place for place, node in enumerate(nodes)}
    head = "time ms".rjust(TIME_WIDTH) + "  " + "".join(node.ljust(COLUMN) for node in nodes)
    lines = [head]
    if len(trace) > LINES_MAX:
        lines.append(f"... {len(trace) - LINES_MAX} earlier lines left out")
    lines += [_line(columns, *one) for one in trace[-LINES_MAX:]]
    return lines


def without_repeats(lines: Sequence[str]) -> list[str]:
    """Return a drawing without the heartbeats, and answers to them, that say what one before said already."""
    seen: set[str] = set()
    kept = []
    for line in lines:
        said = line[TIME_WIDTH:]
        is_heartbeat = "HeartbeatResponse" in said or ("AppendEntries" in said and "[" not in said)
        if not (is_heartbeat and said in seen):
            kept.append(line)
        seen.add(said)
    return kept


def _line(columns: dict[str, int], time_ns: int, kind: str, sender: str, peer: str, text: str) -> str:
    cells = "".join("|".ljust(COLUMN) for _ in columns)
    start, stop = columns.get(sender), columns.get(peer)
    if start is not None and stop is not None:
        body = _arrow(cells, start, stop, short(text), is_lost=kind == "lose")
    elif start is not None:
        body = _put(cells, start, f"* {kind} {short(text)}")
    elif stop is not None:
        body = _put(cells, stop, f"* {kind} by {sender}: {text}")
    else:
        body = f"{cells} {kind} {sender} {peer} {text}"
    return f"{time_ns / 1e6:{TIME_WIDTH}.3f}  {body}".rstrip()


def _arrow(cells: str, start: int, stop: int, label: str, *, is_lost: bool) -> str:
    left, right = min(start, stop) * COLUMN, max(start, stop) * COLUMN
    room = right - left - 3
    if room <= 0:
        return _put(cells, start, f"to itself: {label}")
    shaft = label[:room].center(room, "-")
    end = "x" if is_lost else ">" if start < stop else "<"
    drawn = f"-{shaft}{end}" if start < stop else f"{end}{shaft}-"
    rest = f"  {label}" if len(label) > room else ""
    return cells[: left + 1] + drawn + cells[left + 1 + len(drawn) :] + rest


def _put(cells: str, place: int, text: str) -> str:
    at = place * COLUMN
    return cells[:at] + text + cells[at + len(text) :]


def short(text: str) -> str:
    """Return the repr of a message or a persist task in a few words."""
    name = text.split("(", 1)[0]
    if name == text:
        return text
    entries = _ENTRIES.findall(text)
    plain = re.sub(r"entries=\(.*\)(?=, \w+=)", "", text)
    fields = [f"{field}={value}" for field, value in _FIELD.findall(plain) if field in _SHOWN]
    span = f" [{entries[0][0]}@{entries[0][1]}..{entries[-1][0]}@{entries[-1][1]}]" if entries else ""
    return f"{name}{span} {' '.join(dict.fromkeys(fields))}"
