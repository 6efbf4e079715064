"""The manuals, and what the source says they have to hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
METRIC_MAKERS = {"counter", "gauge", "histogram", "counter_family", "gauge_family", "histogram_family"}


class Metric(NamedTuple):
    name: str
    help: str


def manual(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def metrics_of_source() -> list[Metric]:
    """Return every metric that the product makes: calls such as `registry.counter("raftdoc_x_total", "Xes.")`."""
    found = set()
    for path in (REPOSITORY / "raftdoc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METRIC_MAKERS:
                texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
                if len(texts) > 1 and re.fullmatch(r"raftdoc_\w+", str(texts[0])):
                    found.add(Metric(str(texts[0]), str(texts[1])))
    return sorted(found)
