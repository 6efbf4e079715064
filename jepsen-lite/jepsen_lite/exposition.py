"""Numbers out of a node's /metrics."""

from __future__ import annotations


def metric(text: str, name: str) -> float:
    """Return the sum of a metric over all its labels; 0 where it is not there."""
    total = 0.0
    for line in text.splitlines():
        if line.startswith((name + " ", name + "{")):
            total += float(line.rsplit(" ", 1)[1])
    return total
