"""Counters, gauges and histograms, and their text for Prometheus.

A metric without labels is the object that is counted on. With labels, the family binds each combination
once, outside the hot path:

    turns = registry.counter("raftdoc_turns_total", "Turns of the node's loop.")
    turns.value += 1
    sent = registry.counter_family("raftdoc_peer_sent_bytes_total", "Bytes sent to peers.", ("lane",))
    bulk = sent.bind(lane="bulk")
    bulk.value += len(frame)

Source: Prometheus text exposition format 0.0.4; the naming rules of prometheus.io/docs/practices/naming.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
NAME: Final = re.compile(r"raftdoc_[a-z0-9_]+")
UNITS: Final = ("seconds", "bytes", "ratio")

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Counter:
    """Only ever goes up: `value += n`, or give `read`, which is asked at every exposition instead."""

    __slots__ = ("read", "value")

    def __init__(self) -> None:
        self.value: int | float = 0
        self.read: Callable[[], int | float] | None = None

    def samples(self) -> list[Sample]:
        return [Sample("", (), self.value if self.read is None else self.read())]


class Gauge:
    """Goes up and down: set `value`, or give `read`, which is asked at every exposition instead."""

    __slots__ = ("read", "value")

    def __init__(self) -> None:
        self.value: int | float = 0
        self.read: Callable[[], int | float] | None = None

    def samples(self) -> list[Sample]:
        return [Sample("", (), self.value if self.read is None else self.read())]


class Histogram:
    """Counts observations in fixed buckets."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        assert list(bounds) == sorted(set(bounds)), bounds
        self.bounds = tuple(bounds)
        """Upper bounds, inclusive, rising."""
        self.counts = [0] * (len(self.bounds) + 1)
        """Per bucket, not cumulative; the last is for what is over all bounds."""
        self.sum: int | float = 0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def observe(self, value: int | float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def samples(self) -> list[Sample]:
        samples = []
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            samples.append(Sample("_bucket", (("le", _number(bound)),), total))
        return [*samples, Sample("_sum", (), self.sum), Sample("_count", (), total)]


class Sample(NamedTuple):
    suffix: str
    labels: tuple[tuple[str, str], ...]
    value: int | float


M = TypeVar("M", bound="Counter | Gauge | Histogram")


class Family(Generic[M]):
    """One metric for every combination of its labels' values that is bound."""

    __slots__ = ("_children", "_labels", "_make")

    def __init__(self, labels: tuple[str, ...], make: Callable[[], M]) -> None:
        self._labels = labels
        self._make = make
        self._children: dict[tuple[str, ...], M] = {}

    def bind(self, **values: str) -> M:
        """Return the metric of these label values, making it at the first call."""
        assert tuple(values) == self._labels, (tuple(values), self._labels)
        key = tuple(values.values())
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._make()
        return child

    def drop(self, **values: str) -> None:
        """Leave this combination out of the exposition from now on."""
        self._children.pop(tuple(values.values()), None)

    def children(self) -> list[tuple[tuple[tuple[str, str], ...], M]]:
        return [(tuple(zip(self._labels, key, strict=True)), child) for key, child in self._children.items()]


class Declared(NamedTuple):
    """What documentation has to say of a metric. Its unit ends its name: `_seconds`, `_bytes`, before `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]

    @property
    def unit(self) -> str:
        """Return the unit that the name ends in; empty for a plain number of things."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return last if last in UNITS else ""


class Registry:
    """All metrics of one node. A name is declared once."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[Declared, Family[Counter] | Family[Gauge] | Family[Histogram]]] = {}

    def counter(self, name: str, help: str, read: Callable[[], int | float] | None = None) -> Counter:
        """Declare a counter that is added to, or, with `read`, one that is asked."""
        counter = self.counter_family(name, help, ()).bind()
        counter.read = read
        return counter

    def counter_family(self, name: str, help: str, labels: tuple[str, ...]) -> Family[Counter]:
        family = Family(labels, Counter)
        assert name.endswith("_total"), name
        self._declare(Declared(name, "counter", help, labels), family)
        return family

    def gauge(self, name: str, help: str, read: Callable[[], int | float] | None = None) -> Gauge:
        """Declare a gauge that is set, or, with `read`, one that is asked."""
        gauge = self.gauge_family(name, help, ()).bind()
        gauge.read = read
        return gauge

    def gauge_family(self, name: str, help: str, labels: tuple[str, ...]) -> Family[Gauge]:
        family = Family(labels, Gauge)
        self._declare(Declared(name, "gauge", help, labels), family)
        return family

    def histogram(self, name: str, help: str, bounds: Sequence[float]) -> Histogram:
        return self.histogram_family(name, help, bounds, ()).bind()

    def histogram_family(
        self,
        name: str,
        help: str,
        bounds: Sequence[float],
        labels: tuple[str, ...],
    ) -> Family[Histogram]:
        family: Family[Histogram] = Family(labels, lambda: Histogram(bounds))
        self._declare(Declared(name, "histogram", help, labels), family)
        return family

    def declared(self) -> list[Declared]:
        """Return every metric by name, bound or not: what the documentation has to cover."""
        return sorted(declared for declared, _ in self._families.values())

    def exposition(self) -> str:
        """Return the text for Prometheus, metrics in the order of their names; serve it as CONTENT_TYPE."""
        lines: list[str] = []
        for name in sorted(self._families):
            declared, family = self._families[name]
            lines.append(f"# HELP {name} {_escape_help(declared.help)}")
            lines.append(f"# TYPE {name} {declared.kind}")
            for labels, metric in family.children():
                lines.extend(_line(name, labels, sample) for sample in metric.samples())
        return "\n".join(lines) + "\n" if lines else ""

    def _declare(self, declared: Declared, family: Family[Counter] | Family[Gauge] | Family[Histogram]) -> None:
        assert NAME.fullmatch(declared.name), declared.name
        assert declared.name not in self._families, f"{declared.name} is declared twice"
        assert declared.help, declared.name
        self._families[declared.name] = (declared, family)


def _line(name: str, labels: tuple[tuple[str, str], ...], sample: Sample) -> str:
    pairs = ",".join(f'{key}="{_escape_label(value)}"' for key, value in (*labels, *sample.labels))
    return f"{name}{sample.suffix}{'{' + pairs + '}' if pairs else ''} {_number(sample.value)}"


def _number(value: int | float) -> str:
    if isinstance(value, int):
        return str(int(value))
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _escape_label(text: str) -> str:
    return _escape_help(text).replace('"', '\\"')
