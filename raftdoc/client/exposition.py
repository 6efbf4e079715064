"""Read the text that `/metrics` answers (Prometheus exposition format 0.0.4), as far as raftdoc writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \S+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


Metrics = dict[str, list[Sample]]


def parse_metrics(text: str) -> Metrics:
    """Return the samples by name. Lines that are none are left out."""
    metrics: Metrics = {}
    for line in text.splitlines():
        if not line.startswith("#") and (found := _SAMPLE.fullmatch(line)):
            metrics.setdefault(found[1], []).append(Sample(dict(_LABEL.findall(found[2] or "")), float(found[3])))
    return metrics


def total(metrics: Metrics, name: str) -> float | None:
    """Return the sum over all label sets; None where the metric is absent."""
    return sum(sample.value for sample in metrics[name]) if name in metrics else None


def label(metrics: Metrics, name: str, label_name: str) -> str | None:
    """Return the label's value in the metric's first sample."""
    return metrics[name][0].labels.get(label_name) if name in metrics else None


def quantile_between(before: Metrics, after: Metrics, name: str, share: float) -> float | None:
    """Return the upper bound of the bucket that `share` of what was observed between two readings does not exceed.

    None where the histogram is absent or nothing was observed; infinity where the last bucket was exceeded.
    """
    earlier = {sample.labels.get("le"): sample.value for sample in before.get(f"{name}_bucket", [])}
    buckets = sorted(
        (float(sample.labels["le"]), sample.value - earlier.get(sample.labels["le"], 0.0))
        for sample in after.get(f"{name}_bucket", [])
    )
    if not buckets or buckets[-1][1] <= 0:
        return None
    return next(bound for bound, count in buckets if count >= share * buckets[-1][1])
